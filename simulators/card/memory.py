"""How much of the card's memory is free (GPC 2.3.1 §9.7, table 11-49; ETSI TS 102 226 §8.2.1.7 for ``FF21``).

Nothing is kept beside the memory itself: what is used is counted, so that no tear can leave a wrong sum. An
application that reserved more than it uses counts with what it reserved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from .registry import entries

__all__ = ["CODE", "Free", "free_memory", "memory_record"]

CODE = "code/"
SIZES = "card/memory"
"""Where a card says how much it has: two numbers of four bytes, non-volatile and volatile."""


@dataclass(frozen=True, slots=True)
class Free:
    """Free bytes, non-volatile and volatile; negative when too much was written."""

    nv: int
    ram: int


def memory_record(nv: int, ram: int) -> dict[str, bytes]:
    """The memory of a card that has so many bytes for applications."""
    return {SIZES: nv.to_bytes(4, "big") + ram.to_bytes(4, "big")}


def free_memory(memory: Mapping[str, bytes]) -> Free | None:
    """What is left, or None when the card does not count."""
    sizes = memory.get(SIZES)
    if sizes is None:
        return None
    used: Counter[str] = Counter()
    for key, value in memory.items():
        kind, _, rest = key.partition("/")
        if kind in ("app", "code", "registry"):
            used[rest.partition("/")[0]] += len(value)
    nv, ram = int.from_bytes(sizes[:4], "big"), int.from_bytes(sizes[4:], "big")
    for entry in entries(memory):
        volatile, lasting = entry.reserved
        nv -= max(lasting - used[entry.aid.hex()], 0)
        ram -= volatile
    return Free(nv - sum(used.values()), ram)
