"""What changed among PC/SC readers, from one look at them to the next. Pure: no service is asked here.

The high word of a reader's state counts its insertions and removals (``winscard.h``, pcsclite and Windows):
two looks that both see a card still tell that it was taken away and put back in between.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["PRESENT", "Change", "Kind", "Places"]

CHANGED = 0x0002
PRESENT = 0x0020
UNAVAILABLE = 0x0008
UNKNOWN = 0x0004
COUNTER = 16


class Kind(enum.Enum):
    """What a :class:`Change` says. After ``MISSED`` everything that is there is told again as having come."""

    SERVICE_CAME = "service-came"
    SERVICE_WENT = "service-went"
    READER_CAME = "reader-came"
    READER_WENT = "reader-went"
    CARD_CAME = "card-came"
    CARD_WENT = "card-went"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened. ``reader`` is empty for the service, ``atr`` for all but a card that came."""

    kind: Kind
    reader: str = ""
    atr: bytes = b""

    def to_json(self) -> dict[str, str]:
        """Plain values; the ATR in hex, left out where there is none."""
        found = {"event": self.kind.value}
        if self.reader:
            found["reader"] = self.reader
        if self.atr:
            found["atr"] = self.atr.hex()
        return found


@dataclass(frozen=True, slots=True)
class _Seen:
    state: int = 0
    atr: bytes | None = None


class Places:
    """The readers and cards of the last look. Each method that looks again returns the changes in order:
    what went stands before what came, and a reader's card between its reader's coming and going."""

    def __init__(self) -> None:
        self._service: bool | None = None
        self._readers: dict[str, _Seen] = {}

    @property
    def states(self) -> Mapping[str, int]:
        """Each reader's state as it was seen last, to wait for another one."""
        return {name: seen.state for name, seen in self._readers.items()}

    def service(self, there: bool) -> list[Change]:
        """The service answers, or does not. With it all its readers go."""
        if there is self._service:
            return []
        self._service = there
        if there:
            return [Change(Kind.SERVICE_CAME)]
        return [*self.readers(()), Change(Kind.SERVICE_WENT)]

    def readers(self, names: Iterable[str]) -> list[Change]:
        """These readers are there and no others; their cards are looked at by :meth:`look`."""
        now = dict.fromkeys(names)
        changes: list[Change] = []
        for name in [name for name in self._readers if name not in now]:
            changes += self._put(name, None)
            del self._readers[name]
            changes.append(Change(Kind.READER_WENT, name))
        for name in now:
            if name not in self._readers:
                self._readers[name] = _Seen()
                changes.append(Change(Kind.READER_CAME, name))
        return changes

    def look(self, name: str, state: int, atr: bytes) -> list[Change]:
        """The reader's state and ATR now."""
        before = self._readers.get(name)
        if before is None:
            return []
        card = atr if state & PRESENT and not state & (UNAVAILABLE | UNKNOWN) else None
        moved = ((state >> COUNTER) - (before.state >> COUNTER)) & 0xFFFF if before.state else 0
        changes: list[Change] = []
        if card is not None and before.atr is not None and moved > 1:
            changes += self._put(name, None)
        changes += self._put(name, card)
        self._readers[name] = _Seen(state & ~CHANGED, card)
        return changes

    def all(self) -> list[Change]:
        """Everything that is there, as if it had just come."""
        changes = [Change(Kind.SERVICE_CAME)] if self._service else [Change(Kind.SERVICE_WENT)]
        for name, seen in self._readers.items():
            changes.append(Change(Kind.READER_CAME, name))
            if seen.atr is not None:
                changes.append(Change(Kind.CARD_CAME, name, seen.atr))
        return changes

    def _put(self, name: str, card: bytes | None) -> list[Change]:
        before = self._readers[name]
        if before.atr == card:
            return []
        self._readers[name] = _Seen(before.state, card)
        went = [Change(Kind.CARD_WENT, name)] if before.atr is not None else []
        return went + ([Change(Kind.CARD_CAME, name, card)] if card is not None else [])
