"""NOR flash: erased by sectors to FF, written in units, writes clear bits only, and power can go at any step.

Each erase of a sector and each write is one numbered step. A unit is programmed whole or not at all, which
is what MCUboot relies on; an erase, and a write of several units, can be torn in the middle.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ....reader_bridge.frames.mcuboot_trailer import TrailerLayout

__all__ = ["ERASED", "Area", "Cut", "Flash", "Geometry", "Phase", "PowerLost", "parse_cut"]

ERASED = 0xFF
_STORE_SECTORS = 2


class PowerLost(Exception):
    """The power went. Whatever is not in the flash is gone."""


class Phase(enum.Enum):
    """When at its step the power goes: ``INSIDE`` leaves the first half of it done, ``LATE`` the second."""

    BEFORE = "before"
    INSIDE = "inside"
    LATE = "late"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Cut:
    """A loss of power at a step, counted from 1 since the flash was opened."""

    step: int
    phase: Phase = Phase.INSIDE


def parse_cut(text: str) -> Cut:
    """``STEP.PHASE``, for example ``17.inside``. Raises ValueError for anything else."""
    step, _, phase = text.partition(".")
    if not (step.isascii() and step.isdecimal() and 0 < len(step) < 10) or int(step) == 0:
        raise ValueError(text)
    return Cut(int(step), Phase(phase or "inside"))


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the flash, in whole sectors."""

    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a flash is divided: two slots of equal size, then two sectors each for the settings and for what
    only the bootloader writes. ``max_sectors`` is what the trailers are made for."""

    sector_size: int = 4096
    slot_sectors: int = 64
    write_size: int = 8
    max_sectors: int = 128

    @property
    def slot_size(self) -> int:
        return self.sector_size * self.slot_sectors

    @property
    def trailer(self) -> TrailerLayout:
        return TrailerLayout(self.slot_size, self.write_size, self.max_sectors)

    @property
    def trailer_start(self) -> int:
        """The first sector, by its offset, that holds a part of the trailer."""
        return self.trailer.status // self.sector_size * self.sector_size

    @property
    def largest_image(self) -> int:
        """Bytes: what stands before the trailer's sectors, less the one that a swap moves through."""
        return self.trailer_start - self.sector_size

    @property
    def primary(self) -> Area:
        return Area(0, self.slot_size)

    @property
    def secondary(self) -> Area:
        return Area(self.slot_size, self.slot_size)

    @property
    def settings(self) -> Area:
        return Area(2 * self.slot_size, _STORE_SECTORS * self.sector_size)

    @property
    def protected(self) -> Area:
        return Area(self.settings.start + self.settings.size, _STORE_SECTORS * self.sector_size)

    @property
    def size(self) -> int:
        return self.protected.start + self.protected.size

    def check(self) -> None:
        """Raises ValueError for a division that cannot work."""
        if self.write_size != 8 or self.sector_size % 8 or not 256 <= self.sector_size <= 1 << 18:
            raise ValueError("the flash has units of 8 bytes and sectors of 256 bytes to 256 KiB")
        if not 3 <= self.slot_sectors <= self.max_sectors <= 4096 or self.largest_image < self.sector_size:
            raise ValueError("a slot has too few sectors, or more than its trailer is made for")


class Flash:
    """The memory, blank unless ``content`` is given. ``steps`` counts the erases and writes so far."""

    def __init__(self, geometry: Geometry, content: bytes | None = None) -> None:
        self.geometry = geometry
        self._bytes = bytearray(content if content is not None else bytes([ERASED]) * geometry.size)
        if len(self._bytes) != geometry.size:
            raise ValueError(f"this flash has {geometry.size} bytes, got {len(self._bytes)}")
        self.steps = 0
        self._cuts: list[Cut] = []

    def cut_at(self, *cuts: Cut) -> None:
        """Lose power at these steps, once each."""
        self._cuts += cuts

    def content(self) -> bytes:
        """All bytes."""
        return bytes(self._bytes)

    def read(self, area: Area, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of an area, to its end without ``length``."""
        end = area.size if length is None else offset + length
        _check_inside(area, offset, end)
        return bytes(self._bytes[area.start + offset : area.start + end])

    def erase(self, area: Area, offset: int) -> None:
        """One sector. Raises PowerLost."""
        size = self.geometry.sector_size
        _check_inside(area, offset, offset + size)
        if offset % size:
            raise ValueError(f"no sector begins at {offset}")
        self._step(area.start + offset, bytes([ERASED]) * size)

    def write(self, area: Area, offset: int, data: bytes) -> None:
        """Whole units. Raises PowerLost, and ValueError for what no flash can do."""
        _check_inside(area, offset, offset + len(data))
        if offset % self.geometry.write_size or len(data) % self.geometry.write_size or not data:
            raise ValueError(f"{len(data)} bytes at {offset} are not whole units")
        place = area.start + offset
        if any(new & ~old for old, new in zip(self._bytes[place : place + len(data)], data, strict=True)):
            raise ValueError(f"a write at {offset} would set bits that are cleared")
        self._step(place, data)

    def close(self) -> None:
        """Nothing to release."""

    def _step(self, place: int, new: bytes) -> None:
        self.steps += 1
        cut = next((cut for cut in self._cuts if cut.step == self.steps), None)
        unit = self.geometry.write_size
        half = len(new) // unit // 2 * unit
        if cut is None:
            self._put(place, new)
            return
        self._cuts.remove(cut)
        if cut.phase is Phase.AFTER:
            self._put(place, new)
        elif cut.phase is Phase.INSIDE and half:
            self._put(place, new[:half])
        elif cut.phase is Phase.LATE and half:
            self._put(place + half, new[half:])
        raise PowerLost

    def _put(self, place: int, data: bytes) -> None:
        self._bytes[place : place + len(data)] = data


def _check_inside(area: Area, start: int, end: int) -> None:
    if not 0 <= start <= end <= area.size:
        raise ValueError(f"bytes {start} to {end} are outside of an area of {area.size}")
