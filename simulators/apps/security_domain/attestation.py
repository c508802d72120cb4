"""Certificates that a card makes for its own keys, under a key that its maker left in it.

The chain is the maker's root, the card's authority (one a card), the key's certificate. Policies are those
that are seen in the field: 1.2.840.114283.100.0.10.2.1.10 for a card's key, 20 and 40 for authorities.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ....apdu.scp11 import KeyNumber, Role, curve_reference, new_private_key, private_key, scalar
from ....apdu.scp11.x509 import POLICY_ARC
from ....applets.security_domain.model import KeyType
from ...card.application import DomainContext
from .keystore import CardKey, place_of

__all__ = ["ATTESTATION", "CERTIFICATES", "Authority", "new_key", "private_card_key"]

ATTESTATION = "attestation"
"""Where the card's authority lies: its private key, then its certificate."""
CERTIFICATES = "certificates"
"""What the certificates of a key are called among what belongs to it."""
NEW_KEY = KeyNumber(0x13, 0x01)
CURVE = ec.SECP256R1()
START = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)
END = datetime.datetime(2126, 1, 5, tzinfo=datetime.UTC)
SERIAL_BYTES = 16
AUTHORITY = (40,)


@dataclass(frozen=True, slots=True)
class Authority:
    """A key that certifies others, and its own certificate."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate

    @classmethod
    def root(cls, name: str, entropy: Callable[[int], bytes]) -> Authority:
        """A self-signed authority."""
        key = new_private_key(CURVE, entropy)
        subject = _name(name)
        builder = _builder(subject, subject, key.public_key(), entropy)
        return cls(key, _finish(builder, key.public_key(), key, policies=(20, 40), path_length=1))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Authority:
        size = (CURVE.key_size + 7) // 8
        return cls(private_key(CURVE, raw[:size]), x509.load_der_x509_certificate(raw[size:]))

    def to_bytes(self) -> bytes:
        return scalar(self.key) + self.der

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def below(self, name: str, entropy: Callable[[int], bytes]) -> Authority:
        """An authority under this one, for one card."""
        key = new_private_key(CURVE, entropy)
        return Authority(key, self._issue(name, key.public_key(), entropy, AUTHORITY, path_length=0))

    def certify(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        entropy: Callable[[int], bytes],
        role: Role = Role.CARD,
    ) -> bytes:
        """The certificate of a card's static key, or of a host's, DER."""
        return self._issue(name, key, entropy, (role,)).public_bytes(Encoding.DER)

    def _issue(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        entropy: Callable[[int], bytes],
        policies: Sequence[int],
        *,
        path_length: int | None = None,
    ) -> x509.Certificate:
        builder = _builder(_name(name), self.certificate.subject, key, entropy)
        return _finish(builder, self.key.public_key(), self.key, policies=policies, path_length=path_length)


def new_key(ctx: DomainContext) -> tuple[CardKey, dict[str, bytes]]:
    """A new key for SCP11b, and what belongs to it: its certificates, when the maker left an authority."""
    key = new_private_key(CURVE, ctx.random)
    ctx.spend("ec256_keygen")
    card_key = private_card_key(NEW_KEY, key)
    if ATTESTATION not in ctx.nv:
        return card_key, {}
    ctx.spend("ec256_sign")
    authority = Authority.from_bytes(ctx.nv.get(ATTESTATION))
    certificate = authority.certify("SCP11b", key.public_key(), ctx.random)
    return card_key, {place_of(NEW_KEY) + CERTIFICATES: authority.der + certificate}


def private_card_key(number: KeyNumber, key: ec.EllipticCurvePrivateKey) -> CardKey:
    """A private key as the card keeps it."""
    reference = bytes((curve_reference(key.curve),))
    components = ((KeyType.EC_PRIVATE, scalar(key)), (KeyType.EC_PARAMETERS, reference))
    return CardKey(number.kid, number.version, components)


def _name(name: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "TEGATA-TEST")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, entropy: Callable[[int], bytes]
) -> x509.CertificateBuilder:
    serial = int.from_bytes(entropy(SERIAL_BYTES), "big") >> 1 | 1
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(START)
        .not_valid_after(END)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _finish(
    builder: x509.CertificateBuilder,
    issuer: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    policies: Sequence[int],
    path_length: int | None,
) -> x509.Certificate:
    authority = path_length is not None
    arcs = [x509.PolicyInformation(x509.ObjectIdentifier(f"{POLICY_ARC}{arc}"), None) for arc in policies]
    builder = (
        builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        .add_extension(_usage(authority=authority), critical=True)
        .add_extension(x509.CertificatePolicies(arcs), critical=True)
    )
    if authority:
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=path_length), critical=True
        )
    return builder.sign(signer, SHA256(), ecdsa_deterministic=True)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not authority,
        key_cert_sign=authority,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
