"""A card in the vpcd reader of a real pcscd: the client of the vpcd driver (frames: ``frames.vpcd``).

The driver listens; a connection is a card in the reader. It writes each frame's length and body by two
sends, so that delayed acknowledgement costs 40 ms an APDU unless every receive asks for a quick one.
"""

from __future__ import annotations

import contextlib
import enum
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from ...apdu.errors import ReaderError
from ...apdu.ports import Link, Presence, Reader
from ..frames.vpcd import MAX_BODY, PORT, Control, Decoder, encode
from .holding import LOST, CardThread

__all__ = ["AWAY_SECONDS", "Report", "VpcdClient", "parse_address"]

AWAY_SECONDS = 1.2
"""A card that comes back sooner is not seen as removed: the driver is polled every 0.4 s."""

_RETRY_FIRST, _RETRY_MOST = 0.2, 2.0
_CONNECT_SECONDS = 5.0
_SEND_SECONDS = 2.0
_CHUNK = 65536
_POLL_SECONDS = 0.3
_JOBS_MOST = 16
_WRONG_LENGTH = bytes.fromhex("6700")  # for an answer that no frame can hold


class Report(enum.Enum):
    """What :class:`VpcdClient` tells its owner."""

    EMPTY = "empty"  # no card on the reader
    WAITING = "waiting"  # nobody listens at the address yet
    INSERTED = "inserted"
    REMOVED = "removed"  # taken out by its owner, or it lost power
    DISCONNECTED = "disconnected"  # the driver went away


