"""The line as libosdp's channel: it never raises inside the library, where nobody would hear it.

An exception in a channel's method stays pending in libosdp's C code and surfaces, or does not, somewhere
else. Here the line is read outside of the library (:meth:`LineChannel.pump`), and what fails while writing
is kept for whoever runs the library.
"""

from __future__ import annotations

from ....apdu.errors import ReaderError
from ..serial_port import SerialPort

__all__ = ["LineChannel"]

_MOST = 8192
"""Bytes that may wait; a line that babbles faster than the library reads loses the oldest."""


class LineChannel:
    """Bytes between an open line and libosdp."""

    id = 0

    def __init__(self, port: SerialPort) -> None:
        self._port = port
        self._arrived = bytearray()
        self._failure: ReaderError | None = None

    def pump(self, seconds: float) -> None:
        """Wait so long for bytes of the line. Raises ReaderError ``line.lost``, also for a write that failed
        before."""
        if self._failure is not None:
            raise self._failure
        self._arrived += self._port.read(seconds)
        del self._arrived[:-_MOST]

    def read(self, most: int) -> bytes:
        """For libosdp: what has arrived, at most so much."""
        piece = bytes(self._arrived[:most])
        del self._arrived[:most]
        return piece

    def write(self, data: bytes) -> int:
        """For libosdp: how much of it was written, all or nothing."""
        try:
            self._port.write(data)
        except ReaderError as error:
            self._failure = error
            return 0
        return len(data)

    def flush(self) -> None:
        """For libosdp, before each command: forget what came late."""
        self._arrived.clear()
