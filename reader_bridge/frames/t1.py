"""Blocks of the protocol T=1 (ISO/IEC 7816-3:2006 §11.3): prologue NAD PCB LEN, information field, epilogue.

The machines that exchange them stand in :mod:`.t1_ifd` (reader's side) and :mod:`.t1_icc` (card's side).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from functools import reduce
from operator import xor

__all__ = ["IFS_DEFAULT", "IFS_MOST", "Block", "BlockError", "Kind", "RError", "SType", "epilogue"]

IFS_DEFAULT = 32
IFS_MOST = 254
_PROLOGUE = 3
_CRC_START, _CRC_POLYNOMIAL = 0xFFFF, 0x8408
_R_RESERVED, _S_RESERVED, _I_RESERVED = 0x2C, 0x1C, 0x1F  # bits of PCB that are 0


class Kind(enum.Enum):
    """The three kinds of blocks."""

    INFORMATION = "I"
    READY = "R"
    SUPERVISORY = "S"


class RError(enum.IntEnum):
    """What an R-block says (§11.3.2.2)."""

    NONE = 0
    CHECK = 1
    OTHER = 2


class SType(enum.IntEnum):
    """What an S-block asks (§11.3.2.2)."""

    RESYNCH = 0
    IFS = 1
    ABORT = 2
    WTX = 3


class BlockError(ValueError):
    """Bytes that are no block. ``error`` is what an R-block tells the sender."""

    def __init__(self, sentence: str, error: RError) -> None:
        super().__init__(sentence)
        self.error = error


@dataclass(frozen=True, slots=True)
class Block:
    """One block. Made by :meth:`i`, :meth:`r` and :meth:`s`, read by :meth:`parse`."""

    pcb: int
    inf: bytes = field(default=b"", repr=False)
    nad: int = 0

    @classmethod
    def i(cls, ns: int, inf: bytes, *, more: bool = False, nad: int = 0) -> Block:
        """An I-block with N(S) and the bit that says that more follow."""
        return cls(ns << 6 | more << 5, inf, nad)

    @classmethod
    def r(cls, nr: int, error: RError = RError.NONE, *, nad: int = 0) -> Block:
        """An R-block with N(R), the N(S) of the block that is awaited."""
        return cls(0x80 | nr << 4 | error, b"", nad)

    @classmethod
    def s(cls, kind: SType, inf: bytes = b"", *, response: bool = False, nad: int = 0) -> Block:
        """An S-block, as request or response."""
        return cls(0xC0 | response << 5 | kind, inf, nad)

    @property
    def kind(self) -> Kind:
        if not self.pcb & 0x80:
            return Kind.INFORMATION
        return Kind.SUPERVISORY if self.pcb & 0x40 else Kind.READY

    @property
    def ns(self) -> int:
        """N(S) of an I-block."""
        return self.pcb >> 6 & 1

    @property
    def more(self) -> bool:
        """The M bit of an I-block."""
        return bool(self.pcb & 0x20)

    @property
    def nr(self) -> int:
        """N(R) of an R-block."""
        return self.pcb >> 4 & 1

    @property
    def error(self) -> RError:
        """What an R-block says."""
        return RError(self.pcb & 0x03)

    @property
    def s_type(self) -> SType:
        """What an S-block asks."""
        return SType(self.pcb & 0x03)

    @property
    def response(self) -> bool:
        """Whether an S-block is a response."""
        return bool(self.pcb & 0x20)

    def encode(self, *, crc: bool = False) -> bytes:
        """The bytes on the line, with LRC or CRC."""
        body = bytes((self.nad, self.pcb, len(self.inf))) + self.inf
        return body + epilogue(body, crc=crc)

    @classmethod
    def parse(cls, raw: bytes, *, crc: bool = False) -> Block:
        """Read one block. Raises BlockError."""
        tail = 2 if crc else 1
        if len(raw) < _PROLOGUE + tail or len(raw) != _PROLOGUE + raw[2] + tail or raw[2] > IFS_MOST:
            raise BlockError("the length of the block contradicts its LEN", RError.OTHER)
        body = raw[:-tail]
        if epilogue(body, crc=crc) != raw[-tail:]:
            raise BlockError("the check code of the block is wrong", RError.CHECK)
        block = cls(raw[1], raw[_PROLOGUE:-tail], raw[0])
        if not block._sound():
            raise BlockError("no block has this PCB and LEN", RError.OTHER)
        return block

    def _sound(self) -> bool:
        """Whether PCB and LEN fit each other (§11.3.2.2)."""
        if self.kind is Kind.INFORMATION:
            return not self.pcb & _I_RESERVED
        if self.kind is Kind.READY:
            return not self.pcb & _R_RESERVED and self.pcb & 0x03 != 3 and not self.inf
        if self.pcb & _S_RESERVED:
            return False
        if self.s_type in (SType.IFS, SType.WTX):
            return len(self.inf) == 1 and (self.s_type is SType.WTX or 1 <= self.inf[0] <= IFS_MOST)
        return not self.inf


def epilogue(body: bytes, *, crc: bool) -> bytes:
    """LRC, the XOR of all bytes; or the CRC of ISO/IEC 13239, high byte first (§11.3.4)."""
    if not crc:
        return bytes((reduce(xor, body, 0),))
    value = _CRC_START
    for byte in body:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (_CRC_POLYNOMIAL if value & 1 else 0)
    return value.to_bytes(2, "big")
