"""Devices that are not the one that the job was begun with, or that changed behind tegata's back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tegata.apdu.devices import Device, DeviceIdentity, ImageSlot, open_device
from tegata.apdu.errors import ReaderError
from tegata.reader_bridge.firmware.compatibility import Compatibility
from tegata.reader_bridge.firmware.image import Keys, read_image
from tegata.reader_bridge.firmware.journal import Goal, Journal, Stage, Target
from tegata.reader_bridge.firmware.update import Updater
from tegata.reader_bridge.frames.mcuboot import parse_image
from tegata.simulators.devices.faults import Direction, Fault, FaultKind, Faults

from .bench import OLD, Gate, Tegata
from .maker import HARDWARE, Maker

NEW = "1.3.0"


def interrupted(maker: Maker, folder: Path, tegata: Tegata) -> Gate:
    """A reader whose update to NEW was cut off in its upload, and whose cable is in again."""
    faults = Faults([Fault(Direction.TO_DEVICE, 400, FaultKind.UNPLUG)])
    gate = Gate(maker, folder, faults=faults, timeout="0.1")
    assert tegata("update", gate.url, maker.image(NEW), "--key", maker.key, "--confirm") == 195
    gate.line.replug()
    return gate


def test_a_newer_image_that_came_meanwhile_is_not_replaced_by_the_older_one(
    maker: Maker, tmp_path: Path, tegata: Tegata
) -> None:
    with interrupted(maker, tmp_path, tegata) as gate:
        newer = maker.image("1.4.0").read_bytes()  # another program brings it
        gate.reader.board.slots.store(newer)
        gate.reader.board.slots.mark(parse_image(newer).digest, permanent=True)
        gate.reader.power_cycle()
        steps = gate.flash.steps
        assert tegata.error("update") == "firmware.downgrade"
        assert (gate.version, gate.flash.steps) == ("1.4.0", steps)
        [job] = tegata.json("log")
        assert job["stage"] == "refused"
        assert tegata.json("update") == []


def test_a_job_is_not_finished_on_other_hardware_with_the_same_serial_number(
    maker: Maker, tmp_path: Path, tegata: Tegata
) -> None:
    with interrupted(maker, tmp_path, tegata) as gate:
        gate.line.unplug()
        with Gate(maker, tmp_path, timeout="0.1", hardware_id="gate-reader-2") as other:
            assert tegata("update") == 195
            assert "gate-reader-2 instead of" in tegata.err and HARDWARE in tegata.err
            assert other.version == OLD


@pytest.mark.parametrize("other_runs", [OLD, NEW])
def test_confirm_on_another_device_says_nothing_of_the_first_ones_trial(
    other_runs: str, maker: Maker, tmp_path: Path, tegata: Tegata
) -> None:
    with Gate(maker, tmp_path) as gate:
        assert tegata("update", gate.url, maker.image(NEW), "--key", maker.key, "--test") == 0
        gate.line.unplug()
        with Gate(maker, tmp_path, serial="other", old=other_runs):
            assert tegata.error("confirm", gate.url) == "firmware.no_trial"
        [job] = tegata.json("log")
        assert job["stage"] == "on-trial"


def test_another_device_that_answers_after_the_restart_is_not_confirmed(maker: Maker, tmp_path: Path) -> None:
    """Ports are numbered anew while a device restarts."""
    with Gate(maker, tmp_path, "one") as one, Gate(maker, tmp_path, "two") as two:
        trial = maker.image(NEW).read_bytes()
        two.reader.board.slots.store(trial)
        two.reader.board.slots.mark(parse_image(trial).digest, permanent=False)
        two.reader.power_cycle()
        at = one

        def opener(_: str) -> Device:
            nonlocal at
            device = open_device(at.url)
            at = two
            return device

        updater = Updater(Journal(tmp_path / "journal"), opener=opener, answers_again=5)
        given = read_image(maker.image(NEW)), Keys.load([maker.key]), Compatibility.load()
        with pytest.raises(ReaderError) as refused:
            updater.update(one.url, *given, Goal.CONFIRM)
        assert refused.value.code == "firmware.other_device"
        assert (two.version, two.confirmed) == (NEW, False)


def slot(digest: bytes, *, active: bool = False) -> ImageSlot:
    return ImageSlot(0 if active else 1, "1.0.0", digest, active=active, confirmed=active)


@pytest.mark.parametrize("length", [32, 48, 64])
def test_the_way_back_names_images_by_any_digest_of_mcuboot(length: int, tmp_path: Path) -> None:
    identity = DeviceIdentity("smp:x", "gate-reader", serial="1")
    job = Journal(tmp_path).begin_way_back(
        Target(identity, slot(b"\x01" * 32, active=True)), slot(b"\x02" * length)
    )
    assert bytes.fromhex(job.new_digest) == b"\x02" * length


@pytest.mark.parametrize("change", [{"vendor": "other"}, {"hardware_id": "other"}, {"serial": "8"}])
def test_a_device_is_the_same_by_everything_that_it_says_of_itself(
    change: dict[str, str], tmp_path: Path
) -> None:
    journal = Journal(tmp_path)
    identity = DeviceIdentity("osdp:x", "osdp", serial="7", vendor="ours", hardware_id="gate")
    job = journal.begin_way_back(Target(identity, slot(b"\x01" * 32, active=True)), slot(b"\x02" * 32))
    assert job.concerns(identity)
    assert not job.concerns(dataclasses.replace(identity, **change))


def test_each_job_has_a_copy_of_its_own(maker: Maker, tmp_path: Path) -> None:
    """Two processes share a journal: what one throws away the other never relied on."""
    image = read_image(maker.image(NEW))
    journals = Journal(tmp_path), Journal(tmp_path)
    identity = DeviceIdentity("smp:x", "gate-reader", serial="1")
    target = Target(identity, slot(b"\x01" * 32, active=True))
    one, two = (journal.begin(target, image, Goal.TEST) for journal in journals)
    assert len(list((tmp_path / "images").iterdir())) == 2
    journals[0].enter(one, Stage.DONE)
    assert journals[1].image(two) == image.data
