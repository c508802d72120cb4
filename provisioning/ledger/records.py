"""What the ledger hands out: frozen records, free of SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ...apdu.ports import KeyRef

__all__ = ["Badge", "Binding", "Card", "Certificate", "Intent", "Key", "Line", "NewLine", "Order"]


@dataclass(frozen=True, slots=True)
class NewLine:
    """A line to be ordered. ``payload`` is JSON: everything that will be written, frozen."""

    employee: str
    card_kind: str
    payload: dict[str, Any]
    rejected: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """``content_hash`` is of roster and profile: the same pair makes no second order."""

    id: int
    label: str
    content_hash: str
    profile: dict[str, Any]
    created: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One badge to make. ``card_kind`` is ``company`` or ``holder``; ``employee`` the employee number."""

    id: int
    order_id: int
    position: int
    employee: str
    card_kind: str
    payload: dict[str, Any]
    state: str
    reason: str
    card_id: int | None


@dataclass(frozen=True, slots=True)
class Card:
    """A company's card. ``identity`` is its CPLC or CIN, read before any authentication."""

    id: int
    identity: bytes
    state: str
    prior_state: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Intent:
    """An irreversible step that is about to be done, or was. ``data`` holds ids and hashes only."""

    id: int
    line_id: int | None
    card_id: int
    step: str
    data: dict[str, Any]
    state: str


@dataclass(frozen=True, slots=True)
class Key:
    """A key that a card may hold now: ``intended``, ``live``, ``previous`` (or ``gone``).

    ``domain`` is the AID, in hex, of the security domain or application that holds it.
    """

    id: int
    card_id: int
    domain: str
    ref: KeyRef
    state: str
    intent_id: int | None


@dataclass(frozen=True, slots=True)
class Badge:
    """An application of one employee on one card. ``identifier`` is a GUID in hex or a badge number."""

    id: int
    employee: str
    application: str
    identifier: str
    line_id: int
    card_id: int
    valid_from: date
    valid_until: date
    state: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of the company CA, or a serial reserved for one."""

    serial: int
    employee: str
    line_id: int | None
    card_id: int | None
    intent_id: int | None
    state: str
    der: bytes | None
    revoked: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Binding:
    """An employee's own card, known by a pairwise subject that means nothing elsewhere."""

    id: int
    employee: str
    application: str
    subject: str
    line_id: int
    valid_from: date
    valid_until: date
    ended: datetime | None
