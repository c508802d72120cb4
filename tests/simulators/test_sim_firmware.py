"""``tegata sim firmware`` and ``tegata sim reader smp``, as a person types them."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tegata.apdu.errors import TegataError
from tegata.reader_bridge.frames.mcuboot import Version, parse_image
from tegata.simulators.commands import sim
from tegata.simulators.devices.mcuboot.board import Board
from tegata.simulators.devices.mcuboot.flash_file import FlashFile


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(sim, [str(word) for word in words])


def code(result: Result) -> str:
    assert isinstance(result.exception, TegataError), result.output
    return result.exception.code


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    assert run("firmware", "new", tmp_path / "demo", "--hardware-id", "門-1").exit_code == 0
    return tmp_path / "demo"


def test_a_folder_to_begin_with(demo: Path) -> None:
    private = demo / "vendor.key.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    old, new = (parse_image((demo / f"firmware-{each}.bin").read_bytes()) for each in ("1.0.0", "1.1.0"))
    assert (new.hardware_id, new.security_counter, str(new.version)) == ("門-1", 2, "1.1.0")
    flash = FlashFile(demo / "reader.flash")
    board = Board(flash, flash.fuses)
    assert board.running == old
    board.slots.store((demo / "firmware-1.1.0.bin").read_bytes())
    flash.close()
    assert code(run("firmware", "new", demo)) == "simreader.folder"


def test_an_image_of_ones_own_in_a_reader_of_ones_own(demo: Path) -> None:
    image, flash = demo / "own.bin", demo / "own.flash"
    words = [
        "--key",
        demo / "vendor.key.pem",
        "--version",
        "2.3.4+5",
        "--size",
        "100",
        "--hardware-id",
        "0x1",
    ]
    assert run("firmware", "sign", image, *words).exit_code == 0
    parsed = parse_image(image.read_bytes())
    assert (parsed.version, parsed.hardware_id) == (Version(2, 3, 4, 5), "0x1")
    assert (parsed.security_counter, parsed.payload_size) == (None, 100)
    assert code(run("firmware", "sign", image, *words)) == "simreader.flash"
    made = run(
        "firmware", "flash", flash, "--image", image, "--key", demo / "vendor.pub.pem", "--refuse-older"
    )
    assert made.output == f"{flash}\n"
    opened = FlashFile(flash)
    assert (opened.fuses.hardware_id, opened.fuses.refuse_older) == ("0x1", True)
    assert Board(opened, opened.fuses).version == "2.3.4.5"
    opened.close()


def test_what_makes_no_image_and_no_reader(demo: Path) -> None:
    image, public = demo / "firmware-1.0.0.bin", demo / "vendor.pub.pem"
    sign, flash = ("firmware", "sign", demo / "x.bin"), ("firmware", "flash", demo / "x.flash")
    for key in (public, image):
        assert code(run(*sign, "--key", key, "--version", "1")) == "simreader.imgtool"
    assert run(*sign, "--key", demo / "vendor.key.pem", "--version", "1.2.x").exit_code == 2
    assert code(run(*flash, "--image", public, "--key", public)) == "simreader.image"
    assert code(run(*flash, "--image", image, "--key", image)) == "simreader.fuses"
    other = run(*flash, "--image", image, "--key", public, "--hardware-id", "another")
    assert code(other) == "simreader.image"
    assert not (demo / "x.bin").exists()
    assert not (demo / "x.flash").exists()


def test_what_the_reader_does_not_open(demo: Path) -> None:
    assert code(run("reader", "smp", demo / "missing")) == "simreader.flash"
    assert code(run("reader", "smp", demo / "vendor.pub.pem")) == "simreader.flash"
    assert run("reader", "smp", demo / "reader.flash", "--cut", "3.soon").exit_code == 2
    opened = FlashFile(demo / "reader.flash")
    assert code(run("reader", "smp", demo / "reader.flash")) == "simreader.flash"
    opened.close()


def test_without_imgtool_nothing_is_left_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imgtool.main", None)
    assert code(run("firmware", "new", tmp_path / "demo")) == "reader.driver"
    assert list(tmp_path.iterdir()) == []
