"""``apply``: carry a plan out, step by step, so that it can be cut off anywhere and taken up again.

For each step that the card does not show as done: the intent into the ledger (durable before the first
APDU), the APDUs, the card read back, then ledger and audit in one transaction. A step that the card shows as
done, but whose intent is still open, was torn off after the card had it: only the ledger is brought up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ...apdu.errors import CardError, InputError, Words
from ..ledger import Books, Intent
from .door import prove_badge
from .plan import unlock
from .steps import Step, ask_holder, steps_for
from .work import AT_STATION, DONE, Work

__all__ = ["Outcome", "apply"]

IN_PRODUCTION = "in_production"
Progress = Callable[[int, int, Words], None]
LAST_STEP = Words("check key 9A and the badge as a door does", "鍵 9A と、扉から見たバッジを確かめる")


@dataclass
class Outcome:
    """What happened. ``changed`` is false when the card was finished already."""

    employee: str
    done: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.done)


def apply(work: Work, progress: Progress | None = None) -> Outcome:
    """Bring the card to what its line says. ``progress`` is told steps done, their number, and what comes.

    Raises CardError ``badge.keys`` (the card is then in quarantine), ``badge.not_taken`` when the card
    answers well but does not show the step afterwards, InputError ``badge.pin_needed`` and ``order.taken``
    before anything is written, and what the card and reader raise.
    """
    try:
        return _apply(work, progress or (lambda done, total, what: None))
    finally:
        work.forget_typed()


def _apply(work: Work, tell: Progress) -> Outcome:
    unlock(work, quarantine=True)
    if work.line.state != DONE:
        ask_holder(work)
        _claim(work)
    outcome = Outcome(work.line.employee)
    steps = steps_for(work)
    for number, step in enumerate(steps):
        tell(number, len(steps) + 1, step.describe(work))
        if step.done(work):
            _settle(work, step)
            outcome.found.append(step.name)
        else:
            _carry_out(work, step)
            outcome.done.append(step.name)
    if not _finished(work):
        tell(len(steps), len(steps) + 1, LAST_STEP)
        prove_badge(work)
        _finish(work)
        outcome.done.append("finish")
    tell(len(steps) + 1, len(steps) + 1, Words("", ""))
    return outcome


def _claim(work: Work) -> None:
    """Tie card and line together, with the keys the card may hold now, before anything is written on it."""
    with work.desk.ledger.begin() as books:
        card = books.add_card(work.identity)
        line = books.line(work.line.id)
        if line.state in (AT_STATION, DONE) and line.card_id != card.id:
            raise InputError("order.taken", employee=line.employee)
        if card.state in ("stock", "reserved"):
            books.move_card(card.id, IN_PRODUCTION)
        work.card = books.card(card.id)
        work.line = books.claim_line(work.line.id, card.id)
        if not books.keys(card.id, domain=work.domain_aid):
            for ref in work.factory_keys.refs:
                books.put_key(card.id, work.domain_aid, ref, "live")
        for application, identifier in _badges(work):
            books.open_badge(
                work.line.id,
                card.id,
                application,
                identifier,
                valid_from=work.valid_from,
                valid_until=work.valid_until,
            )


def _badges(work: Work) -> list[tuple[str, str]]:
    """Applications of this line, with the identifier that each carries."""
    found = []
    if work.profile.employee_id is not None:
        found.append(("employee-id", work.guid.hex))
    if work.profile.entry_badge is not None:
        found.append(("entry-badge", str(work.line.payload["entry_badge"]["number"])))
    return found


def _carry_out(work: Work, step: Step) -> None:
    with work.desk.ledger.begin() as books:
        intent = _open_intent(work, books, step)
        step.reserve(work, books, intent)
    try:
        step.do(work)
    finally:
        work.forget(step.changes)
    if not step.done(work):
        raise CardError("badge.not_taken", step=step.name)
    _settle(work, step)


def _open_intent(work: Work, books: Books, step: Step) -> Intent:
    """The intent of an earlier, torn attempt is given up: the card has shown that it was not done."""
    for old in books.intents(work.card_id, step=step.name):
        books.settle_intent(old.id, "abandoned")
    keys = [(holder, ref) for holder, ref in step.prepare(work) if not _known(books, work, holder, ref)]
    return books.record_intent(work.card_id, step.name, {}, line_id=work.line.id, keys=keys)


def _known(books: Books, work: Work, holder: str, ref: object) -> bool:
    return any(key.ref == ref for key in books.keys(work.card_id, domain=holder))


def _settle(work: Work, step: Step) -> None:
    """The card shows the step: settle its open intent, if there is one, and what the ledger learns by it."""
    with work.desk.ledger.begin() as books:
        open_intents = books.intents(work.card_id, step=step.name)
        if not open_intents:
            return
        step.record(work, books)
        for intent in open_intents:
            books.settle_intent(intent.id, "done")


def _finished(work: Work) -> bool:
    """A card that came out of quarantine is proved again, although its line was done long ago."""
    return work.line.state == DONE and work.card is not None and work.card.state != IN_PRODUCTION


def _finish(work: Work) -> None:
    """The line is done, the badges live, the card active: one transaction."""
    with work.desk.ledger.begin() as books:
        for badge in books.badges(card_id=work.card_id, states=("issuing",)):
            books.move_badge(badge.id, "live")
        if books.card(work.card_id).state == IN_PRODUCTION:
            books.move_card(work.card_id, "active")
        if books.line(work.line.id).state == AT_STATION:
            books.move_line(work.line.id, DONE)
        work.line = books.line(work.line.id)
