"""Power lost at every erase and write of an update: the old or the new image runs, and the slots say which.

An update is a script of what a host asks. It is played once without a cut to count its steps; then, for each
step and each way to lose power in it, on a fresh reader. After the cut the host looks at the slots, as a
companion would, and goes on to the end: the update can always be finished.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

import pytest

from tegata.reader_bridge.frames.mcuboot import parse_image
from tegata.reader_bridge.frames.mcuboot_trailer import SwapType
from tegata.simulators.devices.mcuboot.board import Board
from tegata.simulators.devices.mcuboot.flash import Cut, Flash, Phase, PowerLost

from . import mcuboot_bench as bench

OLD, NEW = bench.image("1.0.0"), bench.image("1.1.0", counter=2)


def views(board: Board) -> dict[int, tuple[str, str]]:
    """Version and marks by slot."""
    names = ("active", "confirmed", "pending", "permanent")
    return {
        view.slot: (str(view.image.version), " ".join(name for name in names if getattr(view, name)))
        for view in board.slots.views()
    }


def to_test(board: Board) -> None:
    board.slots.store(NEW)
    board.slots.mark(bench.digest(NEW), permanent=False)
    board.power_on()


def confirmed(board: Board) -> None:
    to_test(board)
    board.slots.confirm()
    board.power_on()


def reverted(board: Board) -> None:
    to_test(board)
    board.power_on()


def permanent(board: Board) -> None:
    board.slots.store(NEW)
    board.slots.mark(bench.digest(NEW), permanent=True)
    board.power_on()


SCRIPTS: dict[str, Callable[[Board], None]] = {
    "test and confirm": confirmed,
    "test and revert": reverted,
    "permanent": permanent,
}


def steps_of(script: Callable[[Board], None]) -> int:
    board = bench.board(OLD)
    script(board)
    return board.flash.steps


def play(script: Callable[[Board], None], *cuts: Cut) -> Board:
    """The board after the script and its cuts; it has power again."""
    flash = bench.factory(OLD)
    flash.cut_at(*cuts)
    board = Board(flash, bench.fuses())
    try:
        script(board)
    except PowerLost:
        board.power_on()
    return board


def check_truth(board: Board) -> None:
    """What runs is the old or the new image, whole, it is what slot 0 holds, and no slot lies."""
    running = board.running
    assert running is not None, board.boot.refused
    assert running.digest in (bench.digest(OLD), bench.digest(NEW))
    flash, geometry = board.flash, board.flash.geometry
    assert parse_image(flash.read(geometry.primary)).digest == running.digest
    seen = views(board)
    assert seen[0][0] == board.version
    assert seen[0][1].startswith("active")
    for view in board.slots.views():
        assert view.image.digest_is_right
    # What the slots promise for the next start is what it does.
    kind = board.slots.next_swap
    expected = seen[1][0] if kind is not SwapType.NONE else seen[0][0]
    again = Board(Flash(geometry, flash.content()), board.fuses)
    assert again.version == expected


def finish(board: Board) -> None:
    """What a companion does that finds the reader so: it ends with the new image, confirmed."""
    new = bench.digest(NEW)
    for _ in range(12):
        slots = board.slots
        running = board.running is not None and board.running.digest == new
        if running and slots.next_swap is SwapType.NONE:
            break
        if running:
            slots.confirm()
        elif slots.next_swap is not SwapType.NONE:
            board.power_on()
        elif any(view.image.digest == new for view in slots.views()):
            slots.mark(new, permanent=False)
        else:
            slots.store(NEW)
    assert views(board)[0] == ("1.1.0", "active confirmed")
    board.power_on()
    assert views(board)[0] == ("1.1.0", "active confirmed")
    assert board.security_counter == 2


@pytest.mark.parametrize("name", SCRIPTS)
def test_power_lost_at_every_step(name: str) -> None:
    script = SCRIPTS[name]
    steps = steps_of(script)
    assert steps > 40
    for step, phase in itertools.product(range(1, steps + 1), Phase):
        board = play(script, Cut(step, phase))
        assert board.flash.steps >= step
        check_truth(board)
        finish(board)


def test_a_cut_in_the_swap_never_stops_it() -> None:
    """Between the mark and the start's end the power only delays: the new image runs, and is a test. After
    the very last write that start was a whole one, and nobody confirmed: the old image is back."""
    board = bench.board(OLD)
    board.slots.store(NEW)
    board.slots.mark(bench.digest(NEW), permanent=False)
    marked, first = board.flash.content(), board.flash.steps
    board.power_on()
    last = Cut(board.flash.steps - first, Phase.AFTER)
    for step, phase in itertools.product(range(1, last.step + 1), Phase):
        flash = Flash(bench.SMALL, marked)
        flash.cut_at(Cut(step, phase))
        cut = Board(flash, bench.fuses())
        assert cut.starts == 2
        if Cut(step, phase) == last:
            assert views(cut) == {0: ("1.0.0", "active confirmed"), 1: ("1.1.0", "")}
        else:
            assert views(cut) == {0: ("1.1.0", "active"), 1: ("1.0.0", "confirmed")}


def test_a_cut_in_the_way_back_never_stops_it() -> None:
    board = bench.board(OLD)
    to_test(board)
    unconfirmed, first = board.flash.content(), board.flash.steps
    board.power_on()
    for step, phase in itertools.product(range(1, board.flash.steps - first + 1), Phase):
        flash = Flash(bench.SMALL, unconfirmed)
        flash.cut_at(Cut(step, phase))
        cut = Board(flash, bench.fuses())
        assert views(cut) == {0: ("1.0.0", "active confirmed"), 1: ("1.1.0", "")}


def pairs(steps: int) -> Iterator[tuple[Cut, Cut]]:
    """Two cuts, the second up to a whole swap after the first."""
    for first in range(1, steps + 1):
        for one, distance, other in itertools.product(Phase, range(1, 60), Phase):
            yield Cut(first, one), Cut(first + distance, other)


def check_pair(script: Callable[[Board], None], cuts: tuple[Cut, Cut]) -> None:
    board = play(script, *cuts)
    check_truth(board)
    for _ in range(3):  # the second cut may strike while the host goes on
        try:
            finish(board)
            return
        except PowerLost:
            board.power_on()
            check_truth(board)
    raise AssertionError(cuts)


@pytest.mark.parametrize("name", SCRIPTS)
def test_power_lost_twice(name: str) -> None:
    script = SCRIPTS[name]
    every = list(pairs(steps_of(script)))
    for cuts in random.Random(20261126).sample(every, 100):  # noqa: S311 - repeatable, not secret
        check_pair(script, cuts)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", SCRIPTS)
def test_power_lost_twice_everywhere(name: str) -> None:
    script = SCRIPTS[name]
    for cuts in pairs(steps_of(script)):
        check_pair(script, cuts)
