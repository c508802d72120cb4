"""The PN532's end of its high speed UART (NXP UM0701-02 §6.2): ACK, NACK, abort, error frame, sleep."""

from __future__ import annotations

from collections import deque

from ...reader_bridge.frames.pn532 import TO_CHIP, TO_HOST, Decoder, Frame, Item, Signal, encode
from ...reader_bridge.share.wire import Wire

__all__ = ["Aborted", "HostLine"]

WAKE_UP_BYTES = 5
"""What a sleeping chip swallows while it wakes: the dummy in front of the first frame is for that."""
PATIENCE = 0.1
"""Seconds after which the rest of an unfinished frame is no longer waited for."""


class Aborted(Exception):
    """The host has given the running command up; it gets no answer."""


class HostLine:
    """Commands come in, one answer each goes out. Begins asleep, as the chip does (LowVbat)."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._decoder = Decoder()
        self._items: deque[Item] = deque()
        self._last = b""
        self._swallow = WAKE_UP_BYTES
        self._deaf = False
        self.amble = True
        """Whether frames carry preamble and postamble (SetParameters, bit 6)."""

    def command(self) -> bytes:
        """The next command, acknowledged: its code and data. Meanwhile the last answer is sent again as
        often as the host asks by NACK; what is spoiled or not for a chip passes unseen."""
        while True:
            while self._items:
                item = self._items.popleft()
                if item is Signal.NACK and self._last:
                    self._wire.write(self._last)
                elif isinstance(item, Frame) and item.tfi == TO_CHIP:
                    self._last = b""
                    self._wire.write(self._trimmed(Signal.ACK.wire))
                    return item.data
            if not self._receive(PATIENCE if self._decoder.pending else None):
                self._decoder.clear()

    def answer(self, data: bytes) -> None:
        """Send an answer: its code and data."""
        self._last = self._trimmed(encode(TO_HOST, data))
        self._wire.write(self._last)

    def refuse(self) -> None:
        """Send the error frame: the command is unknown, or its data is wrong."""
        self._last = self._trimmed(Signal.ERROR.wire)
        self._wire.write(self._last)

    def pause(self, seconds: float | None) -> None:
        """Let so much time pass in a command. Raises Aborted when the host sends ACK or another command."""
        self._receive(seconds)
        while self._items:
            item = self._items[0]
            if isinstance(item, Frame):
                raise Aborted
            self._items.popleft()
            if item is Signal.ACK:
                raise Aborted

    def until_aborted(self) -> None:
        """What a command does that waits for ever. Raises Aborted."""
        while True:
            self.pause(None)

    def sleep(self, *, wakes: bool) -> None:
        """After PowerDown: the next bytes only wake the chip, or do not even that."""
        self._swallow, self._deaf = WAKE_UP_BYTES, not wakes
        self._items.clear()
        self._decoder.clear()

    def _receive(self, timeout: float | None) -> bool:
        """Take in what arrives within ``timeout``; whether anything has."""
        data = self._wire.read(timeout)
        if not self._deaf:
            taken = min(self._swallow, len(data))
            self._swallow -= taken
            self._items += self._decoder.feed(data[taken:])
        return bool(data)

    def _trimmed(self, frame: bytes) -> bytes:
        return frame if self.amble else frame[1:-1]
