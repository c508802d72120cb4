"""The built-in company CA: a root, an issuing key, employee certificates, and the CRL.

RFC 5280 profiles with P-256 and SHA-256. Every employee certificate carries a CRL distribution point and
an OCSP address from the first one on, so that it can be revoked by whoever meets it later. A serial is
128 random bits and stands in the ledger before the certificate is made; a certificate that never reached
its card is revoked as soon as that is known.

Keys lie in the CA's folder as PKCS #8, encrypted under a passphrase (PBES2 with scrypt or PBKDF2, AES-256
as the library chooses); root and issuing certificates beside them in PEM.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from ..apdu.errors import InputError
from ..apdu.secret import Secret
from ..reader_bridge.store import now
from .keyring.container import write_private
from .ledger import Ledger
from .ledger.certificates import ON_CRL

__all__ = ["CompanyCa", "Subject", "new_serial"]

ROOT_YEARS = 20
ISSUING_YEARS = 10
CRL_DAYS = 7
BACKDATE = timedelta(minutes=5)
"""Certificates begin a little in the past: clocks of doors and portals differ."""

ROOT_CERTIFICATE, ROOT_KEY = "root.crt", "root.key"
ISSUING_CERTIFICATE, ISSUING_KEY, BASE_URL = "issuing.crt", "issuing.key", "base-url"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for; empty texts are left out."""

    common_name: str
    organization: str = ""
    organizational_unit: str = ""
    serial_number: str = ""
    email: str = ""

    def name(self) -> x509.Name:
        """The X.501 name, from organisation to person."""
        parts = (
            (NameOID.ORGANIZATION_NAME, self.organization),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, self.organizational_unit),
            (NameOID.SERIAL_NUMBER, self.serial_number),
            (NameOID.COMMON_NAME, self.common_name),
        )
        return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts if text])


def new_serial() -> int:
    """A serial number of 128 random bits, its first bit set so that all have one length."""
    return secrets.randbits(127) | 1 << 127


