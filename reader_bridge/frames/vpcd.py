"""Frames between a virtual card and the vpcd reader driver of pcscd (vsmartcard).

A frame is a two-byte big-endian length and a body, both ways. A body of one byte from the driver is a
:class:`Control`; anything longer is a command APDU. Only ``GET_ATR`` and command APDUs are answered,
each by one frame. A frame of length 0 must never be sent: it makes the driver wait until the card goes.
"""

from __future__ import annotations

import enum

__all__ = ["MAX_BODY", "PORT", "Control", "Decoder", "encode"]

PORT = 0x8C7B
"""TCP port of the first slot; the next slot has the next port."""

MAX_BODY = 0xFFFF
"""Most bytes in one body."""

_LENGTH = 2


class Control(enum.IntEnum):
    """One-byte bodies of the driver. Power on, off and reset are not answered."""

    OFF = 0x00
    ON = 0x01
    RESET = 0x02
    GET_ATR = 0x04


def encode(body: bytes) -> bytes:
    """One frame. Raises ValueError for an empty body and for more than 65535 bytes."""
    if not 1 <= len(body) <= MAX_BODY:
        raise ValueError(f"a vpcd frame holds 1 to {MAX_BODY} bytes, got {len(body)}")
    return len(body).to_bytes(_LENGTH, "big") + body


class Decoder:
    """Cuts a byte stream into bodies, however the stream was cut into pieces before.

    It never holds more than one unfinished frame (65537 bytes) beyond the piece that is being fed.
    """

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of the unfinished frame."""
        return len(self._rest)

    def feed(self, piece: bytes) -> list[bytes]:
        """The bodies that are complete now, in order; an empty frame yields an empty body."""
        self._rest += piece
        bodies: list[bytes] = []
        start = 0
        while len(self._rest) - start >= _LENGTH:
            body = start + _LENGTH
            stop = body + int.from_bytes(self._rest[start:body], "big")
            if len(self._rest) < stop:
                break
            bodies.append(bytes(self._rest[body:stop]))
            start = stop
        del self._rest[:start]
        return bodies
