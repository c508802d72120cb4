"""Faults of a serial line, on command: lost, doubled, corrupted and delayed bytes, and a pulled cable.

Each :class:`Fault` strikes once, at a byte counted from 0 over the life of the line in one direction, so
that a sweep over every byte of a dialogue is a loop over numbers.
"""

from __future__ import annotations

import enum
import random
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...reader_bridge.share.wire import Direction, Piece

__all__ = ["Direction", "Fault", "FaultKind", "Faults", "Piece", "parse_fault", "random_faults"]

CORRUPTION = 0x55
"""What a corrupted byte is XORed with, unless the fault says otherwise."""
DELAY = 0.2


class FaultKind(enum.Enum):
    """What happens to the byte."""

    LOSE = "lose"
    DOUBLE = "double"
    CORRUPT = "corrupt"
    DELAY = "delay"
    UNPLUG = "unplug"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: ``value`` is the XOR mask of a corrupted byte, the seconds of a delay."""

    direction: Direction
    byte: int
    kind: FaultKind
    value: float = 0.0


class Faults:
    """The faults that still wait on one line, and how many bytes went each way. Safe for several threads."""

    def __init__(self, waiting: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._waiting = list(waiting)
        self.counted = dict.fromkeys(Direction, 0)
        self.struck: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """One more fault; its byte is counted from the line's beginning."""
        with self._lock:
            self._waiting.append(fault)

    def soon(self, direction: Direction, kind: FaultKind, *, after: int = 0, value: float = 0.0) -> None:
        """A fault at the byte that comes ``after`` bytes from now."""
        self.add(Fault(direction, self.counted[direction] + after, kind, value))

    def spoil(self, direction: Direction, data: bytes) -> list[Piece]:
        """What becomes of ``data``."""
        with self._lock:
            start = self.counted[direction]
            self.counted[direction] += len(data)
            hit = {
                fault.byte - start: fault
                for fault in self._waiting
                if fault.direction is direction and start <= fault.byte < start + len(data)
            }
            self._waiting = [fault for fault in self._waiting if fault not in hit.values()]
            self.struck += hit.values()
        return list(_pieces(data, hit))


def _pieces(data: bytes, hit: dict[int, Fault]) -> Iterator[Piece]:
    done, pending = bytearray(), 0.0
    for index, byte in enumerate(data):
        fault = hit.get(index)
        if fault is None:
            done.append(byte)
        elif fault.kind is FaultKind.DOUBLE:
            done += bytes([byte, byte])
        elif fault.kind is FaultKind.CORRUPT:
            done.append(byte ^ (int(fault.value) or CORRUPTION))
        elif fault.kind is FaultKind.DELAY:
            if done:
                yield Piece(bytes(done), pending)
            done, pending = bytearray([byte]), fault.value or DELAY
        elif fault.kind is FaultKind.UNPLUG:
            yield Piece(bytes(done), pending, unplug=True)
            return
    if done:
        yield Piece(bytes(done), pending)


def random_faults(seed: int, count: int, within: int, kinds: Iterable[FaultKind]) -> Faults:
    """``count`` faults of ``kinds`` among the first ``within`` bytes each way, the same for the same seed."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    choices = list(kinds)
    return Faults(
        Fault(dice.choice(list(Direction)), dice.randrange(within), dice.choice(choices))
        for _ in range(count)
    )


def parse_fault(text: str) -> Fault:
    """``KIND:DIRECTION:BYTE[:VALUE]``, for example ``corrupt:to-host:17:0x80`` or ``delay:to-device:3:0.5``.

    Raises ValueError for anything else.
    """
    kind, direction, byte, *value = text.split(":")
    if len(value) > 1:
        raise ValueError(text)
    number = 0.0 if not value else float(int(value[0], 16)) if value[0].startswith("0x") else float(value[0])
    return Fault(Direction(direction), int(byte), FaultKind(kind), number)
