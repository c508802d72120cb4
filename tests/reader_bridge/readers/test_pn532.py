"""The PN532 driver with the simulated board: cards of both types, long APDUs, presence, and the field."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tegata.apdu.devices import FindMe, Updatable, Verdict, open_device
from tegata.apdu.errors import CardRemoved, ReaderError
from tegata.apdu.ports import Presence, TransmissionProtocol
from tegata.reader_bridge.share.line import TcpLine
from tegata.simulators.devices.picc import Picc
from tegata.simulators.devices.picc_activation import Modulation, face_of
from tegata.simulators.devices.pn532 import Pn532

from .pn532_board import TYPE_A_ATR, VERIFIED, VERIFY, CountingCard, board, opened

BOTH = pytest.mark.parametrize("kind", list(Modulation))
MODES = pytest.mark.parametrize("mode", ["iso-dep", "data-exchange"])


@BOTH
@MODES
def test_a_card_of_either_type(tmp_path: Path, kind: Modulation, mode: str) -> None:
    with board(tmp_path, CountingCard(), kind) as it, opened(f"{it.url}?mode={mode}") as reader:
        link = reader.wait_for_card(5)
        assert link.atr == TYPE_A_ATR if kind is Modulation.A else link.atr[:4] == b"\x3b\x88\x80\x01"
        assert link.info.protocol is TransmissionProtocol.TCL
        assert link.transmit(bytes(10)) == b"\x00\x00\x0a\x90\x00"
        assert link.transmit(bytes(261)) == b"\x00\x01\x05\x90\x00"
        assert link.transmit(bytes.fromhex("00B000000100"))[-2:] == b"\x90\x00"
        assert isinstance(link, Presence) and link.present()
        assert link.transmit(bytes(4)) == b"\x00\x00\x04\x90\x00"


@BOTH
def test_extended_apdus_both_ways(tmp_path: Path, kind: Modulation) -> None:
    with board(tmp_path, CountingCard(), kind) as it, opened(it.url) as reader:
        link = reader.wait_for_card(5)
        assert (link.info.max_command, link.info.max_response) == (65544, 65538)
        assert link.transmit(bytes(3000)) == (3000).to_bytes(3, "big") + b"\x90\x00"
        answer = link.transmit(bytes.fromhex("00B00000000BB8"))
        assert answer == (bytes(range(256)) * 12)[:3000] + b"\x90\x00"


def test_the_chips_own_protocol_says_what_it_can(tmp_path: Path) -> None:
    with board(tmp_path, CountingCard()) as it, opened(f"{it.url}?mode=data-exchange") as reader:
        link = reader.wait_for_card(5)
        assert (link.info.max_command, link.info.max_response) == (261, 258)
        with pytest.raises(ReaderError) as caught:
            link.transmit(bytes(262))
        assert caught.value.code == "pn532.length"


@pytest.mark.parametrize("kind", ["a", "b", "ab"])
def test_only_the_types_that_are_asked_for(tmp_path: Path, kind: str) -> None:
    with board(tmp_path, CountingCard(), Modulation.B) as it, opened(f"{it.url}?type={kind}") as reader:
        if "b" in kind:
            assert reader.wait_for_card(5).present()
            return
        with pytest.raises(ReaderError) as caught:
            reader.wait_for_card(0)
        assert caught.value.code == "reader.no_card"


@MODES
def test_reset_and_close_take_the_pin_away(tmp_path: Path, mode: str) -> None:
    card = CountingCard()
    with board(tmp_path, card) as it, opened(f"{it.url}?mode={mode}") as reader:
        link = reader.wait_for_card(5)
        link.transmit(VERIFY)
        assert link.transmit(VERIFIED) == b"\x90\x00"
        link.reset()
        assert link.transmit(VERIFIED) == b"\x69\x82"
        link.transmit(VERIFY)
        link.close()
        with pytest.raises(CardRemoved):
            link.transmit(VERIFIED)
        assert reader.wait_for_card(5).transmit(VERIFIED) == b"\x69\x82"
        link = reader.wait_for_card(5)
        link.transmit(VERIFY)
    assert not card.verified  # the reader was closed: its field is off


@BOTH
@MODES
def test_a_card_that_is_taken_away_and_put_back(tmp_path: Path, kind: Modulation, mode: str) -> None:
    with board(tmp_path, CountingCard(), kind) as it, opened(f"{it.url}?mode={mode}") as reader:
        link = reader.wait_for_card(5)
        it.picc.take_away()
        assert not link.present()
        with pytest.raises(CardRemoved):
            link.transmit(VERIFIED)
        with pytest.raises(ReaderError):
            reader.wait_for_card(0.1)
        it.picc.put_back()
        link = reader.wait_for_card(5)
        it.picc.take_away()
        with pytest.raises(CardRemoved):
            link.transmit(VERIFIED)
        it.picc.put_back()
        with pytest.raises(CardRemoved):  # only a reset makes the old link usable
            link.transmit(VERIFIED)
        link.reset()
        assert link.transmit(VERIFIED) == b"\x69\x82"


def test_a_card_that_was_exchanged_unseen_is_another_card(tmp_path: Path) -> None:
    """It was gone between two APDUs: it does not know the block that comes, and the link ends."""
    card = CountingCard()
    with board(tmp_path, card) as it, opened(it.url) as reader:
        link = reader.wait_for_card(5)
        link.transmit(VERIFY)
        it.picc.take_away()
        it.picc.put_back()
        with pytest.raises(CardRemoved):
            link.transmit(VERIFIED)
        assert VERIFIED not in card.executed


def test_events(tmp_path: Path) -> None:
    with board(tmp_path, CountingCard()) as it, opened(it.url) as reader:
        seen = []
        for event in reader.events(10):
            seen.append((event.present, event.atr))
            if len(seen) == 4:
                break
            (it.picc.take_away if event.present else it.picc.put_back)()
        assert seen == [(True, TYPE_A_ATR), (False, b"")] * 2


def test_a_slow_card_gets_its_time(tmp_path: Path) -> None:
    class Slow(CountingCard):
        def transmit(self, command: bytes) -> bytes:
            time.sleep(0.7)
            return super().transmit(command)

    with board(tmp_path, Slow()) as it:
        for mode in ("iso-dep", "data-exchange"):
            with opened(f"{it.url}?mode={mode}&patience=10") as reader:
                assert reader.wait_for_card(5).transmit(bytes(5)) == b"\x00\x00\x05\x90\x00"


def test_the_wait_ends_when_a_card_comes(tmp_path: Path) -> None:
    with board(tmp_path, CountingCard()) as it, opened(it.url) as reader:
        it.picc.take_away()
        timer = threading.Timer(0.3, it.picc.put_back)
        timer.start()
        assert reader.wait_for_card().present()
        timer.join()


def test_another_speed(tmp_path: Path) -> None:
    with board(tmp_path, CountingCard()) as it:
        for _ in range(2):  # the chip is left at the speed of a reset
            with opened(f"{it.url}?baud=921600") as reader:
                assert reader.wait_for_card(5).present()
        with opened(it.url) as reader:
            assert reader.wait_for_card(5).present()


def test_over_a_network_line() -> None:
    card = CountingCard()
    picc = Picc(card, face_of(card.atr, Modulation.B))
    with TcpLine(Pn532(picc)) as line, opened(f"pn532:{line.url}") as reader:
        link = reader.wait_for_card(5)
        link.transmit(VERIFY)
        assert link.transmit(VERIFIED) == b"\x90\x00"
    picc.close()
    assert not card.verified


def test_the_companions_view(tmp_path: Path) -> None:
    with board(tmp_path, CountingCard()) as it:
        device = open_device(it.url)
        identity = device.identity()
        assert (identity.model, identity.firmware, identity.slots) == ("pn532", "1.6", 1)
        assert identity.features == {"contactless", "type-a", "type-b", "iso-18092"}
        assert not identity.updatable and "ROM" in identity.why
        assert not isinstance(device, Updatable)
        findings = {finding.name: finding.verdict for finding in device.selftest()}
        assert findings["echo"] is findings["rom"] is findings["ram"] is Verdict.PASSED
        assert findings["antenna"] in (Verdict.PASSED, Verdict.SKIPPED)
        assert isinstance(device, FindMe)
        device.find_me(0.3)
        device.close()
        with opened(it.url) as reader:
            assert reader.wait_for_card(5).present()
