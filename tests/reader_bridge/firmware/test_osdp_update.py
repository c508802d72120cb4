"""The same signed image to a peripheral on an OSDP line, by the same command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.apdu import Secret
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.devices.mcuboot.board import Board
from tegata.simulators.devices.mcuboot.demo import blank_reader
from tegata.simulators.devices.mcuboot.fuses import Fuses
from tegata.simulators.devices.osdp import OsdpPeripheral, PeripheralIdentity
from tegata.simulators.devices.osdp_firmware import BoardReceiver
from tegata.simulators.devices.osdp_key import KeyStore

from .bench import Tegata
from .maker import HARDWARE, SMALL, Maker

KEY = bytes(range(0x10, 0x20))
OLD, NEW = "1.2.0", "1.3.0+4"


@pytest.fixture
def board(maker: Maker) -> Board:
    fuses = Fuses(HARDWARE, (maker.key.read_text(encoding="ascii"),), model="osdp")
    return Board(blank_reader(fuses, maker.image(OLD).read_bytes(), SMALL), fuses)


@pytest.fixture
def url(board: Board, tmp_path: Path) -> Iterator[str]:
    key = tmp_path / "scbk"
    key.touch(0o600)
    key.write_text(KEY.hex())
    there = OsdpPeripheral(PeripheralIdentity(number=5), KeyStore(Secret(KEY)), BoardReceiver(board))
    with PtyLine(there, tmp_path / "line") as line:
        yield f"osdp:{line.path}?address=5&scbk={key}"
        assert line.failure is None


def test_a_peripheral_gets_the_same_image_by_file_transfer(
    board: Board, url: str, maker: Maker, stranger: Maker, tegata: Tegata
) -> None:
    given = ("--key", maker.key, "--confirm")
    assert (
        tegata.error("update", url, maker.image(NEW, hardware="other"), *given) == "firmware.wrong_hardware"
    )
    assert tegata.error("update", url, maker.image(NEW), "--key", maker.key, "--test") == "firmware.one_slot"
    foreign = ("update", url, stranger.image(NEW), "--key", stranger.key, "--confirm")
    assert tegata.error(*foreign) == "firmware.device"
    assert board.version == OLD

    [shown] = tegata.json("update", url, maker.image(NEW), *given)
    assert (shown["runs"], shown["stage"], board.version) == ("new", "done", "1.3.0.4")
    assert tegata.error("rollback", url) == "firmware.one_slot"
    assert KEY.hex() not in str(tegata.json("log"))
