"""What only a supervisor decides: a card is gone for good, or a card in quarantine may be tried again.

Neither touches a card. Both leave their reason in the ledger and in its audit chain.
"""

from __future__ import annotations

import hashlib
from datetime import date

from ...apdu.errors import InputError
from ..ledger import Books, Ledger, Line, Order
from ..ledger.records import Card
from ..orders import render_line
from ..profile import Profile
from ..roster import Employee

__all__ = ["WRITE_OFF", "readmit", "replace_badge", "write_off"]

WRITE_OFF = {"damaged": "cessation_of_operation", "lost": "key_compromise", "stolen": "key_compromise"}
"""Why a card is written off, and the reason that its certificate is revoked for (RFC 5280 §5.3.1)."""
WITHOUT_HOLDER = {"in_production": "damaged", "produced": "damaged", "quarantine": "terminated"}
"""What becomes of a card that lies at the desk: nobody can have lost it."""


def write_off(ledger: Ledger, employee: str, reason: str) -> Card:
    """The card of ``employee`` is gone: its badges are retired, its certificates revoked.

    A line that was being made on it waits for another card. ``reason`` is one of :data:`WRITE_OFF`. Raises
    InputError ``order.no_line`` when no card of this employee is in use.
    """
    with ledger.begin() as books:
        card = _card_in_use(books, employee)
        state = WITHOUT_HOLDER.get(card.state, reason)
        for badge in books.badges(card_id=card.id, states=("issuing", "live", "suspended")):
            books.move_badge(badge.id, "retired", reason)
        for certificate in books.certificates(card_id=card.id, states=("reserved", "issued")):
            books.orphan_certificate(certificate.serial)
        for certificate in books.certificates(card_id=card.id, states=("delivered",)):
            books.revoke_certificate(certificate.serial, WRITE_OFF[reason])
        for intent in books.intents(card.id):
            books.settle_intent(intent.id, "abandoned")
        for line in books.lines(states=("at_station",)):
            if line.card_id == card.id:
                books.move_line(line.id, "failed", reason)
        books.move_card(card.id, state, reason)
        return books.card(card.id)


def replace_badge(ledger: Ledger, employee: str) -> Order:
    """An order of one line for a badge that was written off when it was finished already.

    The person and the profile are those of the last line; GUID and diversifier are new. Raises InputError
    ``order.no_line`` when there is no finished line, or when a line or a badge of the employee still stands.
    """
    with ledger.begin() as books:
        lines = [line for line in books.lines(card_kind="company") if line.employee == employee]
        standing = books.badges(employee=employee, states=("issuing", "live", "suspended"))
        if not lines or lines[-1].state != "done" or standing:
            raise InputError("order.no_line", employee=employee)
        line = lines[-1]
        order = books.order(line.order_id)
        fresh = render_line(_employee(line), Profile.from_json(order.profile))
        fingerprint = hashlib.sha256(f"replacement of line {line.id}".encode()).hexdigest()
        return books.add_order(f"replacement {employee}", fingerprint, order.profile, [fresh])


def _employee(line: Line) -> Employee:
    """The person as the line froze him."""
    values = dict(line.payload["employee"])
    values["access"] = tuple(values["access"])
    for name in ("valid_from", "valid_until"):
        values[name] = date.fromisoformat(values[name])
    return Employee(**values)


def readmit(ledger: Ledger, identity: bytes, why: str) -> Card:
    """A card comes out of quarantine: the next ``apply`` reads it again.

    Raises InputError ``badge.no_card``.
    """
    with ledger.begin() as books:
        card = books.find_card(identity)
        if card is None or card.state != "quarantine":
            raise InputError("badge.no_card", card=identity.hex().upper())
        books.move_card(card.id, "in_production", why)
        return books.card(card.id)


def _card_in_use(books: Books, employee: str) -> Card:
    badges = books.badges(employee=employee, states=("issuing", "live", "suspended"))
    if not badges:
        raise InputError("order.no_line", employee=employee)
    return books.card(badges[-1].card_id)