class CompanyCa:
    """An open CA: it signs with the issuing key; the root's key is only used when the CA is made."""

    def __init__(
        self, root: x509.Certificate, issuer: x509.Certificate, key: ec.EllipticCurvePrivateKey, base_url: str
    ) -> None:
        self.root = root
        self.issuer = issuer
        self.base_url = base_url
        self._key = key

    def __repr__(self) -> str:
        return f"CompanyCa({self.issuer.subject.rfc4514_string()!r})"

    @classmethod
    def create(cls, folder: Path, passphrase: Secret, *, organization: str, base_url: str) -> CompanyCa:
        """A new CA in ``folder``. ``base_url`` is where the CRL and OCSP will be found (http).

        Raises InputError ``input.exists`` when there is one, ``ca.refused`` for a URL that is none.
        """
        base_url = _checked_url(base_url)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        root_key, issuing_key = (
            ec.generate_private_key(ec.SECP256R1()),
            ec.generate_private_key(ec.SECP256R1()),
        )
        root = _root(organization, root_key)
        issuer = _issuing(organization, root, root_key, issuing_key.public_key(), base_url)
        encryption = serialization.BestAvailableEncryption(passphrase.reveal())
        for name, key in ((ROOT_KEY, root_key), (ISSUING_KEY, issuing_key)):
            pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
            write_private(folder / name, pem, replace=False)
        for name, certificate in ((ROOT_CERTIFICATE, root), (ISSUING_CERTIFICATE, issuer)):
            write_private(folder / name, certificate.public_bytes(serialization.Encoding.PEM), replace=False)
        write_private(folder / BASE_URL, base_url.encode() + b"\n", replace=False)
        # The root signs one CRL of its own, empty, for verifiers that check the whole chain.
        write_private(folder / "root.crl", _root_crl(root, root_key), replace=False)
        return cls(root, issuer, issuing_key, base_url)

    @classmethod
    def open(cls, folder: Path, passphrase: Secret) -> CompanyCa:
        """Raises InputError ``ca.missing``, or ``keyring.passphrase`` when the key does not open."""
        try:
            root = x509.load_pem_x509_certificate((folder / ROOT_CERTIFICATE).read_bytes())
            issuer = x509.load_pem_x509_certificate((folder / ISSUING_CERTIFICATE).read_bytes())
            base_url = (folder / BASE_URL).read_text("utf-8").strip()
            pem = (folder / ISSUING_KEY).read_bytes()
        except (OSError, ValueError) as error:
            raise InputError("ca.missing", path=str(folder)) from error
        try:
            key = serialization.load_pem_private_key(pem, passphrase.reveal())
        except (ValueError, TypeError) as error:
            raise InputError("keyring.passphrase", name=str(folder)) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != issuer.public_key():
            raise InputError("ca.missing", path=str(folder))
        return cls(root, issuer, key, base_url)

    def chain_pem(self) -> bytes:
        """Issuing and root certificate, for ``openssl verify`` and portals."""
        return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (self.issuer, self.root))

    def issue(
        self, public_key: ec.EllipticCurvePublicKey, subject: Subject, serial: int, valid_until: date
    ) -> bytes:
        """The DER of an employee certificate for client authentication, valid to the end of a day (JST).

        The serial must be reserved in the ledger before. An end that lies in the past is allowed (a badge
        may be issued expired), an end after the issuing certificate is brought forward to it.
        Raises InputError ``ca.refused`` for another key than P-256.
        """
        if not isinstance(public_key.curve, ec.SECP256R1):
            raise InputError("ca.refused", what="keys other than P-256")
        end = datetime.combine(valid_until, time(), UTC) + timedelta(days=1, hours=-9)
        end = min(end, self.issuer.not_valid_after_utc)
        start = min(now() - BACKDATE, end - BACKDATE).replace(microsecond=0)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject.name())
            .issuer_name(self.issuer.subject)
            .public_key(public_key)
            .serial_number(serial)
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(_key_identifier(self.issuer), critical=False)
            .add_extension(_crl_points(f"{self.base_url}/issuing.crl"), critical=False)
            .add_extension(self._information_access(), critical=False)
        )
        if subject.email:
            names = x509.SubjectAlternativeName([x509.RFC822Name(subject.email)])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.DER)

    def crl(self, ledger: Ledger, *, days: int = CRL_DAYS) -> bytes:
        """A CRL (DER) of all revoked and orphaned certificates, its number taken from the clock."""
        moment = now()
        with ledger.read() as books:
            entries = books.certificates(states=ON_CRL)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.issuer.subject)
            .last_update(moment - BACKDATE)
            .next_update(moment + timedelta(days=days))
            .add_extension(_key_identifier(self.issuer), critical=False)
            .add_extension(x509.CRLNumber(int(moment.timestamp() * 1000)), critical=False)
        )
        for entry in entries:
            revoked = (
                x509.RevokedCertificateBuilder()
                .serial_number(entry.serial)
                .revocation_date(entry.revoked or moment)
            )
            flag = x509.ReasonFlags[entry.reason or "unspecified"]
            if flag is not x509.ReasonFlags.unspecified:  # RFC 5280 §5.3.1: left out, not written
                revoked = revoked.add_extension(x509.CRLReason(flag), critical=False)
            builder = builder.add_revoked_certificate(revoked.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def revoke(self, ledger: Ledger, serial: int, reason: str = "unspecified") -> None:
        """Revoke an issued certificate; the next :meth:`crl` carries it.

        Raises InputError ``ca.refused`` for an unknown reason, ``order.unknown``, ``ledger.transition``.
        """
        if reason not in x509.ReasonFlags.__members__:
            raise InputError("ca.refused", what=f"the reason {reason!r}")
        with ledger.begin() as books:
            books.revoke_certificate(serial, reason)

    def _information_access(self) -> x509.AuthorityInformationAccess:
        addresses = (
            (AuthorityInformationAccessOID.OCSP, f"{self.base_url}/ocsp"),
            (AuthorityInformationAccessOID.CA_ISSUERS, f"{self.base_url}/issuing.crt"),
        )
        return x509.AuthorityInformationAccess(
            [x509.AccessDescription(oid, x509.UniformResourceIdentifier(url)) for oid, url in addresses]
        )


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.query or parts.fragment:
        # RFC 5280 §8: an https address would need its own certificate checked to check a certificate
        raise InputError("ca.refused", what=f"an address that is not http://HOST/PATH: {url}")
    return url.rstrip("/")


def _root(organization: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = Subject(f"{organization} Root CA", organization).name()
    builder = _authority(name, name, key.public_key(), ROOT_YEARS, path_length=1)
    return builder.sign(key, hashes.SHA256())


def _issuing(
    organization: str,
    root: x509.Certificate,
    root_key: ec.EllipticCurvePrivateKey,
    public_key: ec.EllipticCurvePublicKey,
    base_url: str,
) -> x509.Certificate:
    name = Subject(f"{organization} Badge CA", organization).name()
    builder = _authority(name, root.subject, public_key, ISSUING_YEARS, path_length=0)
    builder = builder.add_extension(_key_identifier(root), critical=False)
    builder = builder.add_extension(_crl_points(f"{base_url}/root.crl"), critical=False)
    return builder.sign(root_key, hashes.SHA256())


def _authority(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, years: int, *, path_length: int
) -> x509.CertificateBuilder:
    # A day early, for verifiers whose clock is slow.
    start = (now() - timedelta(days=1)).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(new_serial())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365 * years))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _root_crl(root: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    moment = now()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root.subject)
        .last_update(moment - BACKDATE)
        .next_update(moment + timedelta(days=365))
        .add_extension(_key_identifier(root), critical=False)
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _usage(*, digital_signature: bool = False, sign_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _crl_points(url: str) -> x509.CRLDistributionPoints:
    point = x509.DistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)], relative_name=None, reasons=None, crl_issuer=None
    )
    return x509.CRLDistributionPoints([point])
