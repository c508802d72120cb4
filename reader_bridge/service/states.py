"""The states of a transaction, which leads where, and how long each may last. Data, no behaviour."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import timedelta

__all__ = ["FINAL", "LIMITS", "TRANSITIONS", "WHOLE", "State"]


class State(enum.StrEnum):
    """Where a transaction stands."""

    CREATED = "created"
    AWAITING_CONSENT = "awaiting_consent"
    AWAITING_CARD = "awaiting_card"
    AWAITING_PIN = "awaiting_pin"
    SIGNING = "signing"
    DONE = "done"
    DECLINED = "declined"
    FAILED = "failed"
    EXPIRED = "expired"


FINAL = frozenset({State.DONE, State.DECLINED, State.FAILED, State.EXPIRED})
_ENDS = frozenset({State.DECLINED, State.FAILED, State.EXPIRED})

TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.CREATED: _ENDS | {State.AWAITING_CONSENT},
    State.AWAITING_CONSENT: _ENDS | {State.AWAITING_CARD},
    State.AWAITING_CARD: _ENDS | {State.AWAITING_PIN},
    State.AWAITING_PIN: _ENDS | {State.SIGNING},
    # Back to the PIN after a wrong one. The holder can no longer decline: the card is at work.
    State.SIGNING: frozenset({State.DONE, State.AWAITING_PIN, State.FAILED, State.EXPIRED}),
    State.DONE: frozenset(),
    State.DECLINED: frozenset(),
    State.FAILED: frozenset(),
    State.EXPIRED: frozenset(),
}

LIMITS: Mapping[State, timedelta] = {
    State.CREATED: timedelta(seconds=60),
    State.AWAITING_CONSENT: timedelta(seconds=180),
    State.AWAITING_CARD: timedelta(seconds=120),
    State.AWAITING_PIN: timedelta(seconds=120),
    State.SIGNING: timedelta(seconds=60),
}

WHOLE = timedelta(minutes=5)
"""From the request to the end, whatever the states in between."""
