"""Serial lines that programs can open: a pseudo-terminal under a steady name, or a TCP port on loopback.

Both run a :class:`~tegata.reader_bridge.share.wire.Firmware` in a thread while something is plugged in. The
pseudo-terminal's name is a symbolic link, so that a cable that is pulled and put back has its name again.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import select
import socket
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from .wire import Direction, Firmware, Piece, Spoiler, Unplugged

__all__ = ["PtyLine", "TcpLine", "is_loopback"]

_CHUNK = 4096
_JOIN_SECONDS = 5.0
_ACCEPT_AGAIN = 0.2


class _Sound:
    """A line on which nothing goes wrong."""

    def spoil(self, direction: Direction, data: bytes) -> list[Piece]:
        return [Piece(data)]


class _PluggedWire:
    """A file descriptor as a Wire, with the line's faults in both directions."""

    def __init__(self, descriptor: int, faults: Spoiler, keep: int | None = None) -> None:
        self._descriptor = descriptor
        self._faults = faults
        self._keep = keep
        self._gone = threading.Event()
        self._bell, self._wake = os.pipe()

    def read(self, timeout: float | None = None) -> bytes:
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            if self._gone.is_set():  # the descriptor may be somebody else's by now
                raise Unplugged
            left = None if until is None else max(0.0, until - time.monotonic())
            ready, _, _ = select.select([self._descriptor, self._bell], [], [], left)
            if self._gone.is_set() or self._bell in ready:
                raise Unplugged
            if not ready:
                return b""
            try:
                data = os.read(self._descriptor, _CHUNK)
            except OSError as error:
                raise Unplugged from error
            if not data:
                raise Unplugged
            if arrived := self._spoiled(Direction.TO_DEVICE, data):
                return arrived

    def write(self, data: bytes) -> None:
        for piece in self._faults.spoil(Direction.TO_HOST, data):
            self._pause(piece.delay)
            self._send(piece.data)
            if piece.unplug:
                self.unplug()
                raise Unplugged

    def unplug(self) -> None:
        """End the wire, from any thread."""
        if not self._gone.is_set():
            self._gone.set()
            os.write(self._wake, b"\0")

    def close(self) -> None:
        """Give the descriptors back, after the firmware's thread has ended."""
        for descriptor in (self._descriptor, self._keep, self._bell, self._wake):
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)

    def _spoiled(self, direction: Direction, data: bytes) -> bytes:
        arrived = b""
        for piece in self._faults.spoil(direction, data):
            self._pause(piece.delay)
            arrived += piece.data
            if piece.unplug:
                self.unplug()
                raise Unplugged
        return arrived

    def _pause(self, seconds: float) -> None:
        if seconds and self._gone.wait(seconds):
            raise Unplugged

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if self._gone.is_set():  # the descriptor may be somebody else's by now
                raise Unplugged
            _, ready, _ = select.select([self._bell], [self._descriptor], [])
            if self._gone.is_set():
                raise Unplugged
            if not ready:
                continue
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Unplugged from error


class _Line:
    """What both kinds of line do: run the firmware on the present wire, remember its defect."""

    def __init__(self, firmware: Firmware, faults: Spoiler | None) -> None:
        self._firmware = firmware
        self.faults = faults or _Sound()
        self._wire: _PluggedWire | None = None
        self._thread: threading.Thread | None = None
        self.failure: BaseException | None = None
        """What ended the firmware other than Unplugged: a defect of the simulator."""

    def _start(self, wire: _PluggedWire) -> None:
        self._wire = wire
        self._thread = threading.Thread(
            target=self._run, args=(wire,), name="simulated firmware", daemon=True
        )
        self._thread.start()

    def _run(self, wire: _PluggedWire) -> None:
        try:
            self._firmware.run(wire)
        except Unplugged:
            return
        except BaseException as error:
            self.failure = error
            wire.unplug()
            raise

    def _stop(self) -> None:
        if self._wire is None or self._thread is None:
            return
        self._wire.unplug()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_SECONDS)
        self._wire.close()
        self._wire = self._thread = None


class PtyLine(_Line):
    """A firmware on a pseudo-terminal. ``path`` is a symbolic link to it, made here and removed at the end.

    A fault that unplugs ends the firmware; :meth:`replug` (or ``unplug`` and ``replug``) starts it on a new
    pseudo-terminal under the same name. POSIX only. Raises FileExistsError for a name that leads to
    something; a link to a terminal that is gone was left by a crash, and is replaced.
    """

    def __init__(self, firmware: Firmware, path: Path, faults: Spoiler | None = None) -> None:
        super().__init__(firmware, faults)
        _check_free(path)
        self.path = path
        self._lock = threading.Lock()
        self._plug()

    @property
    def plugged(self) -> bool:
        """Whether the firmware runs on a line."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def unplug(self) -> None:
        """Pull the cable: programs that have the line open see it hang up, and its name is gone."""
        with self._lock:
            self._unplug()

    def replug(self) -> None:
        """Put the cable back (after pulling it, where it is still in)."""
        with self._lock:
            self._unplug()
            self._plug()

    def close(self) -> None:
        self.unplug()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _unplug(self) -> None:
        self.path.unlink(missing_ok=True)
        self._stop()

    def _plug(self) -> None:
        if sys.platform == "win32":
            raise NotImplementedError("a pseudo-terminal needs a POSIX system; use a TCP port")
        import pty
        import tty

        master, slave = pty.openpty()
        # Echo and line editing would spoil the first frames: raw before anybody knows the name. One slave
        # descriptor stays open, else reading fails whenever the client closes.
        tty.setraw(slave)
        os.set_blocking(master, False)
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.ttyname(slave))
        temporary.replace(self.path)
        self._start(_PluggedWire(master, self.faults, keep=slave))


class TcpLine(_Line):
    """A firmware behind a TCP port, one client at a time; each connection is a cable that is plugged in."""

    def __init__(
        self, firmware: Firmware, host: str = "127.0.0.1", port: int = 0, faults: Spoiler | None = None
    ) -> None:
        super().__init__(firmware, faults)
        self._server = socket.create_server((host, port))
        self._closed = False
        self._acceptor = threading.Thread(target=self._accept, name="simulated line", daemon=True)
        self._acceptor.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        host, port, *_ = self._server.getsockname()
        return host, port

    @property
    def url(self) -> str:
        """The address as pyserial writes it."""
        host, port = self.address
        return f"socket://{host}:{port}"

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        wire = self._wire
        if wire is not None:
            wire.unplug()
        self._acceptor.join(_JOIN_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._server.accept()
            except OSError:
                if self._closed:
                    return
                time.sleep(_ACCEPT_AGAIN)  # no descriptor was free, or the client went at once
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _notice_death(client)
            client.setblocking(False)
            self._start(_PluggedWire(client.detach(), self.faults))
            thread = self._thread
            if thread is not None:
                thread.join()
            self._stop()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a port at ``host``, a name or an IP address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _notice_death(client: socket.socket) -> None:
    """A client whose machine or network is gone without a word must not keep the line, and with it what it
    verified in a card: after two minutes without an answer from its system the connection ends."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        option: int | None = getattr(socket, name, None)
        if option is not None:
            client.setsockopt(socket.IPPROTO_TCP, option, value)


def _check_free(path: Path) -> None:
    if path.exists() or (path.is_symlink() and not str(path.readlink()).startswith("/dev/")):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
