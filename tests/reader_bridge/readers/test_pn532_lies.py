"""Chips and cards that lie to the PN532 driver: typed errors, in bounded time."""

from __future__ import annotations

import math
import random
import threading
import time
from pathlib import Path

import pytest

from tegata.apdu.errors import CardError, CardRemoved, MalformedResponse, ReaderError
from tegata.apdu.ports import open_reader
from tegata.reader_bridge.frames.pn532_commands import FirmwareVersion
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.devices.picc import Picc
from tegata.simulators.devices.picc_activation import Modulation, face_of
from tegata.simulators.devices.pn532 import Pn532

from .pn532_board import VERIFIED, CountingCard, opened


class LyingPicc(Picc):
    """A card that replaces what it answers to frames that begin with ``at``."""

    def __init__(self, kind: Modulation, at: bytes, lie: bytes) -> None:
        card = CountingCard()
        super().__init__(card, face_of(card.atr, kind))
        self.at, self.lie = at, lie

    def exchange(self, frame: bytes, modulation: Modulation, timeout: float = math.inf) -> bytes | None:
        truth = super().exchange(frame, modulation, timeout)
        return self.lie if frame.startswith(self.at) else truth


def test_another_chip_is_refused(tmp_path: Path) -> None:
    with PtyLine(Pn532(None, FirmwareVersion(ic=0x33)), tmp_path / "tty") as line:
        with pytest.raises(ReaderError) as caught:
            open_reader(f"pn532:{line.path}")
        assert (caught.value.code, caught.value.details["ic"]) == ("pn532.chip", "33")


@pytest.mark.parametrize(
    ("kind", "at", "lie"),
    [
        (Modulation.A, "E080", "09788081"),
        (Modulation.A, "E080", "0278"),
        (Modulation.A, "E080", ""),
        (Modulation.B, "050008", "50AABB"),
        (Modulation.B, "1D", "07"),
        (Modulation.B, "1D", ""),
    ],
)
def test_nonsense_at_activation(tmp_path: Path, kind: Modulation, at: str, lie: str) -> None:
    picc = LyingPicc(kind, bytes.fromhex(at), bytes.fromhex(lie))
    with PtyLine(Pn532(picc), tmp_path / "tty") as line, opened(f"pn532:{line.path}") as reader:
        # The chip itself chooses cards of type B: what it makes of nonsense then is no card.
        with pytest.raises((MalformedResponse, ReaderError)) as caught:
            reader.wait_for_card(0.5)
        assert caught.value.code in ("card.malformed", "reader.no_card")
    picc.close()


@pytest.mark.parametrize(
    ("lie", "error"),
    [
        ("F200", MalformedResponse),
        ("F201", MalformedResponse),
        ("12", MalformedResponse),
        ("A2", MalformedResponse),
        ("A3", MalformedResponse),
        ("0290", MalformedResponse),
        ("FF", CardRemoved),
        ("", CardRemoved),
    ],
)
def test_nonsense_in_the_block_protocol(tmp_path: Path, lie: str, error: type[CardError]) -> None:
    picc = LyingPicc(Modulation.A, b"", bytes.fromhex(lie))
    picc.at = b"\x00"  # nothing, until the card is there
    with PtyLine(Pn532(picc), tmp_path / "tty") as line, opened(f"pn532:{line.path}?patience=1") as reader:
        link = reader.wait_for_card(5)
        picc.at = b""
        begin = time.monotonic()
        with pytest.raises(error):
            link.transmit(VERIFIED)
        assert time.monotonic() - begin < 5
    picc.close()


def test_any_blocks_at_all(tmp_path: Path) -> None:
    dice = random.Random(7)  # noqa: S311 - repeatable, not secret
    picc = LyingPicc(Modulation.A, b"\x00", b"")
    with PtyLine(Pn532(picc), tmp_path / "tty") as line:
        with opened(f"pn532:{line.path}?patience=0.2&type=a") as reader:
            for _ in range(6):
                link = reader.wait_for_card(5)
                picc.at, picc.lie = b"", dice.randbytes(dice.randrange(6))
                try:
                    assert len(link.transmit(VERIFIED)) >= 2
                except CardError as lied:
                    assert isinstance(lied, (MalformedResponse, CardRemoved))  # noqa: PT017
                picc.at = b"\x00"
        assert line.failure is None
    picc.close()


class Sluggish(LyingPicc):
    """A card that may take five seconds for a block, asks for 59 times as many, and then says nothing."""

    def __init__(self) -> None:
        super().__init__(Modulation.A, b"\xe0", bytes.fromhex("057880E002"))
        self.over = threading.Event()

    def exchange(self, frame: bytes, modulation: Modulation, timeout: float = math.inf) -> bytes | None:
        if frame[0] in (0x02, 0x03):
            return b"\xf2\x3b"
        if frame[0] == 0xF2:
            self.over.wait(20)
        return super().exchange(frame, modulation, timeout)


def test_no_card_may_have_more_time_than_the_user_is_patient(tmp_path: Path) -> None:
    picc = Sluggish()
    with PtyLine(Pn532(picc), tmp_path / "tty") as line, opened(f"pn532:{line.path}?patience=1") as reader:
        link = reader.wait_for_card(5)
        begin = time.monotonic()
        with pytest.raises((MalformedResponse, CardRemoved, ReaderError)):
            link.transmit(VERIFIED)
        assert time.monotonic() - begin < 6
        picc.over.set()
    picc.close()
