"""The simulated reader on its line: SMP in, SMP out, and power that goes and comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ....reader_bridge.frames.smp import Decoder, Message, encode
from ....reader_bridge.share.wire import Wire
from .board import Board
from .flash import Flash, PowerLost
from .fuses import Fuses
from .server import BUFFER, Server

__all__ = ["McubootReader"]


class McubootReader:
    """A Firmware: what runs follows from the flash. A cut of the flash's (``Flash.cut_at``) takes the power
    away at that step; it comes back at once, and the bootloader starts again, of which ``started`` is told.
    ``board`` may be looked at while no request is under way."""

    def __init__(
        self, flash: Flash, fuses: Fuses, started: Callable[[Board], None] = lambda board: None
    ) -> None:
        self._lock = threading.Lock()
        self._started = started
        self.board = Board(flash, fuses)
        self._server = Server(self.board)
        self.power_losses = 0
        started(self.board)

    def run(self, wire: Wire) -> None:
        """Serve until the line is gone."""
        decoder = Decoder(limit=BUFFER)
        while True:
            for request in decoder.feed(wire.read()):
                answer = self._answer(request)
                try:
                    if answer is not None:
                        wire.write(encode(answer.encode()))
                finally:  # a cable that is pulled keeps nobody from restarting
                    if self._server.restart:
                        self.power_cycle()

    def power_cycle(self) -> None:
        """Take the power away between two steps, and give it back. From any thread."""
        with self._lock:
            self._start()

    def _answer(self, request: Message) -> Message | None:
        """None when the power went, or nothing runs that could answer."""
        with self._lock:
            if self.board.running is None:
                return None
            try:
                return self._server.handle(request)
            except PowerLost:
                self.power_losses += 1
                self._start()
                return None

    def _start(self) -> None:
        self.board.power_on()
        self._server = Server(self.board)
        self._started(self.board)
