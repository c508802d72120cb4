"""The ledger's tables. States and the moves between them are rows, so that a new one is a migration of
data and no constraint has to be rewritten.

What is personal stands in ``employees`` and in the payload of order lines; everything else refers to it
by number. No key, PIN or PUK is stored: a KeyRef is what the key ring makes a key from again. Nothing of
a holder's own card is stored but a pairwise subject.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from ...reader_bridge.store import UtcDateTime, metadata

__all__ = [
    "BADGES",
    "BINDINGS",
    "CARDS",
    "CERTIFICATES",
    "EMPLOYEES",
    "INTENTS",
    "KEYS",
    "LINES",
    "LIVE_BADGES",
    "METADATA",
    "MOVES",
    "ORDERS",
    "STATES",
]

METADATA = metadata()

LIVE_BADGES = ("issuing", "live", "suspended")
"""States in which a badge stands in the way of a second one for the same employee and application."""


def _states(what: str) -> Table:
    return Table(f"{what}_states", METADATA, Column("name", String(16), primary_key=True))


def _moves(what: str) -> Table:
    return Table(
        f"{what}_moves",
        METADATA,
        Column("old", ForeignKey(f"{what}_states.name"), primary_key=True),
        Column("new", ForeignKey(f"{what}_states.name"), primary_key=True),
    )


KINDS = ("line", "card", "badge", "intent", "key", "certificate")
STATES = {what: _states(what) for what in KINDS}
MOVES = {what: _moves(what) for what in KINDS}


def _state(what: str) -> Column[str]:
    return Column("state", ForeignKey(f"{what}_states.name"), nullable=False, index=True)


EMPLOYEES = Table(
    "employees",
    METADATA,
    Column("number", String(16), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("romaji", String(125), nullable=False),
    Column("kana", String(64), nullable=False),
    Column("department", String(128), nullable=False),
    Column("department_en", String(20), nullable=False),
    Column("email", String(254), nullable=False),
    Column("site", String(16), nullable=False),
    Column("updated", UtcDateTime, nullable=False),
)

ORDERS = Table(
    "orders",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("label", String(128), nullable=False),
    Column("content_hash", String(64), nullable=False, unique=True),
    Column("profile", Text, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

CARDS = Table(
    "cards",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("identity", String(128), nullable=False, unique=True),
    _state("card"),
    Column("prior_state", ForeignKey("card_states.name")),
    Column("reason", String(256), nullable=False),
    Column("updated", UtcDateTime, nullable=False),
)

LINES = Table(
    "order_lines",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("order_id", ForeignKey("orders.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("employee", ForeignKey("employees.number"), nullable=False, index=True),
    Column("card_kind", String(8), nullable=False),
    Column("payload", Text, nullable=False),
    _state("line"),
    Column("reason", String(256), nullable=False),
    Column("card_id", ForeignKey("cards.id"), index=True),
    Column("updated", UtcDateTime, nullable=False),
    UniqueConstraint("order_id", "position"),
)

INTENTS = Table(
    "intents",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("line_id", ForeignKey("order_lines.id")),
    Column("card_id", ForeignKey("cards.id"), nullable=False, index=True),
    Column("step", String(64), nullable=False),
    Column("data", Text, nullable=False),
    _state("intent"),
    Column("created", UtcDateTime, nullable=False),
    Column("settled", UtcDateTime),
)

KEYS = Table(
    "card_keys",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("card_id", ForeignKey("cards.id"), nullable=False, index=True),
    Column("domain", String(32), nullable=False),
    Column("usage", String(32), nullable=False),
    Column("version", Integer, nullable=False),
    Column("ref", Text, nullable=False),
    _state("key"),
    Column("intent_id", ForeignKey("intents.id")),
    UniqueConstraint("card_id", "domain", "ref"),
)

BADGES = Table(
    "badges",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("employee", ForeignKey("employees.number"), nullable=False),
    Column("application", String(32), nullable=False),
    Column("identifier", String(64), nullable=False),
    Column("line_id", ForeignKey("order_lines.id"), nullable=False),
    Column("card_id", ForeignKey("cards.id"), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date, nullable=False),
    _state("badge"),
    Column("reason", String(256), nullable=False),
    Column("updated", UtcDateTime, nullable=False),
)
_LIVE = BADGES.c.state.in_(LIVE_BADGES)
for _name, _columns in {
    "ix_badges_one_live_per_employee": (BADGES.c.employee, BADGES.c.application),
    "ix_badges_one_live_per_card": (BADGES.c.card_id, BADGES.c.application),
}.items():
    Index(_name, *_columns, unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE)

CERTIFICATES = Table(
    "certificates",
    METADATA,
    Column("serial", String(40), primary_key=True),
    Column("employee", ForeignKey("employees.number"), nullable=False),
    Column("line_id", ForeignKey("order_lines.id"), index=True),
    Column("card_id", ForeignKey("cards.id"), index=True),
    Column("intent_id", ForeignKey("intents.id")),
    _state("certificate"),
    Column("der", LargeBinary),
    Column("revoked", UtcDateTime),
    Column("reason", String(32), nullable=False),
    Column("updated", UtcDateTime, nullable=False),
)

BINDINGS = Table(
    "bindings",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("employee", ForeignKey("employees.number"), nullable=False),
    Column("application", String(32), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("line_id", ForeignKey("order_lines.id"), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date, nullable=False),
    Column("ended", UtcDateTime),
    Column("created", UtcDateTime, nullable=False),
)
_BOUND = BINDINGS.c.ended.is_(None)
for _name, _columns in {
    "ix_bindings_one_live_per_employee": (BINDINGS.c.employee, BINDINGS.c.application),
    "ix_bindings_one_live_per_subject": (BINDINGS.c.subject, BINDINGS.c.application),
}.items():
    Index(_name, *_columns, unique=True, sqlite_where=_BOUND, postgresql_where=_BOUND)
