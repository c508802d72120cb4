"""DES and triple DES as smart cards use them (FIPS 46-3; ISO/IEC 9797-1 algorithm 3; GPC 2.3.1 §B.1.2).

A key is one, two or three DES keys of 8 bytes each; two keys K1 K2 mean K1 K2 K1, one key is single DES.
Old, and here only because cards in the field still speak it: new protocols use AES.
"""

from __future__ import annotations

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from .secret import Secret

__all__ = [
    "BLOCK",
    "cbc_decrypt",
    "cbc_encrypt",
    "ecb_decrypt",
    "ecb_encrypt",
    "full_mac",
    "key_check_value",
    "retail_mac",
]

BLOCK = 8


def ecb_encrypt(key: Secret, data: bytes) -> bytes:
    """ECB without padding; ``data`` is a multiple of 8 bytes. Raises ValueError for any other length."""
    cipher = Cipher(_algorithm(key.reveal()), modes.ECB()).encryptor()  # noqa: S305 - as the standards say
    return cipher.update(data) + cipher.finalize()


def ecb_decrypt(key: Secret, data: bytes) -> bytes:
    """The inverse of :func:`ecb_encrypt`."""
    cipher = Cipher(_algorithm(key.reveal()), modes.ECB()).decryptor()  # noqa: S305
    return cipher.update(data) + cipher.finalize()


def cbc_encrypt(key: Secret, iv: bytes, data: bytes) -> bytes:
    """CBC without padding; ``data`` is a multiple of 8 bytes, ``iv`` 8 bytes."""
    cipher = Cipher(_algorithm(key.reveal()), modes.CBC(iv)).encryptor()
    return cipher.update(data) + cipher.finalize()


def cbc_decrypt(key: Secret, iv: bytes, data: bytes) -> bytes:
    """The inverse of :func:`cbc_encrypt`."""
    cipher = Cipher(_algorithm(key.reveal()), modes.CBC(iv)).decryptor()
    return cipher.update(data) + cipher.finalize()


def full_mac(key: Secret, icv: bytes, padded: bytes) -> bytes:
    """Full triple DES MAC: the last block of 3DES-CBC over ``padded``, 8 bytes (GPC 2.3.1 §B.1.2.1)."""
    return cbc_encrypt(key, icv, padded)[-BLOCK:]


def retail_mac(key: Secret, icv: bytes, padded: bytes) -> bytes:
    """Single DES plus final triple DES MAC over ``padded``, 8 bytes (GPC 2.3.1 §B.1.2.2).

    Single DES with K1 through all blocks, the last one with K1 K2 K1. ``key`` has 16 bytes.
    """
    value = key.reveal()
    head, last = padded[:-BLOCK], padded[-BLOCK:]
    if head:
        icv = full_mac(Secret(value[:BLOCK]), icv, head)
    return full_mac(key, icv, last)


def key_check_value(key: Secret) -> bytes:
    """The first 3 bytes of 3DES(key, eight zero bytes) (GPC 2.3.1 §B.5)."""
    return ecb_encrypt(key, bytes(BLOCK))[:3]


def _algorithm(key: bytes) -> TripleDES:
    # cryptography wants three keys: spelling them out spares its warning about fewer.
    forms = {8: key * 3, 16: key + key[:8], 24: key}
    if len(key) not in forms:
        raise ValueError(f"a DES key has 8, 16 or 24 bytes, got {len(key)}")
    return TripleDES(forms[len(key)])
