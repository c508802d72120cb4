"""An authority in miniature for SCP11 tests: X.509 and 7F21 certificates of every good and bad kind."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from itertools import count

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tegata.apdu.scp11 import legacy, new_private_key, read_certificate
from tegata.apdu.scp11.certificates import Certificate
from tegata.simulators.card.device import seeded

FROM = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
UNTIL = datetime.datetime(2036, 1, 1, tzinfo=datetime.UTC)
GP_POLICY = "1.2.840.114283.100.0.10.2.1."
_serials = count(0x8001)


def new_key(name: str, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return new_private_key(curve or ec.SECP256R1(), seeded(name.encode()))


@dataclass
class Authority:
    """One authority, self-signed or under another one."""

    name: str
    parent: Authority | None = None
    path_length: int | None = None
    curve: ec.EllipticCurve = field(default_factory=ec.SECP256R1)

    def __post_init__(self) -> None:
        self.key = new_key(self.name, self.curve)
        above = self.parent or self
        self.x509 = above.issue(self.name, self.key.public_key(), ca=True, path_length=self.path_length)

    @property
    def certificate(self) -> Certificate:
        return read_certificate(self.x509.public_bytes(Encoding.DER))

    @property
    def identifier(self) -> bytes:
        return x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()).digest

    def issue(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        *,
        ca: bool = False,
        path_length: int | None = None,
        agreement: bool | None = None,
        role: int | None = None,
        serial: int | None = None,
        start: datetime.datetime = FROM,
        until: datetime.datetime = UNTIL,
        extra: x509.ExtensionType | None = None,
        issuer: str | None = None,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(issuer or self.name))
            .public_key(key)
            .serial_number(next(_serials) if serial is None else serial)
            .not_valid_before(start)
            .not_valid_after(until)
            .add_extension(_usage(ca, not ca if agreement is None else agreement), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )
        if ca:
            builder = builder.add_extension(
                x509.BasicConstraints(ca=True, path_length=path_length), critical=True
            )
        if role is not None:
            policy = x509.PolicyInformation(x509.ObjectIdentifier(f"{GP_POLICY}{role}"), None)
            builder = builder.add_extension(x509.CertificatePolicies([policy]), critical=True)
        if extra is not None:
            builder = builder.add_extension(extra, critical=True)
        return builder.sign(self.key, SHA256())

    def leaf(self, name: str, key: ec.EllipticCurvePublicKey, **options: object) -> Certificate:
        return read_certificate(self.issue(name, key, **options).public_bytes(Encoding.DER))  # type: ignore[arg-type]

    def legacy(
        self,
        key: ec.EllipticCurvePublicKey,
        *,
        serial: bytes = b"\x01",
        subject: bytes = b"leaf",
        usage: bytes = legacy.KEY_AGREEMENT,
        plain: bool = False,
    ) -> Certificate:
        def sign(data: bytes) -> bytes:
            signature = self.key.sign(data, ec.ECDSA(SHA256()))
            return plain_signature(signature) if plain else signature

        return read_certificate(
            legacy.build(
                serial=serial,
                issuer_id=self.identifier,
                subject_id=subject,
                usage=usage,
                effective=FROM.date(),
                expiry=UNTIL.date(),
                key=key,
                sign=sign,
            )
        )


def plain_signature(der: bytes, size: int = 32) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    return b"".join(part.to_bytes(size, "big") for part in decode_dss_signature(der))


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(ca: bool, agreement: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=agreement,
        key_cert_sign=ca,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
