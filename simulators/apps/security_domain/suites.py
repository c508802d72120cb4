"""The keys of a domain as the schemes of tokens, receipts and load file signatures take them."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ....applets.security_domain.model import KeyType
from ....applets.security_domain.model.signatures import (
    SigningKey,
    SymmetricKey,
    VerifyingKey,
    sign,
    verify,
)
from ...card.application import CardStatus, DomainContext
from .keys import CURVES
from .keystore import CardKey, KeyStore

__all__ = ["sign_with_version", "verify_with_version"]

DES_LENGTH = 16


def verify_with_version(ctx: DomainContext, version: int, data: bytes, signature: bytes) -> bool:
    """Whether a key of that version made the signature.

    Raises CardStatus 6985 for a domain that has no such key.
    """
    keys = KeyStore(ctx).of_version(version)
    if not keys:
        raise CardStatus(0x6985)
    ctx.spend("aes_block", 1 + len(data) // 16)
    return any(_verifies(key, data, signature) for key in keys)


def sign_with_version(ctx: DomainContext, version: int, data: bytes) -> bytes:
    """The signature with the first key of that version that signs; nothing when there is none."""
    for key in KeyStore(ctx).of_version(version):
        signing = _signing(key)
        if signing is not None:
            ctx.spend("aes_block", 1 + len(data) // 16)
            return sign(signing, data)
    return b""


def _verifies(key: CardKey, data: bytes, signature: bytes) -> bool:
    verifying = _verifying(key)
    return verifying is not None and verify(verifying, data, signature)


def _symmetric(key: CardKey) -> SymmetricKey | None:
    """The scheme of a symmetric key: a DES key of three parts, which PUT KEY takes, has none (§C.4)."""
    if not key.symmetric or (key.type == KeyType.DES and len(key.secret) != DES_LENGTH):
        return None
    return SymmetricKey(key.secret, "aes" if key.type == KeyType.AES else "3des")


def _signing(key: CardKey) -> SigningKey | None:
    scalar = key.component(KeyType.EC_PRIVATE)
    if scalar:
        curve = CURVES[key.component(KeyType.EC_PARAMETERS)[0]]
        return ec.derive_private_key(int.from_bytes(scalar, "big"), curve)
    return _symmetric(key)


def _verifying(key: CardKey) -> VerifyingKey | None:
    modulus, point = key.component(KeyType.RSA_MODULUS), key.component(KeyType.EC_PUBLIC)
    if modulus:
        exponent = int.from_bytes(key.component(KeyType.RSA_EXPONENT), "big")
        return rsa.RSAPublicNumbers(exponent, int.from_bytes(modulus, "big")).public_key()
    if point:
        curve = CURVES[key.component(KeyType.EC_PARAMETERS)[0]]
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    return _symmetric(key)
