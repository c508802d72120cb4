"""The keys of a simulated PIN pad: digits typed on a terminal, unseen, or read from a file descriptor.

One line is one entry and Enter its OK key; an empty line, the line ``cancel`` and the end of the input are
the cancel key. Nothing typed is kept longer than until it stands in a Secret. POSIX only.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Callable, Iterator
from time import monotonic

from ...apdu.secret import Secret
from ...reader_bridge.share.gemcore import PinCancelled, PinRequest, PinTimeout

__all__ = ["PinKeys"]

_CANCEL = (b"", b"cancel")
_LONGEST = 256
_LOOK_SECONDS = 0.1


class PinKeys:
    """A pin source that reads lines from ``descriptor``. ``show`` is the pad's display: it is called with
    each request before the digits are read. On a terminal nothing is echoed, and what was typed before the
    request is thrown away."""

    def __init__(self, descriptor: int, show: Callable[[PinRequest], None] = lambda _: None) -> None:
        self._descriptor = descriptor
        self._show = show
        self._rest = bytearray()

    def __call__(self, request: PinRequest) -> Secret:
        try:
            with _unseen(self._descriptor):
                self._show(request)
                line = self._line(request)
        except OSError:  # the terminal is gone
            raise PinCancelled from None
        try:
            if line.strip() in _CANCEL:
                raise PinCancelled
            return Secret(line.strip())
        finally:
            _wipe(line)

    def _line(self, request: PinRequest) -> bytearray:
        until = monotonic() + request.seconds
        while (end := self._rest.find(b"\n")) < 0:
            if request.cancelled.is_set():
                raise PinCancelled
            left = until - monotonic()
            if left <= 0:
                raise PinTimeout
            if select.select([self._descriptor], [], [], min(left, _LOOK_SECONDS))[0]:
                piece = os.read(self._descriptor, _LONGEST)
                if not piece or len(self._rest) > _LONGEST:
                    _wipe(self._rest)
                    raise PinCancelled
                self._rest += piece
        line = self._rest[:end]
        self._rest[: end + 1] = b""
        return line


def _wipe(buffer: bytearray) -> None:
    buffer[:] = bytes(len(buffer))
    buffer.clear()


@contextlib.contextmanager
def _unseen(descriptor: int) -> Iterator[None]:
    """No echo while this lasts, where the descriptor is a terminal."""
    if sys.platform == "win32" or not os.isatty(descriptor):
        yield
        return
    import termios

    before = termios.tcgetattr(descriptor)
    silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
