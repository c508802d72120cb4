"""Frames between a host and a PN532 over its high speed UART (NXP UM0701-02 §6.2).

Both ends use this module: TFI ``D4`` is on its way to the chip, ``D5`` to the host. A frame begins with
``00 FF``; preamble and postamble are bytes that nobody counts, and so is the dummy that wakes a sleeping
chip, even glued to the frame behind it. The wire's own signals (ACK, NACK, the syntax error) carry no data.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

__all__ = [
    "MAX_DATA",
    "TO_CHIP",
    "TO_HOST",
    "WAKE_UP",
    "Decoder",
    "Frame",
    "Item",
    "Signal",
    "encode",
    "guard",
]

TO_CHIP = 0xD4
TO_HOST = 0xD5

MAX_LENGTH = 265
"""Most bytes that LEN counts: TFI and data. Above 255 the frame is an extended one."""
MAX_DATA = MAX_LENGTH - 1

WAKE_UP = b"\x55\x55" + bytes(14)
"""What wakes a chip in low power: anything long enough, sent before a frame."""

_START = b"\x00\xff"
_NORMAL_MAX = 255
_ERROR_TFI = 0x7F


class Signal(enum.Enum):
    """What a frame without data says. ``BROKEN`` is never sent: it is what remains of a frame that was
    spoiled on its way, seen by a wrong length or a wrong checksum."""

    ACK = bytes.fromhex("0000FF00FF00")
    NACK = bytes.fromhex("0000FFFF0000")
    ERROR = bytes.fromhex("0000FF01FF7F8100")
    BROKEN = b""

    @property
    def wire(self) -> bytes:
        """The bytes on the line; none for ``BROKEN``."""
        return self.value


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame with data: ``data[0]`` is the command, or in an answer the command plus one."""

    tfi: int
    data: bytes = field(repr=False)

    @property
    def code(self) -> int:
        """The command or answer code."""
        return self.data[0]


Item = Frame | Signal


def encode(tfi: int, data: bytes, wake_up: bytes = b"", postamble: int = 0x00) -> bytes:
    """One frame, extended when it has to be, behind ``wake_up``.

    The checksum is a sum: when a byte is lost that equals the postamble, the bytes behind it move up, the
    checksum counts as data, the postamble as checksum, and the sum is right. See :class:`Decoder` and
    :func:`guard` for what helps. Raises ValueError for no data and for more than 264 bytes.
    """
    if not 1 <= len(data) <= MAX_DATA:
        raise ValueError(f"a PN532 frame holds 1 to {MAX_DATA} bytes of data, got {len(data)}")
    length = len(data) + 1
    if length <= _NORMAL_MAX:
        header = bytes((length, -length & 0xFF))
    else:
        high, low = divmod(length, 256)
        header = bytes((0xFF, 0xFF, high, low, -(high + low) & 0xFF))
    check = -(tfi + sum(data)) & 0xFF
    return wake_up + b"\x00" + _START + header + bytes((tfi,)) + data + bytes((check, postamble))


def guard(data: bytes) -> int:
    """A postamble that no lost byte of a frame with this data can be mistaken with, for a chip that takes
    any: a value that does not occur in it (00 where there is none)."""
    used = set(data) | {0x00, 0xFF}
    return next((value for value in range(0x55, 0x155) if value & 0xFF not in used), 0x00) & 0xFF


class Decoder:
    """Cuts a byte stream into frames and signals, however the stream was cut into pieces before.

    It scans for ``00 FF``, so that noise, preambles and postambles pass unseen. A header that is none costs
    its start code, a frame with a wrong data checksum the whole of its length; either yields
    :attr:`Signal.BROKEN`. Between two pieces it never holds more than one unfinished frame (275 bytes).

    A ``strict`` one wants the postamble ``00`` behind each frame before it believes it: a frame that lost a
    byte in it has none. After such a frame ``pending`` tells whether anything follows.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._rest = bytearray()

    @property
    def pending(self) -> int:
        """Bytes that may yet become a frame."""
        return len(self._rest)

    def clear(self) -> None:
        """Forget an unfinished frame, when the other side has been silent for too long to go on with it."""
        self._rest.clear()

    def feed(self, piece: bytes) -> list[Item]:
        """What is complete now, in order."""
        self._rest += piece
        items: list[Item] = []
        start = 0
        while (found := self._rest.find(_START, start)) >= 0:
            item, end = self._read(found)
            if end > len(self._rest):
                start = found
                break
            if item is not None:
                items.append(item)
            start = end
        else:
            # A last 00 may be the first half of a start code.
            start = max(start, len(self._rest) - self._rest.endswith(b"\x00"))
        del self._rest[:start]
        return items

    def _read(self, at: int) -> tuple[Item | None, int]:
        """The item whose start code is at ``at`` and where it ends, which is past the end of what is here
        when more is needed to tell."""
        rest, body = self._rest, at + 4
        if body > len(rest):
            return None, body
        first, second = rest[at + 2], rest[at + 3]
        if (first, second) == (0x00, 0xFF):
            return Signal.ACK, body
        if (first, second) == (0xFF, 0x00):
            return Signal.NACK, body
        length, check = first, first + second
        if (first, second) == (0xFF, 0xFF):
            body += 3
            if body > len(rest):
                return None, body
            length, check = rest[at + 4] << 8 | rest[at + 5], sum(rest[at + 4 : body])
        if check & 0xFF or not 1 <= length <= MAX_LENGTH:
            # The FF of this start code cannot begin another, the bytes behind it can.
            return Signal.BROKEN, at + 2
        end = body + length + 1
        if end > len(rest):
            return None, end
        content = bytes(rest[body : end - 1])
        if (sum(content) + rest[end - 1]) & 0xFF:
            return Signal.BROKEN, end
        if self._strict:
            if end == len(rest):
                return None, end + 1
            if rest[end]:
                return Signal.BROKEN, end
            end += 1
        if length == 1:
            return (Signal.ERROR if content[0] == _ERROR_TFI else Signal.BROKEN), end
        return Frame(content[0], content[1:]), end
