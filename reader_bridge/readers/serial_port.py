"""One serial line as its owner: opened by a device path or a pyserial URL, locked against other processes.

``/dev/ttyUSB0``, ``COM3``, ``socket://host:port`` and ``rfc2217://host:port`` are the same to a driver.
Errors of pyserial and of the system become ReaderError ``line.*`` here and nowhere else.
"""

from __future__ import annotations

import errno
import sys
import time
from dataclasses import dataclass
from typing import Any

import serial

from ...apdu.errors import ReaderError
from .lockfile import FileLock

__all__ = ["LineSettings", "SerialPort"]

_LOST: tuple[type[Exception], ...] = (OSError,)
if sys.platform != "win32":
    import termios

    # pyserial waits for the last byte by tcdrain, whose error is none of the system's family.
    _LOST = (OSError, termios.error)
_NOT_SET: tuple[type[Exception], ...] = (*_LOST, ValueError)

_CHUNK = 4096
_SLICE = 0.02
_BUSY = (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)


@dataclass(frozen=True, slots=True)
class LineSettings:
    """Bits on the line: baud rate and stop bits; 8 data bits and no parity always."""

    baud: int = 115200
    stop_bits: int = 1


class SerialPort:
    """An open line. Not safe for use by two threads at once.

    Raises ReaderError ``line.busy`` when another process has it and ``line.open`` when it cannot be opened.
    """

    def __init__(self, name: str, settings: LineSettings | None = None) -> None:
        settings = settings or LineSettings()
        self.name = name
        self._fixed_timeout = _is_port_server(name)
        try:
            self._lock = FileLock(f"line:{name}")
        except BlockingIOError as error:
            raise ReaderError("line.busy", line=name) from error
        try:
            self._port: Any = _open(name, settings)
        except (OSError, ValueError) as error:
            self._lock.release()
            if isinstance(error, OSError) and error.errno in _BUSY:
                raise ReaderError("line.busy", line=name) from error
            raise ReaderError("line.open", line=name, what=_reason(error)) from error

    @property
    def baud(self) -> int:
        """Bits a second now."""
        return int(self._port.baudrate)

    @baud.setter
    def baud(self, value: int) -> None:
        try:
            self._port.baudrate = value
        except _NOT_SET as error:
            raise ReaderError("line.lost", line=self.name, what=_reason(error)) from error

    def write(self, data: bytes) -> None:
        """All of ``data``. Raises ReaderError ``line.lost``."""
        try:
            self._port.write(data)
            self._port.flush()
        except _LOST as error:
            raise ReaderError("line.lost", line=self.name, what=_reason(error)) from error

    def read(self, timeout: float) -> bytes:
        """What has arrived, as soon as at least one byte has; nothing when none came within ``timeout``
        seconds. Raises ReaderError ``line.lost``."""
        try:
            first = self._first(timeout)
            return first + self._rest() if first else b""
        except _LOST as error:
            raise ReaderError("line.lost", line=self.name, what=_reason(error)) from error

    def _first(self, timeout: float) -> bytes:
        if not self._fixed_timeout:
            self._port.timeout = max(timeout, 0.0)
            return bytes(self._port.read(1))
        until = time.monotonic() + timeout
        while not (first := bytes(self._port.read(1))) and time.monotonic() < until:
            pass
        return first

    def _rest(self) -> bytes:
        if self._fixed_timeout:
            return bytes(self._port.read(self._port.in_waiting))
        self._port.timeout = 0
        return bytes(self._port.read(_CHUNK))

    def drain(self, quiet: float = 0.0) -> None:
        """Throw away what has arrived, until nothing came for ``quiet`` seconds (two seconds at most)."""
        until = time.monotonic() + 2.0
        while self.read(quiet) and time.monotonic() < until:
            pass

    def silent(self, seconds: float, what: str) -> ReaderError:
        """The error to raise when ``what`` (a device's name) did not answer for so long."""
        return ReaderError("line.silent", line=self.name, seconds=f"{seconds:g}", what=what)

    def close(self) -> None:
        """Close the line and free it for others; more than once does no harm."""
        self._port.close()
        self._lock.release()

    def __enter__(self) -> SerialPort:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_port_server(name: str) -> bool:
    """Whether RFC 2217 leads there: each new timeout would be negotiated over the network."""
    return name.lower().startswith("rfc2217://")


def _open(name: str, settings: LineSettings) -> serial.SerialBase:
    port = serial.serial_for_url(name, do_not_open=True)
    port.baudrate = settings.baud
    port.stopbits = serial.STOPBITS_TWO if settings.stop_bits == 2 else serial.STOPBITS_ONE
    port.timeout = 0
    if _is_port_server(name):
        port.timeout = _SLICE
    else:
        port.write_timeout = 5  # pyserial has none for port servers
    if "://" not in name:
        port.exclusive = True  # on POSIX: no second program of pyserial's kind
    port.open()
    return port


def _reason(error: Exception) -> str:
    """What the system said, without pyserial's words around it."""
    cause = error.__context__ if isinstance(error.__context__, OSError) else error
    text = getattr(cause, "strerror", None) or (cause.args[-1:] or (cause,))[0]
    return str(text).strip().rstrip(".")
