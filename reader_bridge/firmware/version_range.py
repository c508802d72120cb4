"""Ranges of firmware versions: ``>=1.2.0, <2``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from ..frames.mcuboot import Version

__all__ = ["VersionRange"]

_CONDITION = re.compile(r"(>=|<=|==|!=|>|<)\s*(\S+)")
_HOLDS: dict[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Conditions that all must hold. None holds always."""

    text: str
    conditions: tuple[tuple[str, Version], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for what is no range."""
        conditions = []
        for part in filter(None, (part.strip() for part in text.split(","))):
            match = _CONDITION.fullmatch(part)
            if match is None:
                raise ValueError(f"{part!r} is no condition like >=1.2.0")
            conditions.append((match[1], Version.parse(match[2])))
        return cls(text, tuple(conditions))

    def __contains__(self, version: Version) -> bool:
        return all(_HOLDS[sign](version, limit) for sign, limit in self.conditions)

    def __str__(self) -> str:
        return self.text
