"""The one shape of certificates of SCP11 (GPC 2.3.1 Amendment F 1.4; RFC 5280).

``x509`` reads X.509, ``legacy`` reads and writes the older GlobalPlatform format ``7F21``, ``chain`` tells
them apart and follows a chain.
"""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from .curves import field_bytes

__all__ = ["Certificate", "Role", "ecdsa_confirms"]


class Role(enum.IntEnum):
    """Whose static key a leaf certifies: the last arc of its policy 1.2.840.114283.100.0.10.2.1.x."""

    HOST = 0
    CARD = 10


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate of either format.

    ``serial`` is what an allow list names. ``issuer_id`` and ``subject_id`` are the key identifiers of X.509,
    tags 42 and 5F20 of the older format; empty when there is none. ``issuer_name`` and ``subject_name`` are
    DER names of X.509. ``roles`` is empty when the certificate does not say. ``path_length`` limits the
    certificates between this one and the leaf. ``owner`` is the subject identifier that a domain compares
    with its application provider's (§4.7), ``authorisations`` the content of ``BF20``.
    """

    raw: bytes
    serial: bytes
    issuer_id: bytes
    subject_id: bytes
    key: ec.EllipticCurvePublicKey = field(compare=False)
    signs: bool
    agrees: bool
    not_before: datetime.datetime | None
    not_after: datetime.datetime | None
    body: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    digest: HashAlgorithm = field(repr=False, compare=False)
    issuer_name: bytes = field(default=b"", repr=False)
    subject_name: bytes = field(default=b"", repr=False)
    roles: frozenset[int] = frozenset()
    path_length: int | None = None
    owner: bytes = b""
    authorisations: bytes = b""

    def signed_by(self, key: ec.EllipticCurvePublicKey) -> bool:
        """Whether the signature is by ``key``, whatever the names say."""
        return ecdsa_confirms(key, self.signature, self.body, self.digest)

    def names(self, issuer: Certificate) -> bool:
        """Whether ``issuer`` is the one that this certificate names."""
        same_id = not self.issuer_id or not issuer.subject_id or self.issuer_id == issuer.subject_id
        return same_id and self.issuer_name == issuer.subject_name

    @property
    def self_issued(self) -> bool:
        """Whether it is a root: it names itself and is signed by its own key."""
        return self.names(self) and self.signed_by(self.key)


def ecdsa_confirms(
    key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes, digest: HashAlgorithm
) -> bool:
    """ECDSA over ``data``; the signature in DER or plain r ‖ s (TR-03111 §5.2): both are in the field."""
    for form in _signature_forms(key.curve, signature):
        try:
            key.verify(form, data, ec.ECDSA(digest))
        except InvalidSignature:
            continue
        return True
    return False


def _signature_forms(curve: ec.EllipticCurve, signature: bytes) -> list[bytes]:
    forms = [signature]
    # The order of the group is as long as the field on every curve of SCP11.
    size = field_bytes(curve)
    if len(signature) == 2 * size:
        r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
        forms.append(encode_dss_signature(r, s))
    return forms
