"""The journal, and what ``update`` without an image does with it."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu.devices import DeviceIdentity, ImageSlot
from tegata.apdu.errors import InputError
from tegata.reader_bridge.firmware.image import read_image
from tegata.reader_bridge.firmware.journal import Event, Goal, Job, Journal, Stage, Target, now
from tegata.reader_bridge.firmware.rollout import Rollouts
from tegata.reader_bridge.firmware.update import Step, next_step
from tegata.simulators.devices.faults import Direction, Fault, FaultKind, Faults

from .bench import OLD, Gate, Tegata
from .maker import Maker

NEW = "1.3.0"
NOBODY = 65534
OLD_DIGEST, NEW_DIGEST = b"\x01" * 32, b"\x02" * 32


def target(url: str = "smp:x") -> Target:
    identity = DeviceIdentity(url, "gate-reader", OLD, serial="7")
    return Target(identity, ImageSlot(0, OLD, OLD_DIGEST, active=True, confirmed=True))


def test_a_job_is_whole_on_the_disk_and_for_its_owner_alone(maker: Maker, tmp_path: Path) -> None:
    image = read_image(maker.image(NEW))
    job = Journal(tmp_path).begin(target(), image, Goal.TEST)
    [found] = Journal(tmp_path).unfinished()
    assert found == job
    assert Journal(tmp_path).image(found) == image.data
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_the_copy_goes_with_the_last_job_that_needs_it(maker: Maker, tmp_path: Path) -> None:
    journal, image = Journal(tmp_path), read_image(maker.image(NEW))
    one, other = (journal.begin(target(url), image, Goal.TEST) for url in ("smp:a", "smp:b"))
    journal.enter(one, Stage.DONE)
    assert journal.image(other) == image.data
    journal.enter(other, Stage.REVERTED)
    with pytest.raises(InputError) as gone:
        journal.image(other)
    assert gone.value.code == "firmware.journal"
    assert journal.unfinished() == []
    assert [job.stage for job in journal.jobs()] == [Stage.DONE, Stage.REVERTED]


def test_a_spoiled_copy_is_not_uploaded(maker: Maker, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    job = journal.begin(target(), read_image(maker.image(NEW)), Goal.TEST)
    [copy] = (tmp_path / "images").iterdir()
    copy.write_bytes(copy.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError) as refused:
        journal.image(job)
    assert refused.value.code == "firmware.journal"


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"format": 2}'])
def test_a_damaged_entry_is_named(content: bytes, tegata: Tegata, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "firmware" / "jobs"
    folder.mkdir(parents=True)
    (folder / "x.json").write_bytes(content)
    assert tegata("update") == 195
    assert "x.json" in tegata.err


@pytest.mark.skipif(os.name != "posix", reason="modes of folders are POSIX's")
def test_a_journal_that_may_not_be_read_is_not_taken_for_an_empty_one(maker: Maker) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        journal = Journal(folder)
        journal.begin(target(), read_image(maker.image(NEW)), Goal.TEST)
        rollouts = Rollouts(folder)
        root = os.geteuid() == 0
        for closed in ("jobs", "rollouts"):
            (folder / closed).chmod(0o000)
        if root:
            os.seteuid(NOBODY)
        try:
            for ask in (journal.unfinished, rollouts.unfinished):
                with pytest.raises(InputError) as refused:
                    ask()
                assert refused.value.code == "firmware.journal"
        finally:
            if root:
                os.seteuid(0)
            for closed in ("jobs", "rollouts"):
                (folder / closed).chmod(0o700)


def test_history_does_not_grow_for_ever(maker: Maker, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    job = journal.begin(target(), read_image(maker.image(NEW)), Goal.TEST)
    job.history = job.history * 500
    journal.note(job, "again")
    assert len(job.history) < 300
    assert (job.history[0].what, job.history[-1].what) == ("planned", "again")


slots = st.builds(
    ImageSlot,
    st.just(1),
    st.just("1.0.0"),
    st.sampled_from([OLD_DIGEST, NEW_DIGEST, b"\x03" * 32, b""]),
    confirmed=st.booleans(),
    pending=st.booleans(),
)
actives = st.builds(
    ImageSlot,
    st.just(0),
    st.just("1.0.0"),
    st.sampled_from([OLD_DIGEST, NEW_DIGEST, b"\x03" * 32]),
    active=st.just(True),
    confirmed=st.booleans(),
)


@given(actives, st.none() | slots, st.sampled_from(Goal), st.sampled_from(Stage))
def test_the_next_step_follows_from_the_device_alone(
    active: ImageSlot, other: ImageSlot | None, goal: Goal, stage: Stage
) -> None:
    job = Job(
        id="20260101T000000000000Z-00000000",
        url="smp:x",
        model="m",
        serial="",
        old_version="1",
        old_digest=OLD_DIGEST.hex(),
        new_version="2",
        new_digest=NEW_DIGEST.hex(),
        goal=goal,
        stage=stage,
        history=[Event(at=now(), what="planned")],
    )
    step = next_step(job, [active] if other is None else [active, other])
    if active.digest == NEW_DIGEST:  # never touched again, but to be confirmed
        assert step is (
            Step.FINISH if active.confirmed else Step.CONFIRM if goal is Goal.CONFIRM else Step.LEAVE
        )
    elif other is not None and other.digest == NEW_DIGEST:  # never uploaded twice
        assert step is (Step.RESTART if other.pending else Step.MARK)
    else:
        assert step is Step.UPLOAD


def interrupted(maker: Maker, folder: Path, name: str, tegata: Tegata) -> Gate:
    """A reader whose update to NEW was cut off in its upload, and whose cable is in again."""
    faults = Faults([Fault(Direction.TO_DEVICE, 400, FaultKind.UNPLUG)])
    gate = Gate(maker, folder, name, faults=faults, timeout="0.1")
    assert tegata("update", gate.url, maker.image(NEW), "--key", maker.key, "--confirm") == 195
    assert "run tegata firmware update" in tegata.err
    gate.line.replug()
    return gate


def test_of_several_unfinished_updates_one_is_named(maker: Maker, tmp_path: Path, tegata: Tegata) -> None:
    with (
        interrupted(maker, tmp_path, "one", tegata) as one,
        interrupted(maker, tmp_path, "two", tegata) as two,
    ):
        assert tegata("update") == 195
        assert one.url in tegata.err and two.url in tegata.err
        [shown] = tegata.json("update", two.url)
        assert (shown["runs"], one.version, two.version) == ("new", OLD, NEW)
        assert tegata("update") == 0
        assert one.version == NEW


def test_another_image_waits_until_the_first_is_finished_or_given_up(
    maker: Maker, tmp_path: Path, tegata: Tegata
) -> None:
    with interrupted(maker, tmp_path, "gate", tegata) as gate:
        given = ("update", gate.url, maker.image("1.4.0"), "--key", maker.key, "--confirm")
        assert tegata.error(*given) == "firmware.unfinished"
        assert tegata.json("rollback", gate.url)["version"] == OLD
        assert tegata.json("update") == []
        assert tegata(*given) == 0
        assert gate.version == "1.4.0"


def test_the_same_image_goes_on(maker: Maker, tmp_path: Path, tegata: Tegata) -> None:
    with interrupted(maker, tmp_path, "gate", tegata) as gate:
        assert tegata("update", gate.url, maker.image(NEW), "--key", maker.key, "--test") == 0
        [job] = tegata.json("log")
        assert (job["goal"], job["stage"], gate.version) == ("test", "on-trial", NEW)


def test_a_job_is_not_finished_on_another_device(maker: Maker, tmp_path: Path, tegata: Tegata) -> None:
    with interrupted(maker, tmp_path, "gate", tegata) as gate:
        gate.line.unplug()
        with Gate(maker, tmp_path, "gate", timeout="0.1", serial="other") as other:
            assert other.url == gate.url
            assert tegata("update") == 195
            assert "gate-reader other gate-reader-1 instead of gate-reader gate gate-reader-1" in tegata.err
            assert other.version == OLD


def test_a_device_is_found_again_at_another_port(maker: Maker, tmp_path: Path, tegata: Tegata) -> None:
    with interrupted(maker, tmp_path, "gate", tegata) as gate:
        gate.line.path.rename(tmp_path / "elsewhere")
        assert tegata("update") == 195
        url = f"smp:{tmp_path / 'elsewhere'}?timeout=0.3"
        [shown] = tegata.json("update", url)
        assert (shown["url"], shown["runs"], gate.version) == (url, "new", NEW)


def test_the_journal_holds_no_key(gate: Gate, maker: Maker, tmp_path: Path, tegata: Tegata) -> None:
    assert tegata("update", gate.url, maker.image(NEW), "--key", maker.key, "--test") == 0
    for path in (tmp_path / "home").rglob("*"):
        assert path.is_dir() or b"KEY" not in path.read_bytes()
    assert tegata("log") == 0
    assert NEW in tegata.out
    assert json.dumps(tegata.json("log")).count("planned") == 1
