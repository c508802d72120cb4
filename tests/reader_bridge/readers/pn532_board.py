"""A simulated PN532 board with a card over it, for the driver's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tegata.apdu.ports import Link, LinkInfo, TransmissionProtocol, open_reader
from tegata.reader_bridge.readers.pn532 import Pn532Reader
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.devices.faults import Faults
from tegata.simulators.devices.picc import Picc
from tegata.simulators.devices.picc_activation import Modulation, face_of
from tegata.simulators.devices.pn532 import Pn532

TYPE_A_ATR = bytes.fromhex("3B80800101")
TYPE_B_ATR = bytes.fromhex("3B888001000000000081810088")

VERIFY = bytes.fromhex("0020008004") + b"1234"
VERIFIED = bytes.fromhex("00CA000000")


class CountingCard:
    """A card that remembers which commands it has carried out, and forgets its PIN without power.

    ``0020`` verifies and counts down its tries; ``00CA`` says by 9000 or 6982 whether the PIN is verified;
    ``00B0`` returns as many bytes as its Le says; anything else is answered by the number of its bytes.
    """

    def __init__(self) -> None:
        self.executed: list[bytes] = []
        self.verified = False
        self.tries = 100

    atr = TYPE_A_ATR
    info = LinkInfo("counting", TransmissionProtocol.TCL, 65544, 65538, simulated=True)

    def transmit(self, command: bytes) -> bytes:
        self.executed.append(command)
        if command[:2] == b"\x00\x20":
            self.verified, self.tries = True, self.tries - 1
            return bytes((self.tries, 0x90, 0x00))
        if command[:2] == b"\x00\xca":
            return b"\x90\x00" if self.verified else b"\x69\x82"
        if command[:2] == b"\x00\xb0":
            count = int.from_bytes(command[4:], "big")
            return (bytes(range(256)) * (count // 256 + 1))[:count] + b"\x90\x00"
        return len(command).to_bytes(3, "big") + b"\x90\x00"

    def reset(self) -> None:
        self.verified = False

    def close(self, reset: bool = True) -> None:
        if reset:
            self.verified = False

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        yield


@dataclass
class Board:
    """What stands on the table: the line, its card, and the URL of the reader."""

    line: PtyLine
    picc: Picc

    @property
    def url(self) -> str:
        return f"pn532:{self.line.path}"


@contextmanager
def board(
    folder: Path, card: Link, kind: Modulation | None = None, faults: Faults | None = None
) -> Iterator[Board]:
    """A board on a pseudo-terminal in ``folder``, with ``card`` over its antenna."""
    picc = Picc(card, face_of(card.atr, kind, bytes.fromhex("08112233")))
    try:
        with PtyLine(Pn532(picc), folder / "tty", faults) as line:
            yield Board(line, picc)
            assert line.failure is None
    finally:
        picc.close()


@contextmanager
def opened(url: str) -> Iterator[Pn532Reader]:
    """The reader, found by its scheme as every program finds it."""
    reader = open_reader(url)
    assert isinstance(reader, Pn532Reader)
    try:
        yield reader
    finally:
        reader.close()
