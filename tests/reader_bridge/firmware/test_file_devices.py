"""Devices that take a file and no more: no slots, no trial, no way back; the version alone says what runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tegata.apdu.devices import DeviceIdentity, Finding
from tegata.apdu.errors import ReaderError, TegataError, Words
from tegata.reader_bridge.firmware.compatibility import Compatibility
from tegata.reader_bridge.firmware.image import Keys, read_image
from tegata.reader_bridge.firmware.journal import Goal, Journal, Stage
from tegata.reader_bridge.firmware.update import Updater
from tegata.reader_bridge.firmware.way_back import rollback
from tegata.simulators.devices.mcuboot.board import Board
from tegata.simulators.devices.mcuboot.demo import blank_reader
from tegata.simulators.devices.mcuboot.fuses import Fuses
from tegata.simulators.devices.mcuboot.verify import Refused

from .maker import HARDWARE, SMALL, Maker

URL = "file:door"
NEW = "1.3.0"


class FileReader:
    """A simulated board behind a port that takes files; ``lost_after`` pulls its cable in a transfer once."""

    url = URL

    def __init__(self, board: Board) -> None:
        self.board = board
        self.lost_after: int | None = None

    def identity(self) -> DeviceIdentity:
        return DeviceIdentity(
            URL, "gate-reader", self.board.version, serial="1", hardware_id=HARDWARE, updatable=True
        )

    def selftest(self) -> Sequence[Finding]:
        return []

    def close(self) -> None:
        """Nothing to free."""

    def transfer(self, image: bytes) -> Iterator[int]:
        for offset in range(0, len(image), 100):
            if self.lost_after is not None and offset > self.lost_after:
                self.lost_after = None
                raise ReaderError("line.lost", line="door", what="unplugged")
            yield min(offset + 100, len(image))
        try:
            self.board.slots.store(image)
        except Refused as error:
            raise ReaderError("firmware.device", url=URL, what=Words(str(error), str(error))) from error
        [new] = [view.image for view in self.board.slots.views() if not view.active]
        self.board.slots.mark(new.digest, permanent=True)
        self.board.power_on()


@pytest.fixture
def reader(maker: Maker) -> FileReader:
    fuses = Fuses(HARDWARE, (maker.key.read_text(encoding="ascii"),))
    return FileReader(Board(blank_reader(fuses, maker.image("1.2.0").read_bytes(), SMALL), fuses))


@pytest.fixture
def updater(reader: FileReader, tmp_path: Path) -> Updater:
    return Updater(Journal(tmp_path), opener=lambda _: reader)


def update(updater: Updater, maker: Maker, image: Path, goal: Goal = Goal.CONFIRM) -> str:
    """What runs afterwards, or the code of the error."""
    try:
        keys, table = Keys.load([maker.key]), Compatibility.load()
        return updater.update(URL, read_image(image), keys, table, goal).version
    except TegataError as error:
        return error.code


def test_the_same_signed_image_is_transferred(updater: Updater, maker: Maker) -> None:
    assert update(updater, maker, maker.image(NEW)) == NEW
    [job] = updater.journal.jobs()
    assert job.stage is Stage.DONE


def test_there_is_no_trial_and_no_way_back(updater: Updater, maker: Maker) -> None:
    assert update(updater, maker, maker.image(NEW), Goal.TEST) == "firmware.one_slot"
    with pytest.raises(TegataError) as refused:
        rollback(updater, URL)
    assert refused.value.code == "firmware.one_slot"


def test_what_does_not_suit_is_refused_before_the_transfer(
    updater: Updater, maker: Maker, stranger: Maker
) -> None:
    assert update(updater, maker, stranger.image(NEW)) == "firmware.signature"
    assert update(updater, maker, maker.image("1.1.0")) == "firmware.downgrade"
    assert update(updater, maker, maker.image(NEW, hardware="other")) == "firmware.wrong_hardware"
    assert list(updater.journal.jobs()) == []


def test_the_device_refuses_by_itself(updater: Updater, stranger: Maker) -> None:
    assert update(updater, stranger, stranger.image(NEW)) == "firmware.device"
    [job] = updater.journal.jobs()
    assert job.stage is Stage.REFUSED


def test_a_transfer_that_was_cut_off_is_finished(reader: FileReader, updater: Updater, maker: Maker) -> None:
    reader.lost_after = 300
    assert update(updater, maker, maker.image(NEW)) == "firmware.interrupted"
    [job] = updater.journal.unfinished()
    seen: list[str] = []
    outcome = updater.resume(job, lambda found: seen.append(found.runs))
    assert (seen, outcome.runs, outcome.version, job.stage) == (["old"], "new", NEW, Stage.DONE)
