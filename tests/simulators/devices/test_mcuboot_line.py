"""The simulated MCUboot reader on a line: noise, power that goes under a request, a cable that is pulled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2
import pytest

from tegata.reader_bridge.frames.smp import Decoder, Message, Op, encode
from tegata.reader_bridge.readers.serial_port import SerialPort
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.devices.mcuboot.device import McubootReader
from tegata.simulators.devices.mcuboot.flash import Cut, Flash, Phase

from . import mcuboot_bench as bench

OLD, NEW = bench.image("1.0.0"), bench.image("1.1.0", counter=2)


class Host:
    """Asks over the line, with a bound for each answer."""

    def __init__(self, port: SerialPort) -> None:
        self._port = port
        self._decoder = Decoder()
        self._sequence = 0

    def ask(
        self, op: Op, group: int, command: int, seconds: float = 5.0, **values: Any
    ) -> dict[str, Any] | None:
        """The answer, None when none came."""
        self._sequence += 1
        request = Message(op, group, command, self._sequence, cbor2.dumps(values))
        self._port.write(encode(request.encode()))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for answer in self._decoder.feed(self._port.read(0.1)):
                if answer.sequence == self._sequence:
                    found = cbor2.loads(answer.payload)
                    assert isinstance(found, dict)
                    return found
        return None

    def versions(self) -> list[str]:
        states = self.ask(Op.READ, 1, 0)
        assert states is not None
        return [each["version"] for each in states["images"]]


@pytest.fixture
def reader() -> McubootReader:
    return McubootReader(bench.factory(OLD), bench.fuses())


@pytest.fixture
def line(reader: McubootReader, tmp_path: Path) -> Iterator[PtyLine]:
    with PtyLine(reader, tmp_path / "tty") as plugged:
        yield plugged
        assert plugged.failure is None


def test_noise_between_requests(line: PtyLine) -> None:
    with SerialPort(str(line.path)) as port:
        host = Host(port)
        for noise in (
            b"\x00\xff" * 3000,
            b"\x06\x09AA",
            b"\x04\x14AAAA\n",
            b"\x06\x09AP9I\n",
            b"uart:~$ \r\n",
        ):
            port.write(noise)
            assert host.ask(Op.WRITE, 0, 0, d="still here") == {"r": "still here"}


def test_the_power_goes_under_a_request(reader: McubootReader, line: PtyLine) -> None:
    with SerialPort(str(line.path)) as port:
        host = Host(port)
        first = {"off": 0, "len": len(NEW), "data": NEW}
        reader.board.flash.cut_at(Cut(reader.board.flash.steps + 7, Phase.INSIDE))
        assert host.ask(Op.WRITE, 1, 1, seconds=0.5, **first) is None
        assert reader.power_losses == 1
        assert host.versions() == ["1.0.0"]
        assert host.ask(Op.WRITE, 1, 1, **first) == {"off": len(NEW), "match": True}
        assert host.ask(Op.WRITE, 1, 0, hash=bench.digest(NEW)) is not None
        reader.power_cycle()
        assert host.versions() == ["1.1.0", "1.0.0"]
        assert host.ask(Op.WRITE, 0, 5) == {}
        assert host.versions() == ["1.0.0", "1.1.0"]


def test_the_cable_is_pulled_and_put_back(line: PtyLine) -> None:
    with SerialPort(str(line.path)) as port:
        assert Host(port).ask(Op.WRITE, 1, 1, off=0, len=len(NEW), data=NEW[:100]) == {"off": 100}
    line.unplug()
    line.replug()
    with SerialPort(str(line.path)) as port:  # the reader had power all the time
        host = Host(port)
        assert host.ask(Op.WRITE, 1, 1, off=100, data=NEW[100:]) == {"off": len(NEW), "match": True}


def test_a_reader_without_firmware_says_nothing(tmp_path: Path) -> None:
    dead = McubootReader(Flash(bench.SMALL), bench.fuses())
    with PtyLine(dead, tmp_path / "tty") as line, SerialPort(str(line.path)) as port:
        assert Host(port).ask(Op.WRITE, 0, 0, seconds=0.3, d="x") is None
