"""Answer to Reset (ISO/IEC 7816-3:2006 §8). ``Atr.parse`` and ``bytes(atr)`` are exact inverses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor

__all__ = ["Atr", "InterfaceBytes"]

DIRECT, INVERSE = 0x3B, 0x3F
LONGEST = 33
GLOBAL = 15


@dataclass(frozen=True, slots=True)
class InterfaceBytes:
    """One group TAi TBi TCi TDi. ``protocol`` is the T of TDi, None when there is no TDi."""

    ta: int | None = None
    tb: int | None = None
    tc: int | None = None
    protocol: int | None = None

    @property
    def present(self) -> tuple[int, ...]:
        """The values of TA, TB and TC that are there, in order."""
        return tuple(value for value in (self.ta, self.tb, self.tc) if value is not None)

    @property
    def y(self) -> int:
        """The high nibble of the byte before: which of the four follow."""
        values = (self.ta, self.tb, self.tc, self.protocol)
        return sum(1 << bit for bit, value in enumerate(values) if value is not None)


@dataclass(frozen=True, slots=True)
class Atr:
    """An ATR by its parts. The last group has no TD; a group follows each one that has."""

    groups: tuple[InterfaceBytes, ...] = (InterfaceBytes(),)
    historical: bytes = b""
    inverse: bool = False

    def __post_init__(self) -> None:
        if len(self.historical) > 15:
            raise ValueError(f"an ATR has at most 15 historical bytes, got {len(self.historical)}")
        if not self.groups or [group.protocol is None for group in self.groups].index(True) + 1 != len(
            self.groups
        ):
            raise ValueError("a group of interface bytes follows each TD and nothing else")
        if len(bytes(self)) > LONGEST:
            raise ValueError(f"an ATR has at most {LONGEST} bytes")

    @property
    def protocols(self) -> tuple[int, ...]:
        """The transmission protocols on offer, first one first (T=0 when the ATR names none)."""
        named = [group.protocol for group in self.groups if group.protocol not in (None, GLOBAL)]
        return tuple(dict.fromkeys(value for value in named if value is not None)) or (0,)

    @property
    def has_tck(self) -> bool:
        """Whether the check byte is there: whenever a T other than 0 is named (§8.2.5)."""
        return any(group.protocol not in (None, 0) for group in self.groups)

    def __bytes__(self) -> bytes:
        first, *rest = self.groups
        body = bytes((first.y << 4 | len(self.historical), *first.present))
        for before, group in zip(self.groups, rest, strict=False):
            body += bytes((group.y << 4 | (before.protocol or 0), *group.present))
        body += self.historical
        check = bytes((reduce(xor, body),)) if self.has_tck else b""
        return bytes((INVERSE if self.inverse else DIRECT,)) + body + check

    @classmethod
    def parse(cls, raw: bytes) -> Atr:
        """Read an ATR. Raises ValueError for a wrong TS, length or check byte."""
        if not 2 <= len(raw) <= LONGEST:
            raise ValueError(f"an ATR has 2 to {LONGEST} bytes, got {len(raw)}")
        if raw[0] not in (DIRECT, INVERSE):
            raise ValueError(f"an ATR begins with 3B or 3F, got {raw[0]:02X}")
        groups, offset = _groups(raw)
        count = raw[1] & 0x0F
        atr = cls(tuple(groups), raw[offset : offset + count], raw[0] == INVERSE)
        if len(raw) != offset + count + atr.has_tck:
            raise ValueError(f"the ATR announces {offset + count + atr.has_tck} bytes, got {len(raw)}")
        if atr.has_tck and reduce(xor, raw[1:]) != 0:
            raise ValueError("the check byte TCK of the ATR is wrong")
        return atr


def _groups(raw: bytes) -> tuple[list[InterfaceBytes], int]:
    groups, offset = [], 2
    y: int | None = raw[1] >> 4
    while y is not None:
        wanted = [bool(y & 1 << bit) for bit in range(4)]
        end = offset + sum(wanted)
        if end > len(raw):
            raise ValueError("the ATR is cut off in its interface bytes")
        values = iter(raw[offset:end])
        ta, tb, tc, td = (next(values) if there else None for there in wanted)
        groups.append(InterfaceBytes(ta, tb, tc, None if td is None else td & 0x0F))
        offset, y = end, None if td is None else td >> 4
    return groups, offset
