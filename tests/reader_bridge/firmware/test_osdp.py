"""The same signed image to a peripheral on an OSDP line; what it refuses, and a line that is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.apdu import Secret
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.devices.faults import Direction, FaultKind, Faults
from tegata.simulators.devices.mcuboot.board import Board
from tegata.simulators.devices.mcuboot.demo import blank_reader
from tegata.simulators.devices.mcuboot.fuses import Fuses
from tegata.simulators.devices.osdp import OsdpPeripheral, PeripheralIdentity
from tegata.simulators.devices.osdp_firmware import BoardReceiver
from tegata.simulators.devices.osdp_key import KeyStore

from .bench import OLD, Gate, Tegata
from .maker import HARDWARE, SMALL, Maker

NEW = "1.3.0"
KEY = bytes(range(0x20, 0x30))


class Door:
    """A peripheral on a line, and the URL that opens it."""

    def __init__(self, folder: Path, maker: Maker) -> None:
        fuses = Fuses(HARDWARE, (maker.key.read_text(encoding="ascii"),), model="osdp")
        self.board = Board(blank_reader(fuses, maker.image(OLD).read_bytes(), SMALL), fuses)
        receiver = BoardReceiver(self.board)
        self.peripheral = OsdpPeripheral(PeripheralIdentity(number=1), KeyStore(Secret(KEY)), receiver)
        self.faults = Faults()
        self.line = PtyLine(self.peripheral, folder / "door", self.faults)
        scbk = folder / "scbk"
        scbk.touch(0o600)
        scbk.write_text(KEY.hex())
        self.url = f"osdp:{self.line.path}?address=1&scbk={scbk}"


@pytest.fixture
def door(tmp_path: Path, maker: Maker) -> Iterator[Door]:
    door = Door(tmp_path, maker)
    with door.line:
        yield door
    assert door.line.failure is None


def test_one_image_for_both_protocols(door: Door, gate: Gate, maker: Maker, tegata: Tegata) -> None:
    for url, board in ((door.url, door.board), (gate.url, gate.reader.board)):
        [outcome] = tegata.json("update", url, maker.image(NEW), "--key", maker.key, "--confirm")
        assert (outcome["runs"], outcome["version"], outcome["stage"]) == ("new", NEW, "done")
        assert board.version == NEW
    shown = tegata.json("info", door.url)
    assert (shown["firmware"], shown["hardware_id"], shown["model"]) == (NEW, HARDWARE, "osdp")
    assert KEY.hex() not in tegata.out


def test_an_update_that_lost_its_line_is_finished_without_arguments(
    door: Door, maker: Maker, tegata: Tegata
) -> None:
    door.faults.soon(Direction.TO_DEVICE, FaultKind.UNPLUG, after=800)  # in the middle of the file
    words = ("update", door.url, maker.image(NEW), "--key", maker.key, "--confirm")
    assert tegata.error(*words) == "firmware.interrupted"
    assert door.board.version == OLD
    door.line.replug()
    [outcome] = tegata.json("update")
    assert (outcome["runs"], outcome["version"]) == ("new", NEW)
    assert door.board.version == NEW


def test_what_a_peripheral_does_not_get_and_there_is_no_way_back(
    door: Door, maker: Maker, stranger: Maker, tegata: Tegata
) -> None:
    image, confirmed = maker.image("1.3.0+4"), ("--key", maker.key, "--confirm")
    other = maker.image(NEW, hardware="other")
    assert tegata.error("update", door.url, other, *confirmed) == "firmware.wrong_hardware"
    assert tegata.error("update", door.url, image, "--key", maker.key, "--test") == "firmware.one_slot"
    foreign = ("update", door.url, stranger.image(NEW), "--key", stranger.key, "--confirm")
    assert tegata.error(*foreign) == "firmware.device"
    assert door.board.version == OLD

    [shown] = tegata.json("update", door.url, image, *confirmed)
    assert (shown["runs"], shown["stage"], door.board.version) == ("new", "done", "1.3.0.4")
    assert tegata.error("rollback", door.url) == "firmware.one_slot"
    assert KEY.hex() not in str(tegata.json("log"))
