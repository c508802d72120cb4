"""``plan``: read the card and say what is missing. Alters nothing but the card's own session counters."""

from __future__ import annotations

from dataclasses import dataclass

from ...apdu.errors import CardError, Words
from .steps import Step, steps_for
from .work import UNUSABLE, Work, printable

__all__ = ["Plan", "PlannedStep", "make_plan", "unlock"]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One line of a plan."""

    name: str
    what: Words
    done: bool
    reversible: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What stands between a card and its badge. ``key_version`` is the set that opened the channel."""

    employee: str
    card: str
    key_version: int
    steps: tuple[PlannedStep, ...]

    @property
    def missing(self) -> tuple[PlannedStep, ...]:
        return tuple(step for step in self.steps if not step.done)


def make_plan(work: Work) -> Plan:
    """Authenticate, read, compare. Raises CardError ``badge.keys`` when no known key set is the card's."""
    unlock(work)
    steps = tuple(_planned(step, work) for step in steps_for(work))
    return Plan(work.line.employee, printable(work.identity), work.contact.current.version, steps)


def _planned(step: Step, work: Work) -> PlannedStep:
    return PlannedStep(step.name, step.describe(work), step.done(work), step.reversible)


def unlock(work: Work, *, quarantine: bool = False) -> None:
    """Open the domain's channel with the intended key set, else the one before it: each once.

    When none is the card's, nothing was sent and no try is spent; with ``quarantine`` a card that the ledger
    knows is set aside. Raises CardError ``badge.keys``.
    """
    with work.desk.ledger.read() as books:
        candidates = work.candidates(books)
    if work.contact.unlock(candidates):
        return
    if quarantine and work.card is not None and work.card.state not in UNUSABLE:
        with work.desk.ledger.begin() as books:
            books.move_card(work.card.id, "quarantine", "none of its known key sets opens it")
    tried = ", ".join(f"{keys.version:02X}" for keys in candidates)
    raise CardError("badge.keys", card=printable(work.identity), versions=tried)
