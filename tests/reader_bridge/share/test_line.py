"""Simulated lines: what goes through them whole, what faults do to it, and how a cable is pulled."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tegata.apdu.errors import ReaderError
from tegata.reader_bridge.readers.serial_port import SerialPort
from tegata.reader_bridge.share.line import PtyLine, TcpLine
from tegata.reader_bridge.share.wire import Wire
from tegata.simulators.devices.faults import Direction, Fault, FaultKind, Faults, parse_fault


class Echo:
    """A firmware that sends back what it gets."""

    def run(self, wire: Wire) -> None:
        while True:
            wire.write(wire.read())


def read(port: SerialPort, count: int, seconds: float = 2.0) -> bytes:
    got, until = b"", time.monotonic() + seconds
    while len(got) < count and time.monotonic() < until:
        got += port.read(0.2)
    return got


def write_until_it_fails(port: SerialPort) -> None:
    for _ in range(20):
        port.write(b"x")
        port.read(0.1)


EVERY_BYTE = bytes(range(256))


def test_every_byte_passes_a_pseudo_terminal_and_a_port(tmp_path: Path) -> None:
    with PtyLine(Echo(), tmp_path / "tty") as line, SerialPort(str(line.path)) as port:
        port.write(EVERY_BYTE)
        assert read(port, 256) == EVERY_BYTE
    with TcpLine(Echo()) as tcp:
        for _ in range(2):  # one client after the other
            with SerialPort(tcp.url) as port:
                port.write(EVERY_BYTE)
                assert read(port, 256) == EVERY_BYTE


@pytest.mark.parametrize(
    ("text", "arrives"),
    [
        ("lose:to-device:2", b"abde"),
        ("lose:to-host:0", b"bcde"),
        ("double:to-host:4", b"abcdee"),
        ("corrupt:to-device:1:0x20", b"aBcde"),
        ("delay:to-host:2:0.1", b"abcde"),
    ],
)
def test_a_fault_strikes_its_byte_once(tmp_path: Path, text: str, arrives: bytes) -> None:
    faults = Faults([parse_fault(text)])
    with PtyLine(Echo(), tmp_path / "tty", faults) as line, SerialPort(str(line.path)) as port:
        port.write(b"abcde")
        assert read(port, len(arrives)) == arrives
        port.write(b"abcde")
        assert read(port, 5) == b"abcde"
    assert faults.struck == [parse_fault(text)]


@pytest.mark.parametrize(
    "text", ["lose", "lose:sideways:1", "melt:to-host:1", "lose:to-host:x", "lose:to-host:1:2:3"]
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_fault(text)


def test_a_pulled_cable_is_one_sentence_and_comes_back_under_its_name(tmp_path: Path) -> None:
    faults = Faults([Fault(Direction.TO_HOST, 2, FaultKind.UNPLUG)])
    with PtyLine(Echo(), tmp_path / "tty", faults) as line:
        with SerialPort(str(line.path)) as port:
            port.write(b"abcde")
            assert read(port, 2) == b"ab"
            line.unplug()
            with pytest.raises(ReaderError) as caught:
                write_until_it_fails(port)
            assert caught.value.code == "line.lost"
        with pytest.raises(ReaderError) as caught:
            SerialPort(str(line.path))
        assert caught.value.code == "line.open"
        line.replug()
        with SerialPort(str(line.path)) as port:
            port.write(b"abc")
            assert read(port, 3) == b"abc"


def test_a_line_has_one_owner(tmp_path: Path) -> None:
    with PtyLine(Echo(), tmp_path / "tty") as line, SerialPort(str(line.path)):
        with pytest.raises(ReaderError) as caught:
            SerialPort(str(line.path))
        assert caught.value.code == "line.busy"
