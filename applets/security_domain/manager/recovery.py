"""What an interrupted run left behind: the card is read, and the record brought up to it (design §5)."""

from __future__ import annotations

from collections.abc import Callable

from ....apdu.errors import Words
from .content import Delete
from .custody import Pending
from .keys import DeleteKeys, PutKeys
from .life import CARD_STATES, AdvanceCard, card_state
from .session import PUT_KEYS, Session
from .steps import INTENT_PREFIX

__all__ = ["reconcile"]

UNFINISHED = Words(
    "A change of keys was interrupted: run the same command again, it proves the new keys and finishes.",
    "鍵の変更が中断しています。同じコマンドをもう一度実行すると、新しい鍵を確かめて完了します。",
)


def reconcile(session: Session) -> list[Words]:
    """Settle the steps that an earlier run began and the card now shows done, or not done.

    A change of keys that reached the card in whole or in part stays open until its verb is run again.
    Returns a line for a person about each.
    """
    lines = []
    for pending in session.custody.pending(session.identity, session.domain.aid):
        judge = JUDGES.get(pending.step.removeprefix(INTENT_PREFIX))
        done = judge(session, pending) if judge is not None else None
        if done is None:
            lines += [UNFINISHED] if pending.step == PUT_KEYS else []
            continue
        if not session.dry_run:
            session.custody.settle(
                session.identity, session.domain.aid, pending.number, done=done, outcome=pending.outcome
            )
        lines.append(_line(pending, done=done))
    return lines


def _line(pending: Pending, *, done: bool) -> Words:
    step = pending.step.removeprefix(INTENT_PREFIX)
    if done:
        return Words(
            f"A step that an earlier run began is done: {step}.",
            f"前の実行で始めた手順は済んでいました: {step}。",
        )
    return Words(
        f"A step that an earlier run began was not done: {step}.",
        f"前の実行で始めた手順は行われていませんでした: {step}。",
    )


def _put_keys(session: Session, pending: Pending) -> bool | None:
    """Only what is not there at all is settled here: the verb itself proves whether the set is whole."""
    return None if pending.data["version"] in session.key_versions() else False


def _delete_keys(session: Session, pending: Pending) -> bool:
    return pending.data["version"] not in session.key_versions()


def _delete(session: Session, pending: Pending) -> bool:
    return bytes.fromhex(pending.data["aid"]) not in session.registry()


def _advance_card(session: Session, pending: Pending) -> bool:
    return card_state(session) == CARD_STATES[pending.data["card_state"]]


JUDGES: dict[str, Callable[[Session, Pending], bool | None]] = {
    PutKeys.name: _put_keys,
    DeleteKeys.name: _delete_keys,
    Delete.name: _delete,
    AdvanceCard.name: _advance_card,
}
