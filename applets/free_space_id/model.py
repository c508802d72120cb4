"""Identifiers and codecs of the free-space ID application (``docs/protocols/free-space-id.md``)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from ...apdu.tlv import Tlv

__all__ = [
    "AID",
    "CHALLENGE_BYTES",
    "IDENTITY_REFERENCE",
    "INS_GET_DATA",
    "INS_INTERNAL_AUTHENTICATE",
    "MAX_IDENTITY_BYTES",
    "SIGNATURE_BYTES",
    "FreeSpaceIdentity",
    "signed_message",
]

AID = bytes.fromhex("F05445474154412D494401")
"""``F0`` (unregistered), ``TEGATA-ID`` in ASCII, version 01."""
INS_GET_DATA, INS_INTERNAL_AUTHENTICATE = 0xCA, 0x88
IDENTITY_REFERENCE = 0x0101
"""P1 P2 of GET DATA for the identity object."""
USER_ID_BYTES, MAX_ISSUER_BYTES, POINT_BYTES = 16, 16, 65
CHALLENGE_BYTES, SIGNATURE_BYTES = 32, 64
MAX_IDENTITY_BYTES = 128
VERSION = 1
LABEL = b"tegata free-space ID v1\x00"
IDENTITY, T_VERSION, T_ISSUER, T_USER_ID, T_PUBLIC_KEY = 0xE1, 0x80, 0x81, 0x82, 0x83


@dataclass(frozen=True, slots=True)
class FreeSpaceIdentity:
    """What the application tells everybody: a user ID (16 bytes) of an issuer (1–16 ASCII characters), and
    the public key (P-256, uncompressed point of 65 bytes) whose private half never leaves the card."""

    user_id: bytes
    issuer: str
    public_key: bytes

    def __post_init__(self) -> None:
        if len(self.user_id) != USER_ID_BYTES:
            raise ValueError(f"a user ID has {USER_ID_BYTES} bytes, got {len(self.user_id)}")
        if not (
            1 <= len(self.issuer) <= MAX_ISSUER_BYTES and self.issuer.isascii() and self.issuer.isprintable()
        ):
            raise ValueError(f"an issuer code has 1 to {MAX_ISSUER_BYTES} printable ASCII characters")
        if len(self.public_key) != POINT_BYTES:
            raise ValueError(f"a public key has {POINT_BYTES} bytes, got {len(self.public_key)}")
        self._point()

    def __bytes__(self) -> bytes:
        return bytes(
            Tlv.build(
                IDENTITY,
                [
                    Tlv(T_VERSION, bytes((VERSION,))),
                    Tlv(T_ISSUER, self.issuer.encode("ascii")),
                    Tlv(T_USER_ID, self.user_id),
                    Tlv(T_PUBLIC_KEY, self.public_key),
                ],
            )
        )

    @classmethod
    def parse(cls, raw: bytes) -> FreeSpaceIdentity:
        """Read the identity object; it has one form only. Raises ValueError for any other."""
        whole = Tlv.parse(raw)
        tags = [child.tag for child in whole.children] if whole.tag == IDENTITY else []
        if tags != [T_VERSION, T_ISSUER, T_USER_ID, T_PUBLIC_KEY]:
            raise ValueError("this is not an identity object")
        version, issuer, user_id, public_key = (child.value for child in whole.children)
        if version != bytes((VERSION,)):
            raise ValueError(f"version {version.hex()} of the identity object is not known")
        found = cls(user_id, issuer.decode("ascii"), public_key)
        if bytes(found) != raw:
            raise ValueError("the identity object is not in its one form")
        return found

    def accepts(self, challenge: bytes, signature: bytes) -> bool:
        """Whether ``signature`` (r and s, 32 bytes each) was made by this identity's key over the
        challenge."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        r, s = (int.from_bytes(signature[at : at + 32], "big") for at in (0, 32))
        if not r or not s:
            return False
        try:
            self._point().verify(
                encode_dss_signature(r, s), signed_message(self, challenge), ec.ECDSA(SHA256())
            )
        except InvalidSignature:
            return False
        return True

    def _point(self) -> ec.EllipticCurvePublicKey:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.public_key)


def signed_message(identity: FreeSpaceIdentity, challenge: bytes) -> bytes:
    """What the card signs: label, AID, SHA-256 of the identity object, challenge.

    Raises ValueError for a challenge that has not 32 bytes.
    """
    if len(challenge) != CHALLENGE_BYTES:
        raise ValueError(f"a challenge has {CHALLENGE_BYTES} bytes, got {len(challenge)}")
    return LABEL + AID + hashlib.sha256(bytes(identity)).digest() + challenge
