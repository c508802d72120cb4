"""The serial frames of GemCore readers (GemPC Twin, GemPC PinPad, GemCore POS Pro), GemPlus GemCore serial.

A frame carries one CCID message, both ways: ``03 06``, the message, and the XOR of all bytes before. ``03 15
16`` says that a frame came damaged. Between frames the reader may say that a card came (``50 03``) or went
(``50 02``), and asks for time with any byte from 80 on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from operator import xor

from .ccid import HEADER, MESSAGE_MOST

__all__ = [
    "CARD_INSERTED",
    "CARD_REMOVED",
    "FRAME_MOST",
    "NAK",
    "TIME_REQUEST",
    "CardMoved",
    "Damaged",
    "Decoder",
    "Event",
    "Message",
    "Nak",
    "Noise",
    "TimeRequest",
    "encode",
]

SYNC, ACK, NAK_CONTROL = 0x03, 0x06, 0x15
NAK = bytes((SYNC, NAK_CONTROL, SYNC ^ NAK_CONTROL))
CARD_INSERTED, CARD_REMOVED = b"\x50\x03", b"\x50\x02"
TIME_REQUEST = b"\x80"

_NOTIFY = 0x50
_AROUND = 3  # SYNC, ACK, LRC
FRAME_MOST = MESSAGE_MOST + _AROUND


@dataclass(frozen=True, slots=True)
class Message:
    """A CCID message that came whole."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Nak:
    """The other side says that a frame came damaged."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A frame that cannot be used, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class CardMoved:
    """A card came or went."""

    present: bool


@dataclass(frozen=True, slots=True)
class TimeRequest:
    """The reader still works on the command."""

    value: int


@dataclass(frozen=True, slots=True)
class Noise:
    """So many bytes that belong to nothing."""

    count: int


Event = Message | Nak | Damaged | CardMoved | TimeRequest | Noise


def lrc(data: bytes | bytearray) -> int:
    """The XOR of all bytes."""
    return reduce(xor, data, 0)


def encode(message: bytes) -> bytes:
    """The frame around a CCID message. Raises ValueError for one of fewer than 10 or more than 271 bytes."""
    if not HEADER <= len(message) <= MESSAGE_MOST:
        raise ValueError(f"a frame carries {HEADER} to {MESSAGE_MOST} bytes, got {len(message)}")
    body = bytes((SYNC, ACK)) + message
    return body + bytes((lrc(body),))


class Decoder:
    """Cuts a byte stream into frames, however it was cut before, and finds the next frame after noise.

    ``of_reader`` True reads what a reader sends, with its bytes between frames; False what a host sends. It
    never holds more than one unfinished frame beyond the piece that is being fed.
    """

    def __init__(self, *, of_reader: bool) -> None:
        self._of_reader = of_reader
        self._rest = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame."""
        return len(self._rest)

    def feed(self, piece: bytes) -> list[Event]:
        """What is complete now, in order."""
        self._rest += piece
        return _merged(self._take())

    def give_up(self) -> list[Event]:
        """The line has been silent for long: the unfinished frame will not end. What it hid, in order."""
        events: list[Event] = []
        while self._rest:
            events.append(Damaged("cut off"))
            del self._rest[0]
            events += self._take()
        return _merged(iter(events))

    def _take(self) -> Iterator[Event]:
        while self._rest:
            used, event = self._next()
            if not used:
                return
            del self._rest[:used]
            yield event

    def _next(self) -> tuple[int, Event]:
        """How many bytes are used up, and what they were; 0 when more must come first."""
        first = self._rest[0]
        if first == SYNC:
            return self._frame()
        if self._of_reader:
            if first >= 0x80:
                return 1, TimeRequest(first)
            if first == _NOTIFY:
                return self._moved()
        return 1, Noise(1)

    def _moved(self) -> tuple[int, Event]:
        if len(self._rest) < 2:
            return 0, Noise(0)
        if bytes(self._rest[:2]) not in (CARD_INSERTED, CARD_REMOVED):
            return 1, Noise(1)
        return 2, CardMoved(bytes(self._rest[:2]) == CARD_INSERTED)

    def _frame(self) -> tuple[int, Event]:
        rest = self._rest
        if len(rest) < len(NAK):
            return (0 if bytes(rest[1:2]) in (b"", b"\x06", b"\x15") else 1), Noise(1)
        if rest[: len(NAK)] == NAK:
            return len(NAK), Nak()
        if rest[1] != ACK:
            return 1, Noise(1)
        if len(rest) < 2 + 5:
            return 0, Noise(0)
        size = _AROUND + HEADER + int.from_bytes(rest[3:7], "little")
        if size > FRAME_MOST:
            # One byte is given up, not the frame: its announced end may lie beyond a good frame.
            return 1, Damaged("too long")
        if len(rest) < size:
            return 0, Noise(0)
        if lrc(rest[:size]):
            return 1, Damaged("wrong check byte")
        return size, Message(bytes(rest[2 : size - 1]))


def _merged(events: Iterator[Event]) -> list[Event]:
    """Neighbouring noise as one event, so that what follows a damaged frame is told once."""
    merged: list[Event] = []
    for event in events:
        last = merged[-1] if merged else None
        if isinstance(event, Noise) and isinstance(last, Noise):
            merged[-1] = Noise(last.count + event.count)
        elif isinstance(event, Damaged) and isinstance(last, Damaged):
            continue
        else:
            merged.append(event)
    return merged
