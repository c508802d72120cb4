"""What a PIN looks like, where it lies on a card, and how often it may be wrong.

``PinRule`` is checked before the card is asked to compare; ``PinReference`` says where VERIFY finds it.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

__all__ = ["PinChange", "PinReference", "PinRule"]


@dataclass(frozen=True, slots=True)
class PinRule:
    """How a PIN looks and how often it may be wrong. ``name`` fills ``{pin}`` of the error sentences."""

    name: str
    pattern: str
    rule: str
    tries: int
    shortest: int
    longest: int

    def allows(self, value: bytes) -> bool:
        return re.fullmatch(self.pattern.encode("ascii"), value) is not None


class PinChange(enum.Enum):
    """The command that gives a PIN a new value after VERIFY of the old one: CLA, INS, P1."""

    CHANGE_REFERENCE_DATA = (0x00, 0x24, 0x01)
    PROPRIETARY = (0x80, 0x32, 0x00)


@dataclass(frozen=True, slots=True)
class PinReference:
    """One PIN of one application. ``key`` is its short name; ``change`` None means that only the issuer's
    system gives it a new value."""

    key: str
    application: bytes
    file: int
    rule: PinRule
    change: PinChange | None = None

    @property
    def by_short_id(self) -> int:
        """P2 that names the file by its short id (ISO/IEC 7816-4:2020 §7.2.1)."""
        return 0x80 | self.file & 0x1F
