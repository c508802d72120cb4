"""NIST SP 800-108r1 §4.1: key derivation in counter mode with AES-CMAC, and decimal digits from it."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode

__all__ = ["counter_mode_cmac", "digits"]

BLOCK = 16
_EVEN_DIGITS = 250  # the largest multiple of ten a byte can reach: above it some digits would come more often


def counter_mode_cmac(key: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """``length`` bytes of K(i) = CMAC(key, [i]32 ‖ label ‖ 00 ‖ context ‖ [bits]32)."""
    kdf = KBKDFCMAC(
        algorithm=AES,
        mode=Mode.CounterMode,
        length=length,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=label,
        context=context,
        fixed=None,
    )
    return kdf.derive(key)


def digits(key: bytes, label: bytes, context: bytes, count: int) -> bytes:
    """``count`` decimal digits as ASCII, each equally likely.

    Bytes of :func:`counter_mode_cmac` over ``context ‖ block number`` (1 byte, 16 bytes a block); those of
    250 and above are passed over.
    """
    found = (0x30 + byte % 10 for byte in _stream(key, label, context) if byte < _EVEN_DIGITS)
    return bytes(next(found) for _ in range(count))


def _stream(key: bytes, label: bytes, context: bytes) -> Iterator[int]:
    for block in range(256):
        yield from counter_mode_cmac(key, label, context + bytes([block]), BLOCK)
