"""RSA-2048 as the My Number Card does it: PKCS #1 v1.5 type 1 padding of whatever it is given, and PSS.

RFC 8017 §8.2.1, §9.1.1, §9.2. The card does not look at the data, so no library's signing call fits; the
private operation is the CRT of RFC 8017 §5.1.2, checked with the public exponent before the result leaves
(a fault in one half would give the key away).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers
from cryptography.hazmat.primitives.serialization import load_der_private_key

from ...applets.jpki.model import KEY_BYTES, MAX_SIGN_INPUT, SignMode, digest_info

__all__ = ["encode", "private_operation"]

HASH_BYTES = 32


def encode(mode: int, data: bytes, random: Callable[[int], bytes]) -> bytes:
    """The 256 bytes that the key is applied to, for P1 = ``mode``.

    Raises KeyError for an unknown mode and ValueError for data of a length that the mode does not take.
    """
    if mode not in set(SignMode):
        raise KeyError(mode)
    if mode in (SignMode.DIGEST_INFO, SignMode.PSS) and len(data) != HASH_BYTES:
        raise ValueError("a SHA-256 value has 32 bytes")
    if mode == SignMode.PADDING_ONLY:
        return _type_1(data)
    given = mode in (SignMode.DIGEST_INFO, SignMode.PSS)
    digest = data if given else hashlib.sha256(data).digest()
    if mode == SignMode.HASH_WITHOUT_DIGEST_INFO:
        return _type_1(digest)
    if mode in (SignMode.DIGEST_INFO, SignMode.HASH_AND_DIGEST_INFO):
        return _type_1(digest_info("sha256", digest))
    return _pss(digest, random(HASH_BYTES))


def _type_1(data: bytes) -> bytes:
    if len(data) > MAX_SIGN_INPUT:
        raise ValueError(f"at most {MAX_SIGN_INPUT} bytes can be padded")
    return b"\x00\x01" + b"\xff" * (KEY_BYTES - 3 - len(data)) + b"\x00" + data


def _pss(digest: bytes, salt: bytes) -> bytes:
    """EMSA-PSS with SHA-256, MGF1 and a modulus of 2048 bits."""
    seed = hashlib.sha256(bytes(8) + digest + salt).digest()
    block = b"\x01" + salt
    block = bytes(KEY_BYTES - HASH_BYTES - 1 - len(block)) + block
    masked = bytearray(a ^ b for a, b in zip(block, _mgf1(seed, len(block)), strict=True))
    masked[0] &= 0x7F
    return bytes(masked) + seed + b"\xbc"


def _mgf1(seed: bytes, length: int) -> bytes:
    blocks = (
        hashlib.sha256(seed + counter.to_bytes(4, "big")).digest() for counter in range(length // 32 + 1)
    )
    return b"".join(blocks)[:length]


@lru_cache(maxsize=64)
def _numbers(pkcs8: bytes) -> RSAPrivateNumbers:
    key = load_der_private_key(pkcs8, None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("an RSA key is expected")
    return key.private_numbers()


def private_operation(pkcs8: bytes, encoded: bytes) -> bytes:
    """The RSA private operation on 256 bytes."""
    key = _numbers(pkcs8)
    message = int.from_bytes(encoded, "big")
    first = pow(message, key.dmp1, key.p)
    second = pow(message, key.dmq1, key.q)
    result = second + key.q * ((first - second) * key.iqmp % key.p)
    if pow(result, key.public_numbers.e, key.public_numbers.n) != message:
        raise ArithmeticError("the RSA result does not check")
    return result.to_bytes(KEY_BYTES, "big")
