"""Updates that are interrupted anywhere: the device boots the old or the new image, the next
``tegata firmware update`` without arguments says which, and finishes.

Everything that interrupts is swept: power lost at every step of the flash, the cable pulled at every frame
of either direction, tegata killed at every frame. A slice of each sweep runs always, the whole as a campaign.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.simulators.devices.faults import Direction, Fault, FaultKind, Faults, Piece
from tegata.simulators.devices.mcuboot.flash import Cut, Phase

from .bench import OLD, Gate, Tegata
from .maker import Maker

NEW = "1.3.0"
FRAME = b"\x06\x09"


class Recorder(Faults):
    """No fault; keeps what goes over the line, and where frames begin in it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = {direction: bytearray() for direction in Direction}

    def spoil(self, direction: Direction, data: bytes) -> list[Piece]:
        self.seen[direction] += data
        return super().spoil(direction, data)

    def frames(self, direction: Direction) -> list[int]:
        """Offsets of the frames that went this way."""
        found, place = [], self.seen[direction].find(FRAME)
        while place >= 0:
            found.append(place)
            place = self.seen[direction].find(FRAME, place + 1)
        return found


@pytest.fixture(scope="module")
def clean(maker: Maker, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[Direction, list[int]]]:
    """Flash steps, and offsets of the frames each way, of an update that nothing interrupts."""
    folder = tmp_path_factory.mktemp("clean")
    recorder = Recorder()
    with Gate(maker, folder, faults=recorder) as gate, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEGATA_HOME", str(folder / "home"))
        assert subprocess_update(gate, maker) == 0
        assert gate.version == NEW
        return gate.flash.steps, {direction: recorder.frames(direction) for direction in Direction}


def subprocess_update(gate: Gate, maker: Maker) -> int:
    with start_update(gate, maker) as process:
        return process.wait(60)


