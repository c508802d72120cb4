"""One command of a PN532 over its serial line: what is sent again, what is asked for again, what never is.

The rules of the line (NXP UM0701-02 §6.2):

* The chip says ACK to a whole command, then sends its answer. A NACK makes it send its last answer again: so
  that is asked only when this command's answer is known to have been sent, and came spoiled.
* A command whose fate is unknown is sent again only when repeating it does no harm (:meth:`Chip.command`).
  One that reaches a card goes once (:meth:`Chip.once`): the caller knows what the card's protocol allows.
* After any irregularity the line counts as unclean, for a late answer could pass for that of the next
  command. Before that one the chip is stopped by an ACK and has to echo a token never used before; whatever
  arrives until then is dropped.
"""

from __future__ import annotations

import itertools
import time
from collections import deque

from ....apdu.errors import ReaderError
from ...frames.pn532 import TO_CHIP, TO_HOST, Decoder, Frame, Item, Signal, encode, guard
from ...frames.pn532_commands import Code, SelfTest
from ..serial_port import SerialPort

__all__ = ["Chip", "LineTrouble"]

ACK_SECONDS = 0.3
"""The chip needs 15 ms; the rest is for lines that lead over a network."""
SILENCE = 0.8
"""After so many seconds without a single byte a chip has not had the command."""
MARGIN = 0.5
"""Seconds on top of what the chip itself takes for a command."""
QUIET = 0.25
"""Seconds of silence after which a half answer is a spoiled one."""
ATTEMPTS = 3
_PROBE = bytes((Code.DIAGNOSE, SelfTest.ECHO))
_STOP = b"\x55" + Signal.ACK.wire
"""The first byte spoils a frame that waits for its last."""
_SETTLE = 0.03
_DROP = 0.5
_HEARD = 600


class LineTrouble(Exception):
    """The answer to one command did not come whole. Whether the chip had the command is not known."""


