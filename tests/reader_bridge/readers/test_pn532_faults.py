"""Every fault of the line, at every byte of a whole dialogue with a PN532: the right answer or a typed error,
never a wrong answer, never a hang, and never a command that the card carries out twice.

The unit run takes a seeded slice; ``make campaign`` takes all.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tegata.apdu.errors import TegataError
from tegata.simulators.devices.faults import Direction, Fault, FaultKind, Faults
from tegata.simulators.devices.picc_activation import Modulation

from .pn532_board import VERIFIED, VERIFY, CountingCard, board, opened

LONGEST_SECONDS = 20.0
READ = bytes.fromhex("00B0000014")
CHAINED = bytes(300)
SLICE = 3
MODES = ["iso-dep", "data-exchange"]
LIMITS = "patience=3"


@dataclass
class Dialogue:
    """What was asked of the card, and how it ended."""

    asked: list[bytes] = field(default_factory=list)
    error: TegataError | None = None
    counted: dict[Direction, int] = field(default_factory=dict)


def talk(folder: Path, kind: Modulation, mode: str, fault: Fault | None = None) -> Dialogue:
    """Open, find the card, verify, read, chain, look, reset, close; every answer is compared."""
    faults, card, dialogue = Faults(), CountingCard(), Dialogue()
    if fault is not None:
        faults.add(fault)

    def ask(command: bytes, answer: bytes) -> None:
        dialogue.asked.append(command)
        assert link.transmit(command) == answer
        assert card.executed == dialogue.asked

    begin = time.monotonic()
    with board(folder, card, kind, faults) as it:
        try:
            with opened(f"{it.url}?{LIMITS}&mode={mode}") as reader:
                link = reader.wait_for_card(1)
                ask(VERIFIED, b"\x69\x82")
                ask(VERIFY, b"\x63\x90\x00")
                ask(READ, bytes(range(20)) + b"\x90\x00")
                if mode == "iso-dep":
                    ask(CHAINED, b"\x00\x01\x2c\x90\x00")
                assert link.present()
                ask(VERIFIED, b"\x90\x00")
                link.reset()
                ask(VERIFIED, b"\x69\x82")
                link.close()
        except TegataError as error:
            dialogue.error = error
        assert time.monotonic() - begin < LONGEST_SECONDS
        # The last one may or may not have reached the card; none reached it twice.
        assert dialogue.asked[: len(card.executed)] == card.executed
        assert len(dialogue.asked) - len(card.executed) in (0, 1)
        dialogue.counted = dict(faults.counted)
    return dialogue


def every_fault(counted: dict[Direction, int]) -> Iterator[Fault]:
    """All of them, for a dialogue of so many bytes each way."""
    for direction, count in counted.items():
        for byte in range(count):
            for kind in FaultKind:
                yield Fault(direction, byte, kind)


def judge(mode: str, fault: Fault, dialogue: Dialogue) -> None:
    """What a fault may cost. One spoiled byte costs our own protocol nothing but time."""
    if fault.kind is FaultKind.UNPLUG:
        return
    allowed = {None, "pn532.uncertain"} if mode == "data-exchange" else {None}
    code = dialogue.error.code if dialogue.error else None
    assert code in allowed, (fault, dialogue.error)


@pytest.mark.parametrize("kind", list(Modulation))
@pytest.mark.parametrize("mode", MODES)
def test_some_faults(tmp_path: Path, kind: Modulation, mode: str) -> None:
    clean = talk(tmp_path, kind, mode)
    assert clean.error is None
    dice = random.Random(f"{kind}{mode}")  # noqa: S311 - repeatable, not secret
    for fault in dice.sample(list(every_fault(clean.counted)), SLICE):
        judge(mode, fault, talk(tmp_path, kind, mode, fault))


@pytest.mark.campaign
@pytest.mark.timeout(6 * 3600)
@pytest.mark.parametrize("kind", list(Modulation))
@pytest.mark.parametrize("mode", MODES)
def test_every_fault(tmp_path: Path, kind: Modulation, mode: str) -> None:
    for fault in every_fault(talk(tmp_path, kind, mode).counted):
        judge(mode, fault, talk(tmp_path, kind, mode, fault))