def start_update(gate: Gate, maker: Maker) -> subprocess.Popen[bytes]:
    arguments = ["update", gate.url, maker.image(NEW), "--key", maker.key, "--confirm", "--json"]
    return subprocess.Popen(
        [sys.executable, "-m", "tegata.cli", "firmware", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
    )


def finishes(gate: Gate, tegata: Tegata) -> None:
    """Old or new runs; updates without arguments say which and bring the job to its end."""
    assert gate.version in (OLD, NEW)
    for _ in range(3):
        before = gate.version
        code = tegata("update", "--wait", "10")
        if f"{gate.url}: the update to {NEW}" in tegata.err:
            name = "new" if before == NEW else "old"
            assert f"the {name} image runs now, {before}" in tegata.err
        if code == 0:
            break
        assert code == 254, tegata.err  # the device went back to the old image meanwhile; it is said
        assert f"went back to version {OLD} by itself" in tegata.err
    assert (gate.version, gate.confirmed) == (NEW, True)
    assert tegata("update") == 0
    gate.reader.power_cycle()
    assert gate.version == NEW


def begin(gate: Gate, maker: Maker, tegata: Tegata) -> int:
    return tegata("update", gate.url, maker.image(NEW), "--key", maker.key, "--confirm", "--wait", "2")


def lose_power(step: int, phase: Phase, maker: Maker, folder: Path, tegata: Tegata) -> None:
    with Gate(maker, folder, f"gate{step}", timeout="0.15") as gate:
        gate.flash.cut_at(Cut(step, phase))
        code = begin(gate, maker, tegata)
        assert code in (0, 195, 254), tegata.err
        assert gate.reader.power_losses + gate.reader.board.starts > 1
        finishes(gate, tegata)


def pull_cable(direction: Direction, byte: int, maker: Maker, folder: Path, tegata: Tegata) -> None:
    faults = Faults([Fault(direction, byte, FaultKind.UNPLUG)])
    with Gate(maker, folder, f"gate{byte}", faults=faults, timeout="0.1") as gate:
        assert begin(gate, maker, tegata) in (0, 29, 195), tegata.err
        assert faults.struck
        gate.line.replug()
        if not tegata.json("log"):  # pulled before the device said who it is: nothing was begun
            assert begin(gate, maker, tegata) == 0, tegata.err
        finishes(gate, tegata)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("part", [0.1, 0.26, 0.6, 0.98, 1.0])
def test_power_lost_at_steps_of_the_flash(
    part: float,
    phase: Phase,
    clean: tuple[int, dict[Direction, list[int]]],
    maker: Maker,
    tmp_path: Path,
    tegata: Tegata,
) -> None:
    lose_power(max(1, round(clean[0] * part)), phase, maker, tmp_path, tegata)


@pytest.mark.campaign
@pytest.mark.parametrize("phase", list(Phase))
def test_power_lost_at_every_step_of_the_flash(
    phase: Phase,
    clean: tuple[int, dict[Direction, list[int]]],
    maker: Maker,
    tmp_path: Path,
    tegata: Tegata,
) -> None:
    for step in range(1, clean[0] + 1):
        lose_power(step, phase, maker, tmp_path, tegata)


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("part", [0.0, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_the_cable_pulled_at_frames(
    part: float,
    direction: Direction,
    clean: tuple[int, dict[Direction, list[int]]],
    maker: Maker,
    tmp_path: Path,
    tegata: Tegata,
) -> None:
    frames = clean[1][direction]
    pull_cable(direction, frames[int(len(frames) * part)] + 5, maker, tmp_path, tegata)


@pytest.mark.campaign
@pytest.mark.parametrize("direction", list(Direction))
def test_the_cable_pulled_at_every_frame(
    direction: Direction,
    clean: tuple[int, dict[Direction, list[int]]],
    maker: Maker,
    tmp_path_factory: pytest.TempPathFactory,
    tegata: Tegata,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for frame in clean[1][direction]:
        folder = tmp_path_factory.mktemp("pulled")
        monkeypatch.setenv("TEGATA_HOME", str(folder / "home"))
        pull_cable(direction, frame + 5, maker, folder, tegata)


def lose_power_on_the_way_back(steps: int, maker: Maker, folder: Path, tegata: Tegata) -> None:
    """Power lost at the flash's step ``steps`` after a way back was asked for."""
    with Gate(maker, folder, f"gate{steps}", timeout="0.15") as gate:
        assert begin(gate, maker, tegata) == 0, tegata.err
        gate.flash.cut_at(Cut(gate.flash.steps + steps, Phase.INSIDE))
        code = tegata("rollback", gate.url, "--wait", "2")
        assert code in (0, 195, 254), tegata.err
        for _ in range(3):
            assert gate.version in (OLD, NEW)
            if tegata("update", "--wait", "2") == 0:
                break
        assert (gate.version, gate.confirmed) == (OLD, True)


@pytest.mark.parametrize("steps", [1, 14, 34])
def test_power_lost_on_the_way_back(steps: int, maker: Maker, tmp_path: Path, tegata: Tegata) -> None:
    lose_power_on_the_way_back(steps, maker, tmp_path, tegata)


@pytest.mark.campaign
def test_power_lost_at_every_step_on_the_way_back(maker: Maker, tmp_path: Path, tegata: Tegata) -> None:
    for steps in range(1, 46):
        lose_power_on_the_way_back(steps, maker, tmp_path, tegata)


class Killer(Faults):
    """Kills a process when a byte of its is about to reach the device."""

    def __init__(self, byte: int) -> None:
        super().__init__()
        self._byte = byte
        self.victim = 0

    def spoil(self, direction: Direction, data: bytes) -> list[Piece]:
        pieces = super().spoil(direction, data)
        if direction is Direction.TO_DEVICE and self.victim and self.counted[direction] > self._byte:
            os.kill(self.victim, signal.SIGKILL)
            self.victim = 0
        return pieces


def kill_tegata(frame: int, maker: Maker, folder: Path, tegata: Tegata) -> None:
    killer = Killer(frame)
    with Gate(maker, folder, f"gate{frame}", faults=killer) as gate:
        with start_update(gate, maker) as process:
            killer.victim = process.pid
            assert process.wait(60) == -signal.SIGKILL
        if not tegata.json("log"):
            assert begin(gate, maker, tegata) == 0, tegata.err
        finishes(gate, tegata)


@pytest.mark.parametrize("part", [0.4, 0.6, 0.95])
def test_tegata_killed_at_frames(
    part: float,
    clean: tuple[int, dict[Direction, list[int]]],
    maker: Maker,
    tmp_path: Path,
    tegata: Tegata,
) -> None:
    frames = clean[1][Direction.TO_DEVICE]
    kill_tegata(frames[int(len(frames) * part)], maker, tmp_path, tegata)


@pytest.mark.campaign
def test_tegata_killed_at_every_frame(
    clean: tuple[int, dict[Direction, list[int]]],
    maker: Maker,
    tmp_path_factory: pytest.TempPathFactory,
    tegata: Tegata,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for frame in clean[1][Direction.TO_DEVICE]:
        folder = tmp_path_factory.mktemp("killed")
        monkeypatch.setenv("TEGATA_HOME", str(folder / "home"))
        kill_tegata(frame, maker, folder, tegata)


def faulty_lines() -> Iterator[Fault]:
    """A fault of each kind each way, never so many that the same request is spoiled three times."""
    for number, kind in enumerate([FaultKind.LOSE, FaultKind.DOUBLE, FaultKind.CORRUPT]):
        yield Fault(Direction.TO_DEVICE, 60 + 290 * number, kind)
        yield Fault(Direction.TO_HOST, 300 + 900 * number, kind)


def test_an_update_survives_a_line_that_spoils_bytes(maker: Maker, tmp_path: Path, tegata: Tegata) -> None:
    faults = Faults(faulty_lines())
    with Gate(maker, tmp_path, faults=faults, timeout="0.2") as gate:
        assert begin(gate, maker, tegata) == 0, tegata.err
        assert len(faults.struck) == 6
        assert (gate.version, gate.confirmed) == (NEW, True)
