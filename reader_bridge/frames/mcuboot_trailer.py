"""The trailer at the end of an MCUboot slot, and what the trailers of both slots ask the bootloader to do.

From the end of the slot backwards: magic (16 bytes), image_ok, copy_done, swap_info, swap size (each at the
beginning of 8 bytes), then the swap status: three records for each sector a slot may have, each of one write
unit. (MCUboot, "Boot Loader", Image Trailer and IMAGE TRAILERS.)
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = [
    "FLAG_SET",
    "MAX_ALIGN",
    "TRAILER_MAGIC",
    "Flag",
    "Magic",
    "SwapState",
    "SwapType",
    "TrailerLayout",
    "swap_type",
]

TRAILER_MAGIC = bytes.fromhex("77C295F360D2EF7F3552500F2CB67980")
MAX_ALIGN = 8
"""Bytes that each field before the magic takes."""
FLAG_SET = 1
_ERASED = 0xFF


class Magic(enum.Enum):
    """What stands where the magic should."""

    GOOD = "good"
    BAD = "bad"
    UNSET = "unset"

    @classmethod
    def of(cls, raw: bytes) -> Magic:
        if raw == TRAILER_MAGIC:
            return cls.GOOD
        return cls.UNSET if all(byte == _ERASED for byte in raw) else cls.BAD


class Flag(enum.Enum):
    """What stands where a flag should: copy_done, image_ok."""

    SET = "set"
    BAD = "bad"
    UNSET = "unset"

    @classmethod
    def of(cls, byte: int) -> Flag:
        return {FLAG_SET: cls.SET, _ERASED: cls.UNSET}.get(byte, cls.BAD)


class SwapType(enum.IntEnum):
    """What the bootloader does before it boots (BOOT_SWAP_TYPE_*)."""

    NONE = 1
    TEST = 2
    PERMANENT = 3
    REVERT = 4
    FAIL = 5


@dataclass(frozen=True, slots=True)
class TrailerLayout:
    """Where the fields stand in a slot of ``slot_size`` bytes, for up to ``max_sectors`` sectors."""

    slot_size: int
    write_size: int
    max_sectors: int

    @property
    def magic(self) -> int:
        return self.slot_size - len(TRAILER_MAGIC)

    @property
    def image_ok(self) -> int:
        return self.magic - MAX_ALIGN

    @property
    def copy_done(self) -> int:
        return self.image_ok - MAX_ALIGN

    @property
    def swap_info(self) -> int:
        return self.copy_done - MAX_ALIGN

    @property
    def swap_size(self) -> int:
        return self.swap_info - MAX_ALIGN

    @property
    def status(self) -> int:
        """Where the swap status begins, which is where the trailer begins."""
        return self.swap_size - self.status_records * self.write_size

    @property
    def status_records(self) -> int:
        return self.max_sectors * 3

    @property
    def size(self) -> int:
        """Bytes of the whole trailer."""
        return self.slot_size - self.status

    def read(self, slot: bytes) -> SwapState:
        """What the trailer of a whole slot says. Raises ValueError for a slot of another size."""
        if len(slot) != self.slot_size:
            raise ValueError(f"a slot has {self.slot_size} bytes, got {len(slot)}")
        kind = slot[self.swap_info] & 0x0F
        known = SwapType.NONE <= kind <= SwapType.REVERT
        return SwapState(
            magic=Magic.of(slot[self.magic :]),
            swap_type=SwapType(kind) if known else SwapType.NONE,
            copy_done=Flag.of(slot[self.copy_done]),
            image_ok=Flag.of(slot[self.image_ok]),
        )


@dataclass(frozen=True, slots=True)
class SwapState:
    """One slot's marks."""

    magic: Magic = Magic.UNSET
    swap_type: SwapType = SwapType.NONE
    copy_done: Flag = Flag.UNSET
    image_ok: Flag = Flag.UNSET


def swap_type(primary: SwapState, secondary: SwapState) -> SwapType:
    """What both trailers ask for, by the table of "IMAGE TRAILERS", its first matching row.

    The third row asks for a magic in the secondary slot that is Unset. Here one that is Bad does as well: it
    is what a write of the magic leaves that lost its power half way, and otherwise an image that nobody
    confirmed would stay for good.
    """
    if secondary.magic is Magic.GOOD and secondary.image_ok is Flag.UNSET:
        return SwapType.TEST
    if secondary.magic is Magic.GOOD and secondary.image_ok is Flag.SET:
        return SwapType.PERMANENT
    reverts = primary.image_ok is Flag.UNSET and primary.copy_done is Flag.SET
    if primary.magic is Magic.GOOD and secondary.magic is not Magic.GOOD and reverts:
        return SwapType.REVERT
    return SwapType.NONE
