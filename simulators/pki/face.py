"""Card-verifiable certificates of the simulated issuer of face data.

Key ids are those that tests of the real system are seen with: 6000020 signs, 6000023 stands here for the text
application and 6000033 for the card face; which of the real ones is which is not public. The root is
published as a certificate by itself, and so is what EF 0016 of the JPKI application trusts for 特定機関認証.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from ...apdu.cvc import CardVerifiableCertificate, RsaPublicKey, key_id
from .hierarchy import Hierarchy, hierarchy

__all__ = [
    "FACE_ROOT_ID",
    "TERMINAL_ID",
    "TEXT_SIGNER_ID",
    "VISUAL_SIGNER_ID",
    "cvc_anchors",
    "face_certificate",
    "terminal_certificate",
]

VERSION = "001"
FACE_ROOT_ID, TEXT_SIGNER_ID, VISUAL_SIGNER_ID, TERMINAL_ID = (
    key_id(number, VERSION) for number in ("6000020", "6000023", "6000033", "6000090")
)


def face_certificate(found: Hierarchy, subject: bytes) -> CardVerifiableCertificate:
    """What the root says about one of the keys of the hierarchy."""
    keys = {
        FACE_ROOT_ID: found.face_root,
        TEXT_SIGNER_ID: found.face_signer,
        VISUAL_SIGNER_ID: found.visual_signer,
    }
    return _signed(found, subject, keys[subject].public_key())


def terminal_certificate(key: rsa.RSAPublicKey, path: Path | None = None) -> CardVerifiableCertificate:
    """A certificate that lets a terminal use the authentication key of simulated cards without its PIN."""
    return _signed(hierarchy(path), TERMINAL_ID, key)


def cvc_anchors(path: Path | None = None) -> tuple[CardVerifiableCertificate, ...]:
    """The root of face data, as a certificate by itself."""
    return (face_certificate(hierarchy(path), FACE_ROOT_ID),)


def _signed(found: Hierarchy, subject: bytes, key: rsa.RSAPublicKey) -> CardVerifiableCertificate:
    public = RsaPublicKey.of(key)
    body = FACE_ROOT_ID + subject + bytes(public)
    return CardVerifiableCertificate(
        FACE_ROOT_ID, subject, public, found.face_root.sign(body, padding.PKCS1v15(), SHA256())
    )
