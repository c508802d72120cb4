"""NIST SP 800-108r1 §4.1: key derivation in counter mode with AES-CMAC, and decimal digits from it.

What is computed stands here as the messages of the CMACs, for keys that compute elsewhere; the functions
that take a key are for keys of this process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...apdu.scp03.crypto import cmac
from ...apdu.secret import Secret

__all__ = ["counter_mode_cmac", "counter_mode_inputs", "digit_inputs", "digits", "digits_from"]

BLOCK = 16
_EVEN_DIGITS = 250  # the largest multiple of ten a byte can reach: above it some digits would come more often


def counter_mode_inputs(label: bytes, context: bytes, length: int) -> tuple[bytes, ...]:
    """[i]32 ‖ label ‖ 00 ‖ context ‖ [bits]32 for each i that ``length`` bytes of output take."""
    tail = label + b"\x00" + context + (8 * length).to_bytes(4, "big")
    return tuple(counter.to_bytes(4, "big") + tail for counter in range(1, -(-length // BLOCK) + 1))


def counter_mode_cmac(key: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """``length`` bytes of K(i) = CMAC(key, [i]32 ‖ label ‖ 00 ‖ context ‖ [bits]32)."""
    with Secret(key) as secret:
        return b"".join(cmac(secret, each) for each in counter_mode_inputs(label, context, length))[:length]


def digit_inputs(label: bytes, context: bytes) -> Iterator[bytes]:
    """The messages of the stream behind :func:`digits`: blocks of :func:`counter_mode_inputs` over
    ``context ‖ block number`` (1 byte, 16 bytes a block)."""
    for block in range(256):
        yield from counter_mode_inputs(label, context + bytes((block,)), BLOCK)


def digits_from(stream: Iterable[bytes], count: int) -> bytes:
    """``count`` decimal digits as ASCII, each equally likely; bytes of 250 and above are passed over."""
    found = (0x30 + byte % 10 for block in stream for byte in block if byte < _EVEN_DIGITS)
    return bytes(next(found) for _ in range(count))


def digits(key: bytes, label: bytes, context: bytes, count: int) -> bytes:
    """``count`` decimal digits from :func:`counter_mode_cmac`."""
    with Secret(key) as secret:
        return digits_from((cmac(secret, message) for message in digit_inputs(label, context)), count)
