"""A holder's own My Number Card as a badge: *bound*, never written.

Its ID application was loaded by the issuer's system. It is read, made to prove that it is no copy, and tied
to the employee by a subject that means nothing outside this company: a CMAC under a key of the ring over what
the card says and the public key it proves to hold. No certificate, number or name of the card is kept.
"""

from __future__ import annotations

import secrets
from datetime import date

from ...apdu.card import Card
from ...apdu.errors import CardError, InputError
from ...apdu.ports import KeyRing, Link
from ...applets.entry_badge.model import BadgeRecord
from ...applets.free_space_id.host import FreeSpaceId
from ...applets.free_space_id.model import CHALLENGE_BYTES, FreeSpaceIdentity
from ..ledger import Binding, Books, Line
from ..profile import Profile
from .work import AT_STATION, DONE, Desk

__all__ = ["BINDING", "bind", "bound_records", "subject_of"]

BINDING = "free-space-id"
USAGE = "binding"


def subject_of(ring: KeyRing, profile: Profile, identity: FreeSpaceIdentity) -> str:
    """The pairwise code, 32 hex digits, by which this company knows a holder's card."""
    if profile.entry_badge is None:
        raise InputError("badge.no_entry_badge", profile=profile.name)
    ref = ring.refer(
        profile.entry_badge.key.master,
        scheme="sp800-108-cmac",
        diversification=b"",
        version=1,
        usage=USAGE,
    )
    return ring.badge_cryptogram(ref, bytes(identity)).hex()


def bind(desk: Desk, link: Link, employee: str, *, order_id: int | None = None) -> Binding:
    """Tie the card on the reader to ``employee``'s line; the same binding when done again.

    Raises CardError ``freespace.not_here``, ``badge.forged`` when the card does not prove its key, InputError
    ``order.no_line`` and ``ledger.one_badge``.
    """
    with desk.ledger.read() as books:
        line = _line(books, order_id, employee)
        profile = Profile.from_json(books.order(line.order_id).profile)
    application = FreeSpaceId(Card(link, recorder=desk.recorder))
    identity = application.read()
    if not application.authenticate(secrets.token_bytes(CHALLENGE_BYTES), identity):
        raise CardError("badge.forged")
    subject = subject_of(desk.ring, profile, identity)
    with desk.ledger.begin() as books:
        binding = books.bind(
            line.id,
            BINDING,
            subject,
            valid_from=date.fromisoformat(line.payload["valid_from"]),
            valid_until=date.fromisoformat(line.payload["valid_until"]),
        )
        if books.line(line.id).state != DONE:
            if books.line(line.id).state != AT_STATION:
                books.claim_line(line.id, None)
            books.move_line(line.id, DONE)
    return binding


def bound_records(books: Books) -> dict[str, BadgeRecord]:
    """What a door that knows every bound card would decide by: subject to badge record."""
    records = {}
    for binding in books.bindings():
        ordered = books.line(binding.line_id).payload.get("entry_badge")
        if ordered is not None:
            records[binding.subject] = BadgeRecord.parse(bytes.fromhex(ordered["record"]))
    return records


def _line(books: Books, order_id: int | None, employee: str) -> Line:
    lines = [
        line
        for line in books.lines(order_id, card_kind="holder")
        if line.employee == employee and line.state not in ("cancelled", "rejected")
    ]
    if not lines:
        raise InputError("order.no_line", employee=employee)
    return lines[-1]
