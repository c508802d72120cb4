"""What stands written down about a card while somebody changes it: the port to a ledger (design §5).

An irreversible step is recorded before its first APDU, so that a card torn away in the middle is understood
by the next run: which keys it may hold, which step was under way. References of keys are kept, never keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ....apdu.errors import Words
from ....apdu.ports import KeyRef, KeySet

__all__ = ["OFF_THE_RECORD", "Custody", "Intent", "OffTheRecord", "Pending"]


@dataclass(frozen=True, slots=True)
class Intent:
    """A step about to be done. ``data`` holds AIDs, versions and states.

    ``keys`` are what the card may hold from now on, in ``holder`` when that is another domain. ``held`` is
    the set that opened the channel: the card is known by it until the step is settled. ``outcome`` says what
    becomes of key versions when the step is done: ``live``, ``previous`` or ``gone``.
    """

    step: str
    data: Mapping[str, Any]
    keys: Sequence[KeyRef] = ()
    holder: bytes = b""
    held: KeySet | None = None
    outcome: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pending:
    """A step that was begun and not settled; ``outcome`` as the :class:`Intent` said it."""

    number: int
    step: str
    data: Mapping[str, Any]
    outcome: Mapping[int, str]


class Custody(Protocol):
    """Who keeps the record of cards. ``identity`` is a card's CPLC identity or CIN, ``domain`` an AID."""

    def out_of_use(self, identity: bytes) -> tuple[Words, str] | None:
        """State and reason of a card that must not be touched (in quarantine, lost, …), else None."""
        ...

    def candidates(self, identity: bytes, domain: bytes) -> list[KeySet]:
        """Key sets that the card may hold: the intended one first, then the live, then the previous."""
        ...

    def pending(self, identity: bytes, domain: bytes) -> list[Pending]:
        """Steps of this domain that were begun and not settled, oldest first."""
        ...

    def record(self, identity: bytes, domain: bytes, intent: Intent, *, again: Sequence[int] = ()) -> int:
        """Durable when this returns; the number is for :meth:`settle`. ``again`` are the open intents of torn
        attempts at the same step, which this one takes the place of, in one go: no kill finds neither."""
        ...

    def settle(
        self, identity: bytes, domain: bytes, number: int, *, done: bool, outcome: Mapping[int, str]
    ) -> None:
        """The card has shown whether the step was done; its intended keys are gone when it was not."""
        ...

    def found(self, identity: bytes, domain: bytes, keys: KeySet) -> None:
        """The card has shown that it holds ``keys``; others of that version, once proved, are gone."""
        ...

    def quarantine(self, identity: bytes, why: str) -> bool:
        """Set the card aside until a supervisor readmits it; False for a card that is not known here."""
        ...

    def close(self) -> None:
        """Nothing more will be asked."""
        ...


class OffTheRecord:
    """No ledger: for simulated cards, and cards that hold well-known keys and can be opened anyway."""

    def out_of_use(self, identity: bytes) -> tuple[Words, str] | None:
        return None

    def candidates(self, identity: bytes, domain: bytes) -> list[KeySet]:
        return []

    def pending(self, identity: bytes, domain: bytes) -> list[Pending]:
        return []

    def record(self, identity: bytes, domain: bytes, intent: Intent, *, again: Sequence[int] = ()) -> int:
        return 0

    def settle(
        self, identity: bytes, domain: bytes, number: int, *, done: bool, outcome: Mapping[int, str]
    ) -> None:
        """Nothing was recorded."""

    def found(self, identity: bytes, domain: bytes, keys: KeySet) -> None:
        """Nothing is recorded."""

    def quarantine(self, identity: bytes, why: str) -> bool:
        return False

    def close(self) -> None:
        """Nothing was opened."""


OFF_THE_RECORD = OffTheRecord()
