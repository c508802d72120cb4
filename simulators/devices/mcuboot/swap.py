"""The swap of two slots, sector by sector, without scratch ("swap using move"), resumable at each step.

First every sector of the primary slot moves one up, from the last to the first. Then, from the first on,
the secondary's sector goes to the primary slot, and the moved one from above to the secondary. After each
of these steps one record is written into the swap status of the primary slot's trailer: entry *n* for the
move of the *n*-th sector, from the end; after ``max_sectors`` entries two for each sector that is swapped.
(MCUboot, "Boot Loader", Swap without using scratch; docs/design.md and the rules of bootutil's swap_move.)
"""

from __future__ import annotations

from ....reader_bridge.frames.mcuboot_trailer import FLAG_SET, TRAILER_MAGIC, Flag, Magic, SwapState, SwapType
from .flash import ERASED, Area, Flash

__all__ = ["Swap", "Trailer"]

_COPY = 1024


class Trailer:
    """Writes the trailer of one slot."""

    def __init__(self, flash: Flash, area: Area) -> None:
        self._flash = flash
        self._area = area
        self.layout = flash.geometry.trailer

    def erase(self) -> None:
        """Its sectors, the last one first: the magic goes before what it vouches for."""
        geometry = self._flash.geometry
        for offset in range(geometry.slot_size, geometry.trailer_start, -geometry.sector_size):
            self._flash.erase(self._area, offset - geometry.sector_size)

    def write_magic(self) -> None:
        self._flash.write(self._area, self.layout.magic, TRAILER_MAGIC)

    def write_image_ok(self) -> None:
        self._write(self.layout.image_ok, bytes([FLAG_SET]))

    def write_copy_done(self) -> None:
        self._write(self.layout.copy_done, bytes([FLAG_SET]))

    def write_swap_info(self, kind: SwapType) -> None:
        self._write(self.layout.swap_info, bytes([kind]))

    def write_swap_size(self, size: int) -> None:
        self._write(self.layout.swap_size, size.to_bytes(4, "little"))

    def write_status(self, entry: int, state: int) -> None:
        self._write(self.layout.status + entry * self.layout.write_size, bytes([state]))

    def swap_size(self) -> int:
        return int.from_bytes(self._flash.read(self._area, self.layout.swap_size, 4), "little")

    def progress(self) -> int:
        """How many entries of the swap status are behind us: the last one that is written, plus one."""
        unit = self.layout.write_size
        status = self._flash.read(self._area, self.layout.status, self.layout.status_records * unit)
        written = [entry for entry in range(self.layout.status_records) if status[entry * unit] != ERASED]
        return written[-1] + 1 if written else 0

    def _write(self, offset: int, value: bytes) -> None:
        """A field, filled up to whole units."""
        fill = bytes([ERASED]) * (-len(value) % self.layout.write_size)
        self._flash.write(self._area, offset, value + fill)


class Swap:
    """One swap of ``size`` bytes, begun anew or resumed where the status says."""

    def __init__(self, flash: Flash, kind: SwapType, size: int) -> None:
        self._flash = flash
        self._kind = kind
        self._size = size
        self._geometry = flash.geometry
        self._primary = Trailer(flash, flash.geometry.primary)
        self._secondary = Trailer(flash, flash.geometry.secondary)
        self._sectors = -(-size // flash.geometry.sector_size)
        if not 0 < size <= flash.geometry.largest_image:
            raise ValueError(f"{size} bytes cannot be swapped in these slots")

    def begin(self) -> None:
        """Make the trailers say that a swap is under way, then do it. Raises PowerLost, as all here."""
        if self._kind is SwapType.REVERT:
            self._make_revert_look_permanent()
        secondary = self._state(self._geometry.secondary)
        self._primary.erase()
        self._primary.write_swap_info(self._kind)
        if secondary.image_ok is Flag.SET:
            self._primary.write_image_ok()
        self._primary.write_swap_size(self._size)
        self._primary.write_magic()
        self.resume()

    def resume(self) -> None:
        """Go on from the last status entry, to the end."""
        done = self._primary.progress()
        if done == 0:
            self._secondary.erase()
        for entry in range(done, self._sectors):
            self._move_up(self._sectors - entry)
            self._primary.write_status(entry, 1)
        first = self._geometry.max_sectors
        for entry in range(max(done - first, 0), 2 * self._sectors):
            self._exchange(entry // 2, back=bool(entry % 2))
            self._primary.write_status(first + entry, 1 + entry % 2)
        self._finish()

    def _make_revert_look_permanent(self) -> None:
        """A revert begins with an erased secondary trailer. What says that the old image shall come back is
        written there first, so that it is not lost while the primary's trailer is made anew."""
        if self._state(self._geometry.secondary).magic is Magic.GOOD:
            return
        self._secondary.erase()
        self._secondary.write_image_ok()
        self._secondary.write_swap_info(SwapType.REVERT)
        self._secondary.write_swap_size(self._size)
        self._secondary.write_magic()

    def _move_up(self, index: int) -> None:
        """The primary's sector ``index`` - 1 to ``index``."""
        primary = self._geometry.primary
        self._copy(primary, index - 1, primary, index)

    def _exchange(self, index: int, *, back: bool) -> None:
        """The secondary's sector to the primary, or ``back``: the moved one to the secondary."""
        primary, secondary = self._geometry.primary, self._geometry.secondary
        if back:
            self._copy(primary, index + 1, secondary, index)
        else:
            self._copy(secondary, index, primary, index)

    def _copy(self, source: Area, origin: int, target: Area, index: int) -> None:
        size = self._geometry.sector_size
        self._flash.erase(target, index * size)
        for offset in range(0, size, _COPY):
            piece = self._flash.read(source, origin * size + offset, min(_COPY, size - offset))
            self._flash.write(target, index * size + offset, piece)

    def _finish(self) -> None:
        if self._kind is SwapType.REVERT and self._state(self._geometry.primary).image_ok is not Flag.SET:
            self._primary.write_image_ok()
        self._primary.write_copy_done()

    def _state(self, area: Area) -> SwapState:
        return self._geometry.trailer.read(self._flash.read(area))