class Chip:
    """The chip at the other end of an open line. Raises ReaderError ``line.*`` and ``pn532.rejected``."""

    def __init__(self, port: SerialPort) -> None:
        self.port = port
        self._decoder = Decoder(strict=True)
        self._any_postamble = False
        self._items: deque[Item] = deque()
        self._heard = bytearray()
        self._tokens = itertools.count(int(time.time()) & 0xFFFF)
        self.clean = False

    def command(self, code: Code, data: bytes = b"", *, timeout: float = 1.0, wake_up: bytes = b"") -> bytes:
        """A command that may be repeated, and the data of its answer.

        ``timeout`` is what the chip may take, in seconds. ``wake_up`` goes before the frame, to a chip of
        which nothing is known yet: it is not asked to echo before, and is before the next command.
        Raises ReaderError ``line.silent`` after three attempts.
        """
        for _ in range(ATTEMPTS):
            try:
                return self._exchange(code, data, timeout, wake_up)
            except LineTrouble:
                continue
        raise self.port.silent(timeout, "PN532")

    def once(self, code: Code, data: bytes, *, timeout: float) -> bytes:
        """A command that may not be repeated. Raises LineTrouble when its answer is lost for good: at once
        when the chip says nothing at all, else when ``timeout`` is over."""
        return self._exchange(code, data, timeout, b"", patient=True)

    def abort(self) -> None:
        """Stop what the chip is at, and drop what it still says."""
        self.port.write(_STOP)
        self._drop()

    def learn_postambles(self) -> None:
        """See whether this chip looks at the postamble. One that does not cannot see that a byte ``00`` was
        lost: its frames then end in a value that makes the loss show (:func:`guard`)."""
        if not self.clean:
            self._resynchronise()
        self.clean = False
        frame = encode(TO_CHIP, _PROBE, postamble=guard(_PROBE))
        try:
            self._answer(Code.DIAGNOSE, frame, 0.1)
        except LineTrouble:
            return
        self._any_postamble = True

    def _exchange(
        self, code: Code, data: bytes, timeout: float, wake_up: bytes, patient: bool = False
    ) -> bytes:
        if not self.clean and not wake_up:
            self._resynchronise()
        self.clean = False
        body = bytes((code,)) + data
        postamble = guard(body) if self._any_postamble else 0x00
        answer = self._answer(code, encode(TO_CHIP, body, wake_up, postamble), timeout, patient=patient)
        self.clean = self.clean and not wake_up
        return answer[1:]

    def _resynchronise(self) -> None:
        """Stop the chip, and drop what arrives until it has echoed a new token."""
        for _ in range(ATTEMPTS):
            self.abort()
            token = bytes((SelfTest.ECHO,)) + (next(self._tokens) & 0xFFFFFFFF).to_bytes(4, "big")
            try:
                frame = encode(TO_CHIP, bytes((Code.DIAGNOSE,)) + token)
                self._answer(Code.DIAGNOSE, frame, 0.1, token)
            except LineTrouble:
                continue
            if self.clean:
                return
        raise self.port.silent(ACK_SECONDS, "PN532")

    def _answer(
        self, code: Code, frame: bytes, timeout: float, wanted: bytes = b"", *, patient: bool = False
    ) -> bytes:
        """Send a frame and return the data of its answer, the code included; ``clean`` is set when all went
        as it should. A ``patient`` caller waits for the answer also when the ACK came spoiled."""
        self._forget()
        self.port.write(frame)
        clean, acknowledged, asked_again = True, False, False
        begin = time.monotonic()
        until, last = begin + (SILENCE if patient else ACK_SECONDS), begin + timeout + MARGIN
        while True:
            item = self._receive(until, code)
            if isinstance(item, Frame) and self._goes_on(item):
                item = Signal.BROKEN
            if item is Signal.ACK and not acknowledged:
                acknowledged, until = True, time.monotonic() + timeout + MARGIN
            elif item is None and patient and not acknowledged and self._heard and until < last:
                until = last
            elif isinstance(item, Frame) and item.tfi == TO_HOST and item.code == code + 1:
                if item.data[1:].startswith(wanted):
                    self.clean = clean and acknowledged and not self._items
                    return item.data
                clean = False
            elif item is Signal.ERROR and acknowledged:
                self.clean = clean
                raise ReaderError("pn532.rejected", command=f"{code:02X}")
            elif item is None or (item is Signal.BROKEN and asked_again):
                raise LineTrouble
            elif item is Signal.BROKEN and acknowledged:
                # The answer to this very command was sent and came spoiled: the chip still has it.
                clean, asked_again = False, True
                self._drop()
                self._forget()
                self.port.write(Signal.NACK.wire)
                until = time.monotonic() + ACK_SECONDS
            else:
                clean = False

    def _receive(self, until: float, code: Code) -> Item | None:
        """The next item, None when the time is over; BROKEN too for an answer whose beginning was lost."""
        mark = bytes((TO_HOST, code + 1))
        while not self._items:
            spoiled = mark in self._heard
            left = until - time.monotonic()
            if left <= 0:
                return None
            piece = self.port.read(min(left, QUIET) if spoiled else left)
            if piece:
                self._heard = (self._heard + piece)[-_HEARD:]
                self._items.extend(self._decoder.feed(piece))
            elif spoiled:
                self._forget()
                return Signal.BROKEN
        return self._items.popleft()

    def _goes_on(self, frame: Frame) -> bool:
        """Whether something follows a frame that may be one with a ``00`` too many in it: where the checksum
        is ``00``, neither it nor the postamble shows that."""
        if (frame.tfi + sum(frame.data)) & 0xFF:
            return False
        return bool(self._items or self._decoder.pending or self.port.read(_SETTLE))

    def _drop(self) -> None:
        """Throw away what arrives, until the line is quiet; not for ever."""
        until = time.monotonic() + _DROP
        while self.port.read(_SETTLE) and time.monotonic() < until:
            pass

    def _forget(self) -> None:
        self._decoder.clear()
        self._items.clear()
        self._heard.clear()
