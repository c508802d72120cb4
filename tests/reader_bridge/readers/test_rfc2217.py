"""Drivers through a serial port server on the network (RFC 2217), whose protocol is pyserial's own."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial
import serial.rfc2217

from tegata.apdu.ports import open_reader
from tegata.reader_bridge.share.gemcore import GEMPC_TWIN
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.devices.gemcore import GemCoreReader

from .pn532_board import VERIFIED, CountingCard, board

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning"),  # pyserial 3.5 itself
]


class PortOfPty(serial.Serial):
    """A pseudo-terminal as a serial port: it has no modem lines, which a port server tells and sets."""

    cts = dsr = ri = cd = property(lambda _: False)

    def _update_rts_state(self) -> None: ...
    def _update_dtr_state(self) -> None: ...


class PortServer:
    """One serial port at one TCP port, for one client, as pyserial's example of a server has it."""

    def __init__(self, path: Path) -> None:
        self._port = PortOfPty(str(path), timeout=0.05)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"rfc2217://127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        self._ended.set()
        self._server.close()
        for thread in self._threads:
            thread.join(5)
        self._port.close()

    def write(self, data: bytes) -> None:
        """What the port manager has to say to the client."""
        self._client.sendall(data)

    def _serve(self) -> None:
        try:
            self._client, _ = self._server.accept()
        except OSError:  # closed before anybody came
            return
        with self._client, contextlib.suppress(OSError):
            manager = serial.rfc2217.PortManager(self._port, self)
            back = threading.Thread(target=self._bring_back, args=(manager,), daemon=True)
            self._threads.append(back)
            back.start()
            while not self._ended.is_set() and (data := self._client.recv(1024)):
                self._port.write(b"".join(manager.filter(data)))
            self._ended.set()
            back.join(5)

    def _bring_back(self, manager: serial.rfc2217.PortManager) -> None:
        with contextlib.suppress(OSError):
            while not self._ended.is_set():
                if data := self._port.read(self._port.in_waiting or 1):
                    self.write(b"".join(manager.escape(data)))


@contextmanager
def served(path: Path) -> Iterator[str]:
    server = PortServer(path)
    try:
        yield server.url
    finally:
        server.close()


def test_a_pn532(tmp_path: Path) -> None:
    card = CountingCard()
    with board(tmp_path, card) as stand, served(stand.line.path) as url:
        reader = open_reader(f"pn532:{url}")
        try:
            link = reader.wait_for_card(10)
            # FF is what Telnet escapes, in both directions.
            assert link.transmit(bytes.fromhex("80FF00FF02FFFF")) == bytes.fromhex("0000079000")
            answer = link.transmit(bytes.fromhex("00B0000000012C"))
            assert answer == (bytes(range(256)) * 2)[:300] + b"\x90\x00"
            assert link.transmit(VERIFIED) == b"\x69\x82"
            link.close()
        finally:
            reader.close()


def test_a_gempc_twin(tmp_path: Path) -> None:
    card = CountingCard()
    with PtyLine(GemCoreReader(GEMPC_TWIN, [card]), tmp_path / "tty") as line, served(line.path) as url:
        reader = open_reader(f"gemcore:{url}")
        try:
            link = reader.wait_for_card(10)
            assert link.transmit(bytes.fromhex("80FF00FF02FFFF")) == bytes.fromhex("0000079000")
            link.close()
        finally:
            reader.close()
