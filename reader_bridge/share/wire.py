"""The device's end of a serial line, the shape of a program that lives on it, and of what spoils the line."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Direction", "Firmware", "Piece", "Spoiler", "Unplugged", "Wire"]


class Unplugged(Exception):
    """The line is gone: the cable was pulled, or the simulator is being stopped."""


class Wire(Protocol):
    """Bytes from and to the host. Both methods raise Unplugged when the line is gone."""

    def read(self, timeout: float | None = None) -> bytes:
        """What has arrived, as soon as at least one byte has; nothing when ``timeout`` seconds pass without
        one. None waits for ever."""
        ...

    def write(self, data: bytes) -> None: ...


class Firmware(Protocol):
    """A device's program. ``run`` is called in a thread of its own each time the line is plugged in, and
    ends by Unplugged; what outlives that (flash, settings, cards) lives in the object."""

    def run(self, wire: Wire) -> None: ...


class Direction(enum.Enum):
    """Which way a byte goes."""

    TO_DEVICE = "to-device"
    TO_HOST = "to-host"


@dataclass(frozen=True, slots=True)
class Piece:
    """What really goes over the line: bytes, after ``delay`` seconds; ``unplug`` when the cable goes then."""

    data: bytes = field(repr=False)
    delay: float = 0.0
    unplug: bool = False


class Spoiler(Protocol):
    """What becomes of bytes on their way. Called from the thread of the firmware."""

    def spoil(self, direction: Direction, data: bytes) -> list[Piece]: ...
