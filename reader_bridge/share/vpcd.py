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
from collections.abc import Callable

from ...apdu.errors import CardRemoved, MalformedResponse, ReaderError
from ...apdu.ports import Link, Reader
from ..frames.vpcd import MAX_BODY, PORT, Control, Decoder, encode

__all__ = ["AWAY_SECONDS", "Report", "VpcdClient", "parse_address"]

AWAY_SECONDS = 1.2
"""A card that comes back sooner is not seen as removed: the driver is polled every 0.4 s."""

_RETRY_FIRST, _RETRY_MOST = 0.2, 2.0
_CONNECT_SECONDS = 5.0
_SEND_SECONDS = 2.0
_CHUNK = 65536
_WRONG_LENGTH = bytes.fromhex("6700")  # for an answer that no frame can hold


class Report(enum.Enum):
    """What :class:`VpcdClient` tells its owner."""

    WAITING = "waiting"  # nobody listens at the address yet
    INSERTED = "inserted"
    REMOVED = "removed"  # taken out by its owner, or it lost power
    DISCONNECTED = "disconnected"  # the driver went away


def parse_address(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``HOST`` or ``[IPv6]:PORT``. Raises ReaderError ``share.address``."""
    host, separator, port = text.rpartition(":")
    if not separator or text.endswith("]"):
        host, port = text, str(PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 0xFFFF:
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
        """Connect, serve, connect again, until :meth:`stop`. Raises what ``reader`` raises for a card
        that cannot be opened, and ReaderError ``share.address`` for a host without address."""
        pause = _RETRY_FIRST
        while not self._stopped:
            if self._out:
                self._sleep(None)
                continue
            sock = self._connect()
            if sock is None:
                self._sleep(pause)
                pause = min(pause * 2, _RETRY_MOST)
                continue
            pause = _RETRY_FIRST
            link = self._reader.wait_for_card()
            with sock:
                self._report(Report.INSERTED)
                ended = self._serve(sock, link)
            link.close()
            if not self._stopped:
                self._report(ended)
                self._stay_away()

    def _connect(self) -> socket.socket | None:
        try:
            sock = socket.create_connection(self._address, _CONNECT_SECONDS)
        except socket.gaierror:
            raise ReaderError("share.address", address=f"{self._address[0]}:{self._address[1]}") from None
        except OSError:  # refused, unreachable, timed out: the reader may come later
            self._report(Report.WAITING)
            return None
        # A driver that does not read must not keep stop() from being heard.
        sock.settimeout(_SEND_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _serve(self, sock: socket.socket, link: Link) -> Report:
        """Answer the driver until it goes, or the card does."""
        decoder = Decoder()
        while True:
            readable, _, _ = select.select([sock, self._bell], [], [])
            if self._bell in readable:
                self._hush()
                if self._stopped or self._out:
                    return Report.REMOVED
            if sock not in readable:
                continue
            try:
                piece = sock.recv(_CHUNK)
                acknowledge_quickly(sock)
                if not piece:
                    return Report.DISCONNECTED
                for body in decoder.feed(piece):
                    self._answer(sock, link, body)
            except (CardRemoved, MalformedResponse):
                # What a torn card looks like from the driver: no answer, and the connection ends.
                return Report.REMOVED
            except OSError:  # reset by the driver (pcscd was stopped), or it does not read
                return Report.DISCONNECTED

    def _answer(self, sock: socket.socket, link: Link, body: bytes) -> None:
        if len(body) > 1:
            answer = link.transmit(body)
            sock.sendall(encode(answer if len(answer) <= MAX_BODY else _WRONG_LENGTH))
        elif body == bytes([Control.GET_ATR]):
            sock.sendall(encode(link.atr))
        elif body in (bytes([Control.OFF]), bytes([Control.RESET])):
            link.reset()
        # Power on finds the card as OFF or the insertion left it. Other bytes mean nothing, and a wrong
        # answer would stand in front of every later one.

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


def acknowledge_quickly(sock: socket.socket) -> None:
    """Send the TCP acknowledgement now, where the system can (Linux). It must be said after each receive."""
    option: int | None = getattr(socket, "TCP_QUICKACK", None)
    if option is not None:
        sock.setsockopt(socket.IPPROTO_TCP, option, 1)
