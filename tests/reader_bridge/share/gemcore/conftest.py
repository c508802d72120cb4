"""A simulated GemCore reader on a socket pair, spoken to byte by byte."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from time import monotonic

import pytest

from tegata.apdu.ports import TransmissionProtocol
from tegata.reader_bridge.frames import gemcore
from tegata.reader_bridge.frames.ccid import FromReader, Request, ToReader
from tegata.reader_bridge.share.gemcore import GemCoreDevice, Model, PinSource
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.link import SimulatedLink
from tegata.simulators.presets import memory

SECONDS = 5.0


class Unplugged(Exception):
    """The host closed its end."""


class SocketLine:
    """The device's end of a socket pair."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def read(self, timeout: float | None = None) -> bytes:
        if not select.select([self._end], [], [], timeout)[0]:
            return b""
        data = self._end.recv(4096)
        if not data:
            raise Unplugged
        return data

    def write(self, data: bytes) -> None:
        self._end.sendall(data)


class Host:
    """Talks to a device that runs in a thread of its own."""

    def __init__(self, device: GemCoreDevice) -> None:
        self.device = device
        self._seq = 0
        self.plug()

    def plug(self) -> None:
        """A new line: the reader gets power."""
        self._line, end = socket.socketpair()
        self._decoder = gemcore.Decoder(of_reader=True)
        self._events: list[gemcore.Event] = []
        self._thread = threading.Thread(target=self._run, args=(end,), daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Pull the cable, and see that the firmware ends."""
        self._line.close()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()

    def _run(self, end: socket.socket) -> None:
        with end:
            try:
                self.device.run(SocketLine(end))
            except (Unplugged, OSError):
                return

    def send(self, data: bytes) -> None:
        self._line.sendall(data)

    def read(self, count: int) -> bytes:
        """So many bytes, or what came within the time."""
        got, until = b"", monotonic() + SECONDS
        while len(got) < count and select.select([self._line], [], [], max(0, until - monotonic()))[0]:
            got += self._line.recv(count - len(got))
        return got

    def event(self) -> gemcore.Event:
        """The next thing that the reader says."""
        until = monotonic() + SECONDS
        while not self._events:
            assert select.select([self._line], [], [], max(0, until - monotonic()))[0], "nothing was said"
            self._events += self._decoder.feed(self._line.recv(4096))
        return self._events.pop(0)

    def ask(self, kind: int, data: bytes = b"", specific: bytes = b"\0\0\0", slot: int = 0) -> int:
        """Send a command; its sequence number."""
        self._seq = self._seq + 1 & 0xFF
        self.send(gemcore.encode(bytes(ToReader(kind, slot, self._seq, data, specific))))
        return self._seq

    def reply(self) -> FromReader:
        """The next reply: an echo, movements and requests for patience are passed over."""
        while True:
            event = self.event()
            if isinstance(event, gemcore.Message) and event.data[0] >= 0x80:
                reply = FromReader.parse(event.data)
                if reply.time_extension is None:
                    return reply

    def call(self, kind: int, data: bytes = b"", specific: bytes = b"\0\0\0", slot: int = 0) -> FromReader:
        """A command and its reply."""
        seq = self.ask(kind, data, specific, slot)
        reply = self.reply()
        assert (reply.seq, reply.slot) == (seq, slot)
        return reply

    def power_on(self, slot: int = 0) -> bytes:
        return self.call(Request.ICC_POWER_ON, slot=slot).data

    def block(self, data: str, slot: int = 0) -> str:
        """The data of the reply to XfrBlock, in hex."""
        reply = self.call(Request.XFR_BLOCK, bytes.fromhex(data), slot=slot)
        assert not reply.failed
        return reply.data.hex()


@pytest.fixture(scope="session")
def company_memory() -> dict[str, bytes]:
    return memory("company-card", seed=1)


@pytest.fixture
def link(company_memory: dict[str, bytes]) -> SimulatedLink:
    """A blank company card, in contact."""
    return SimulatedLink(SimulatedCard(MemoryStore(company_memory), contactless=False))


Plug = Callable[..., Host]


@pytest.fixture
def plug(link: SimulatedLink) -> Iterator[Plug]:
    """A host of a new reader with the company card in slot 0."""
    hosts: list[Host] = []

    def make(
        model: Model, *, protocol: TransmissionProtocol | None = None, pin_source: PinSource | None = None
    ) -> Host:
        device = GemCoreDevice(model, pin_source)
        device.insert(link, 0, protocol)
        hosts.append(Host(device))
        return hosts[-1]

    yield make
    for host in hosts:
        host.unplug()
        host.device.close()