def parse_address(text: str, *, free: bool = False) -> tuple[str, int]:
    """``HOST:PORT``, ``HOST`` or ``[IPv6]:PORT``; with ``free`` also port 0. Raises ReaderError
    ``share.address``."""
    host, separator, port = text.rpartition(":")
    if not separator or text.endswith("]"):
        host, port = text, str(PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not (0 if free else 1) <= int(port) <= 0xFFFF:
        raise ReaderError("share.address", address=text)
    return host, int(port)


class VpcdClient:
    """Keeps the card of ``reader`` in the vpcd slot at ``host``:``port`` while :meth:`run` runs.

    ``take_out``, ``put_back`` and ``stop`` may be called from other threads and from signal handlers.
    ``report`` is called from the thread that runs.
    """

    def __init__(
        self, reader: Reader, host: str, port: int, report: Callable[[Report], None] = lambda _: None
    ) -> None:
        self._reader = reader
        self._address = (host, port)
        self._report = report
        self._stopped = False
        self._out = False
        self._told: Report | None = None
        self._bell, self._wake = socket.socketpair()
        self._bell.setblocking(False)
        self._wake.setblocking(False)

    def stop(self) -> None:
        """End :meth:`run` soon."""
        self._stopped = True
        self._ring()

    def take_out(self) -> None:
        """The card leaves the reader, in the middle of whatever it does, and stays away."""
        self._out = True
        self._ring()

    def put_back(self) -> None:
        """The card comes back, a second after it left at the earliest."""
        self._out = False
        self._ring()

    def close(self) -> None:
        """Release the sockets; call it after :meth:`run` has returned."""
        self._bell.close()
        self._wake.close()

    def run(self) -> None:
        """Find a card, connect, serve, and again, until :meth:`stop`. Raises what ``reader`` raises for a
        card that cannot be opened, and ReaderError ``share.address`` for a host without address."""
        thread = CardThread(self._reader, self._ring)
        try:
            self._run(thread)
        finally:
            thread.close()

    def _run(self, thread: CardThread) -> None:
        pause = _RETRY_FIRST
        while not self._stopped:
            if self._out:
                self._sleep(None)
                continue
            link = self._find(thread)
            if link is None:
                continue
            sock = self._connect()
            if sock is None:
                thread.let_go()
                self._sleep(pause)
                pause = min(pause * 2, _RETRY_MOST)
                continue
            pause = _RETRY_FIRST
            with sock:
                self._tell(Report.INSERTED)
                ended = _Conversation(sock, link, thread).serve(self._listen)
            thread.let_go()
            if not self._stopped:
                self._tell(ended)
                self._stay_away()

    def _find(self, thread: CardThread) -> Link | None:
        """The card; None when there is none, or none shall be held."""
        found = thread.find()
        while not found.done():
            self._sleep(None)
        if self._stopped or self._out:
            thread.let_go()
            return None
        link = found.result()
        if link is None:
            self._tell(Report.EMPTY)
        return link

    def _listen(self, sockets: list[socket.socket], seconds: float | None) -> list[socket.socket] | None:
        """Those of ``sockets`` that can be read, once somebody rings or time is up; None when the card shall
        leave."""
        readable, _, _ = select.select([*sockets, self._bell], [], [], seconds)
        if self._bell in readable:
            self._hush()
        return None if self._stopped or self._out else [sock for sock in sockets if sock in readable]

    def _tell(self, report: Report) -> None:
        """An empty reader is told once, not at each look."""
        if report is not Report.EMPTY or self._told is not Report.EMPTY:
            self._report(report)
        self._told = report

    def _connect(self) -> socket.socket | None:
        try:
            sock = socket.create_connection(self._address, _CONNECT_SECONDS)
        except socket.gaierror:
            raise ReaderError("share.address", address=f"{self._address[0]}:{self._address[1]}") from None
        except OSError:  # refused, unreachable, timed out: the reader may come later
            self._tell(Report.WAITING)
            return None
        # A driver that does not read must not keep stop() from being heard.
        sock.settimeout(_SEND_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _stay_away(self) -> None:
        back = time.monotonic() + AWAY_SECONDS
        while not self._stopped and (left := back - time.monotonic()) > 0:
            self._sleep(left)

    def _sleep(self, seconds: float | None) -> None:
        """Sleep until somebody rings, or for ``seconds``."""
        if select.select([self._bell], [], [], seconds)[0]:
            self._hush()

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # a full buffer rings as well
            self._wake.send(b"\0")

    def _hush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._bell.recv(_CHUNK)


class _Conversation:
    """One connection to the driver, as long as the card is there.

    The card works in its own thread: a poll (GET_ATR) that comes while a command runs is answered at once,
    one that comes after a reset waits for it, since the ATR may be another then.
    """

    def __init__(self, sock: socket.socket, link: Link, thread: CardThread) -> None:
        self._sock = sock
        self._link = link
        self._thread = thread
        self._atr = b""
        self._resetting: Future[None] | None = None
        self._jobs: deque[Future[bytes] | Future[None]] = deque()
        self._poll: Future[bool] | None = None
        self._decoder = Decoder()

    def serve(
        self, listen: Callable[[list[socket.socket], float | None], list[socket.socket] | None]
    ) -> Report:
        """Answer the driver until it goes, or the card does."""
        self._jobs.append(self._thread.submit(self._read_atr))
        try:
            return self._serve(listen)
        finally:
            for job in self._jobs:
                job.cancel()

    def _serve(
        self, listen: Callable[[list[socket.socket], float | None], list[socket.socket] | None]
    ) -> Report:
        while True:
            # A driver that sends and never takes an answer is not read any further.
            sockets = [self._sock] if len(self._jobs) < _JOBS_MOST else []
            readable = listen(sockets, None if self._jobs or self._poll else _POLL_SECONDS)
            if readable is None:
                return Report.REMOVED
            try:
                self._send_finished()
                if readable and not self._receive():
                    return Report.DISCONNECTED
                if not self._still_there(idle=not readable):
                    return Report.REMOVED
            except LOST:
                # What a torn card looks like from the driver: no answer, and the connection ends.
                return Report.REMOVED
            except OSError:  # reset by the driver (pcscd was stopped), or it does not read
                return Report.DISCONNECTED

    def _receive(self) -> bool:
        piece = self._sock.recv(_CHUNK)
        acknowledge_quickly(self._sock)
        for body in self._decoder.feed(piece):
            self._take(body)
        return bool(piece)

    def _take(self, body: bytes) -> None:
        if len(body) > 1:
            self._jobs.append(self._thread.submit(lambda: self._link.transmit(body)))
        elif body == bytes([Control.GET_ATR]):
            if self._atr and (self._resetting is None or self._resetting.done()):
                self._sock.sendall(encode(self._atr))
            else:
                self._jobs.append(self._thread.submit(lambda: self._atr))
        elif body in (bytes([Control.OFF]), bytes([Control.RESET])):
            self._resetting = self._thread.submit(self._reset)
            self._jobs.append(self._resetting)
        # Power on finds the card as OFF or the insertion left it. Other bytes mean nothing, and a wrong
        # answer would stand in front of every later one.

    def _reset(self) -> None:
        """Power really goes, so that no PIN stays verified."""
        self._link.reset()
        self._read_atr()

    def _read_atr(self) -> None:
        self._atr = self._link.atr

    def _send_finished(self) -> None:
        while self._jobs and self._jobs[0].done():
            answer = self._jobs.popleft().result()
            if answer is not None:
                self._sock.sendall(encode(answer if len(answer) <= MAX_BODY else _WRONG_LENGTH))

    def _still_there(self, idle: bool) -> bool:
        """Ask the reader while nothing else happens; the answer is looked at when it has come."""
        if self._poll is not None and self._poll.done():
            there, self._poll = self._poll.result(), None
            return there
        if idle and self._poll is None and not self._jobs and isinstance(self._link, Presence):
            self._poll = self._thread.present(self._link)
        return True


def acknowledge_quickly(sock: socket.socket) -> None:
    """Send the TCP acknowledgement now, where the system can (Linux). It must be said after each receive."""
    option: int | None = getattr(socket, "TCP_QUICKACK", None)
    if option is not None:
        sock.setsockopt(socket.IPPROTO_TCP, option, 1)
