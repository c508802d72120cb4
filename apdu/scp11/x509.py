"""X.509 certificates of SCP11: ECDSA, critical KeyUsage, GlobalPlatform's policies (RFC 5280 §4)."""

from __future__ import annotations

from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, SignatureAlgorithmOID

from ..certificate import read_certificate
from ..tlv import Tlv
from .certificates import Certificate
from .curves import curve_reference

__all__ = ["POLICY_ARC", "read", "serial_content"]

POLICY_ARC = "1.2.840.114283.100.0.10.2.1."
"""Before the number of a role; other numbers stand in certificates of authorities."""
EXTENSION_ARC = "1.2.840.114283.100.0.10.2.0."
"""Before the number of an extension (Amd F annex C)."""
AUTHORISATIONS, SUBJECT_ID = (x509.ObjectIdentifier(f"{EXTENSION_ARC}{number}") for number in (1, 2))
OCTET_STRING = 0x04
UNDERSTOOD = frozenset(
    (
        AUTHORISATIONS,
        SUBJECT_ID,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    )
)
ECDSA = frozenset(
    (
        SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    )
)
T = TypeVar("T", bound=x509.ExtensionType)


def serial_content(serial: int) -> bytes:
    """A serial number as an allow list holds it: the content of a DER INTEGER."""
    return serial.to_bytes(serial.bit_length() // 8 + 1, "big")


def read(raw: bytes) -> Certificate:
    """Raises ValueError for anything but an ECDSA certificate of an EC key whose critical extensions are
    all understood."""
    certificate, key = read_certificate(raw)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("the certificate's key is not one of an elliptic curve")  # noqa: TRY004 - foreign bytes
    curve_reference(key.curve)
    # Asked for the hash of an algorithm that it does not know, the library raises what is no ValueError.
    if certificate.signature_algorithm_oid not in ECDSA or certificate.signature_hash_algorithm is None:
        raise ValueError("the certificate is not signed with ECDSA and SHA-2")
    extensions = _extensions(certificate)
    usage = _find(extensions, x509.KeyUsage)
    constraints = _find(extensions, x509.BasicConstraints)
    subject_id = _find(extensions, x509.SubjectKeyIdentifier)
    issuer_id = _find(extensions, x509.AuthorityKeyIdentifier)
    authority = constraints is not None and constraints.ca
    subject_name = certificate.subject.public_bytes()
    return Certificate(
        raw=raw,
        serial=serial_content(certificate.serial_number),
        issuer_id=(issuer_id.key_identifier or b"") if issuer_id else b"",
        subject_id=subject_id.digest if subject_id else b"",
        key=key,
        signs=authority and (usage is None or usage.key_cert_sign),
        agrees=usage is not None and usage.key_agreement,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        body=certificate.tbs_certificate_bytes,
        signature=certificate.signature,
        digest=certificate.signature_hash_algorithm,
        issuer_name=certificate.issuer.public_bytes(),
        subject_name=subject_name,
        roles=_roles(extensions),
        path_length=constraints.path_length if constraints else None,
        owner=_octets(extensions, SUBJECT_ID) or subject_name,
        authorisations=_octets(extensions, AUTHORISATIONS),
    )


def _extensions(certificate: x509.Certificate) -> x509.Extensions:
    try:
        extensions = certificate.extensions
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(f"the extensions cannot be read: {error}") from error
    for extension in extensions:
        if extension.critical and extension.oid not in UNDERSTOOD:
            raise ValueError(f"the critical extension {extension.oid.dotted_string} is not understood")
    return extensions


def _find(extensions: x509.Extensions, kind: type[T]) -> T | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _octets(extensions: x509.Extensions, oid: x509.ObjectIdentifier) -> bytes:
    """The octet string in an extension of GlobalPlatform's, empty when there is none. Raises ValueError."""
    try:
        found = extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound:
        return b""
    octets = Tlv.parse(found.public_bytes())
    if octets.tag != OCTET_STRING or not octets.value:
        raise ValueError(f"the extension {oid.dotted_string} is no octet string")
    return octets.value


def _roles(extensions: x509.Extensions) -> frozenset[int]:
    policies = _find(extensions, x509.CertificatePolicies)
    oids = [policy.policy_identifier.dotted_string for policy in policies or ()]
    arcs = [oid.removeprefix(POLICY_ARC) for oid in oids if oid.startswith(POLICY_ARC)]
    return frozenset(int(arc) for arc in arcs if arc.isdecimal())
