"""A verb becomes steps, and steps work that can be cut off anywhere and taken up again (design §2, §5).

A step says itself in one line, sees on the card whether it is done, does it, and knows whether it can be
undone. For one that cannot, the intent is durable before its first APDU and settled when the card shows it.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ....apdu.errors import CardError, Words
from .custody import Intent
from .session import Consequence, Session

__all__ = ["Outcome", "Report", "State", "Step", "carry_out"]

INTENT_PREFIX = "gp:"
"""Intents of these steps in a ledger that others use too."""


class State(enum.StrEnum):
    """What became of a step."""

    DONE = "done"
    FOUND = "found"  # the card showed it already
    PLANNED = "planned"  # a dry run


class Step(ABC):
    """One step; it keeps nothing about the card, so that it can be asked again after anything."""

    name: ClassVar[str]
    reversible: ClassVar[bool] = True
    found: ClassVar[Words] = Words("already so, nothing to do", "すでにその状態 (処理不要)")
    """What is said of it when there is nothing to do."""

    @abstractmethod
    def describe(self) -> Words:
        """One line that says what it does."""

    @abstractmethod
    def done(self, session: Session) -> bool:
        """Whether the card shows it already. Raises CardError when it cannot be done on this card."""

    @abstractmethod
    def do(self, session: Session) -> Mapping[str, Any] | None:
        """Do it; what the card answered that a program may want to know. Raises what the host raises."""

    def proved(self, session: Session) -> bool:
        """Whether the card, read again, shows what was done."""
        return self.done(session)

    def consequence(self, session: Session) -> Consequence | None:
        """What a person must agree to first."""
        return None

    def intent(self, session: Session) -> Intent | None:
        """What stands written down before the first APDU, for a step that cannot be undone."""
        return None

    def foresee(self, session: Session) -> None:  # noqa: B027 - some steps leave nothing to be seen
        """In a dry run: lay into the session what the card would show, for the steps that follow."""

    def say(self, answered: Mapping[str, Any]) -> Sequence[Words]:
        """Lines about what the card answered, for a person."""
        return ()

    def details(self) -> Mapping[str, Any]:
        """What a program wants to know of it, plain values."""
        return {}


@dataclass(frozen=True)
class Outcome:
    """One line of a report."""

    step: str
    what: Words
    state: State
    reversible: bool
    details: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[Words] = ()
    found: Words = Step.found


@dataclass
class Report:
    """What a verb did, or found. ``data`` is for programs, ``lines`` for people."""

    verb: str
    data: dict[str, Any] = field(default_factory=dict)
    lines: list[Words] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return any(outcome.state is State.DONE for outcome in self.outcomes)

    def say(self, en: str, ja: str) -> None:
        self.lines.append(Words(en, ja))


def carry_out(session: Session, steps: Iterable[Step], report: Report) -> Report:
    """Look, ask, record, do, read back: step by step. A dry run only looks.

    ``report`` gets an outcome a step, also of those before one that fails. Raises CardError ``gp.not_taken``
    when the card answers well but does not show the step afterwards.
    """
    for step in steps:
        if step.done(session):
            _settle_found(session, step)
            state, answered = State.FOUND, None
        elif session.dry_run:
            step.foresee(session)
            state, answered = State.PLANNED, None
        else:
            answered = _do(session, step)
            state = State.DONE
        details = {**step.details(), **(answered or {})}
        lines = step.say(answered) if answered else ()
        report.outcomes.append(
            Outcome(step.name, step.describe(), state, step.reversible, details, lines, step.found)
        )
    return report


def _do(session: Session, step: Step) -> Mapping[str, Any] | None:
    consequence = step.consequence(session)
    if consequence is not None:
        session.consent(session, consequence)
    intent = step.intent(session)
    if intent is None:
        return step.do(session)
    number = _record(session, step, intent)
    answered = step.do(session)
    session.forget_keys()
    if not step.proved(session):
        raise CardError("gp.not_taken", step=step.describe())
    session.custody.settle(session.identity, session.domain.aid, number, done=True, outcome=intent.outcome)
    return answered


def _record(session: Session, step: Step, intent: Intent) -> int:
    """In place of the intent of an earlier, torn attempt: the card has shown that it was not done."""
    again = _pending(session, step)
    return session.custody.record(session.identity, session.domain.aid, intent, again=again)


def _settle_found(session: Session, step: Step) -> None:
    """The card shows the step, but its intent is open: torn off after the card had it."""
    if session.dry_run or step.reversible:
        return
    for pending in session.custody.pending(session.identity, session.domain.aid):
        if pending.step == INTENT_PREFIX + step.name and pending.data == step.details():
            session.custody.settle(
                session.identity, session.domain.aid, pending.number, done=True, outcome=pending.outcome
            )


def _pending(session: Session, step: Step) -> Sequence[int]:
    return [
        pending.number
        for pending in session.custody.pending(session.identity, session.domain.aid)
        if pending.step == INTENT_PREFIX + step.name and pending.data == step.details()
    ]
