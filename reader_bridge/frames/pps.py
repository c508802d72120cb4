"""Protocol and parameters selection (ISO/IEC 7816-3:2006 §9)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor

__all__ = ["PPSS", "Pps"]

PPSS = 0xFF
_LONGEST = 6


@dataclass(frozen=True, slots=True)
class Pps:
    """A request or its answer; None for a parameter that is not there. ``pps1`` is Fi and Di like TA1."""

    protocol: int
    pps1: int | None = None
    pps2: int | None = None
    pps3: int | None = None

    def __bytes__(self) -> bytes:
        values = (self.pps1, self.pps2, self.pps3)
        pps0 = self.protocol | sum(0x10 << bit for bit, value in enumerate(values) if value is not None)
        body = bytes((PPSS, pps0, *(value for value in values if value is not None)))
        return body + bytes((reduce(xor, body),))

    @classmethod
    def parse(cls, raw: bytes) -> Pps:
        """Read one. Raises ValueError for another first byte, length or check byte, or a set bit 8."""
        if not 3 <= len(raw) <= _LONGEST or raw[0] != PPSS:
            raise ValueError("no PPS: it begins with FF and has 3 to 6 bytes")
        pps0 = raw[1]
        wanted = [bool(pps0 & 0x10 << bit) for bit in range(3)]
        if pps0 & 0x80 or len(raw) != 3 + sum(wanted):
            raise ValueError("the PPS contradicts its second byte")
        if reduce(xor, raw):
            raise ValueError("the check byte of the PPS is wrong")
        values = iter(raw[2:])
        pps1, pps2, pps3 = (next(values) if there else None for there in wanted)
        return cls(pps0 & 0x0F, pps1, pps2, pps3)
