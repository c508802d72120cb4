"""Who signed an MCUboot image: digest, key hash and signature (MCUboot, "Boot Loader", Integrity Check).

The signature is made over the image's SHA-256: ECDSA on P-256 (TLV 22), Ed25519 with the digest as its
message (24), RSA-PSS with SHA-256 and a salt of 32 bytes (20 for 2048 bits, 23 for 3072). The key hash (01)
is the SHA-256 of the public key as ``imgtool`` writes it: SubjectPublicKeyInfo for elliptic curves, PKCS #1
for RSA; as in MCUboot a signature whose key is not named counts for nothing.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from .mcuboot import Image, TlvType

__all__ = ["PublicKey", "SignatureCheck", "check_signature", "key_hash", "load_public_key"]

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
_PREHASHED = utils.Prehashed(hashes.SHA256())


class SignatureCheck(enum.Enum):
    """How the check ended."""

    GOOD = "good"
    NO_DIGEST = "no-digest"
    WRONG_DIGEST = "wrong-digest"
    NOT_SIGNED = "not-signed"
    WRONG_KEY = "wrong-key"
    WRONG_SIGNATURE = "wrong-signature"


def load_public_key(pem: bytes) -> PublicKey:
    """A public key in PEM, or that of a private one without a password.

    Raises ValueError for anything else than ECDSA P-256, Ed25519, RSA of 2048 or 3072 bits.
    """
    try:
        if b"PRIVATE KEY" in pem:
            key = serialization.load_pem_private_key(pem, None).public_key()
        else:
            key = serialization.load_pem_public_key(pem)
    except TypeError as error:
        raise ValueError("the private key has a password; give its public key") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("there is no key in PEM") from error
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in (2048, 3072):
        return key
    raise ValueError("an image is signed with ECDSA P-256, Ed25519, RSA-2048 or RSA-3072")


def key_hash(key: PublicKey) -> bytes:
    """What the TLV 01 of an image signed with this key holds."""
    form = (
        serialization.PublicFormat.PKCS1
        if isinstance(key, rsa.RSAPublicKey)
        else serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).digest()


def check_signature(image: Image, keys: Sequence[PublicKey]) -> SignatureCheck:
    """Whether one of ``keys`` signed this image, and if not, why it looks so."""
    if not image.digest:
        return SignatureCheck.NO_DIGEST
    if not image.digest_is_right:
        return SignatureCheck.WRONG_DIGEST
    signatures = [tlv for kind in _SIGNATURES for tlv in image.find(kind)]
    if not signatures:
        return SignatureCheck.NOT_SIGNED
    named = [key for key in keys if key_hash(key) == image.key_hash]
    for key in named:
        if any(_verifies(key, tlv.type, tlv.value, image.digest) for tlv in signatures):
            return SignatureCheck.GOOD
    return SignatureCheck.WRONG_SIGNATURE if named else SignatureCheck.WRONG_KEY


_SIGNATURES = (TlvType.ECDSA, TlvType.ED25519, TlvType.RSA2048_PSS, TlvType.RSA3072_PSS)


def _verifies(key: PublicKey, kind: int, signature: bytes, digest: bytes) -> bool:
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            if kind != TlvType.ECDSA:
                return False
            # imgtool --pad-sig fills an ECDSA signature up; its own length is in the second byte.
            own = signature[: 2 + signature[1]] if len(signature) > 1 else signature
            key.verify(own, digest, ec.ECDSA(_PREHASHED))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            if kind != TlvType.ED25519:
                return False
            key.verify(signature, digest)
        else:
            if kind != (TlvType.RSA2048_PSS if key.key_size == 2048 else TlvType.RSA3072_PSS):
                return False
            key.verify(signature, digest, _PSS, _PREHASHED)
    except InvalidSignature:
        return False
    return True
