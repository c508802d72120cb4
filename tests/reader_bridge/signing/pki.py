"""A small hierarchy in the JPKI's shape for tests: one self-signed root per use, RSA-2048 under it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True)
class Holder:
    """A key and its certificate (DER), and the callback that a card would be."""

    key: PrivateKey
    certificate: bytes

    def sign_digest(self, digest: bytes) -> bytes:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
        return self.key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA384())))


class Authority:
    """A root that issues end-entity certificates."""

    def __init__(self, name: str) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.name = x509.Name(
            [x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
        )
        builder = (
            self._builder(self.name, self.key, timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage("key_cert_sign", "crl_sign"), critical=True)
        )
        self.certificate = builder.sign(self.key, hashes.SHA256())

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        *usages: str,
        client: bool = False,
        life: timedelta = timedelta(days=365),
        key: PrivateKey | None = None,
        points: tuple[str, ...] = (),
    ) -> Holder:
        """``usages`` in the words of X.509 (content_commitment is non-repudiation)."""
        key = key or rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "997794E9AGCIEG13221003A")])
        builder = self._builder(subject, key, life).add_extension(usage(*usages), critical=True)
        if client:
            purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
            builder = builder.add_extension(purposes, critical=False)
        if points:
            places = [x509.DistributionPoint(full_name(point), None, None, None) for point in points]
            builder = builder.add_extension(x509.CRLDistributionPoints(places), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return Holder(key, certificate.public_bytes(serialization.Encoding.DER))

    def revocation_list(
        self,
        *revoked: Holder,
        change: Callable[[datetime], datetime] = lambda now: now,
        scope: x509.ExtensionType | None = None,
    ) -> bytes:
        now = change(datetime.now(UTC))
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.name, last_update=now - timedelta(hours=1), next_update=now + timedelta(days=1)
        )
        for holder in revoked:
            serial = x509.load_der_x509_certificate(holder.certificate).serial_number
            entry = x509.RevokedCertificateBuilder(
                serial_number=serial, revocation_date=now - timedelta(hours=2)
            )
            builder = builder.add_revoked_certificate(entry.build())
        if scope is not None:
            builder = builder.add_extension(scope, critical=True)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def _builder(self, subject: x509.Name, key: PrivateKey, life: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return x509.CertificateBuilder(
            issuer_name=self.name,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - timedelta(days=30),
            not_valid_after=now + life,
        )


def full_name(point: str) -> list[x509.GeneralName]:
    return [x509.UniformResourceIdentifier(point)]


def usage(*names: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in names for name in USAGES})


def write_pair(folder: Path, holder: Holder, name: str) -> None:
    """``name.pem`` and ``name.key``, for foreign programs."""
    loaded = x509.load_der_x509_certificate(holder.certificate)
    (folder / f"{name}.pem").write_bytes(loaded.public_bytes(serialization.Encoding.PEM))
    secret = holder.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.key").write_bytes(secret)
