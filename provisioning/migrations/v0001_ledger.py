"""The ledger: employees, orders, cards, intents, keys, badges, certificates, bindings."""

from datetime import date

import sqlalchemy as sa
from alembic import op

revision = "ledger_0001"
down_revision = None
branch_labels = None
depends_on = None

MOVES = {
    "line": {
        "imported": ["rejected", "ready", "cancelled"],
        "rejected": [],
        "ready": ["at_station", "cancelled"],
        "at_station": ["done", "failed", "ready"],
        "failed": ["ready", "cancelled"],
        "done": [],
        "cancelled": [],
    },
    "card": {
        "stock": ["reserved", "in_production", "terminated", "quarantine"],
        "reserved": ["stock", "in_production", "quarantine"],
        "in_production": ["produced", "active", "damaged", "stock", "quarantine"],
        "produced": ["delivered", "active", "in_production", "damaged", "terminated", "quarantine"],
        "delivered": ["active", "returned", "lost", "quarantine"],
        "active": [
            "in_production",
            "suspended",
            "lost",
            "damaged",
            "stolen",
            "expired",
            "returned",
            "quarantine",
        ],
        "suspended": ["active", "lost", "damaged", "stolen", "expired", "returned", "quarantine"],
        "lost": ["active", "returned", "terminated"],
        "damaged": ["terminated"],
        "stolen": ["terminated"],
        "expired": ["returned", "terminated"],
        "returned": ["stock", "terminated"],
        "terminated": [],
        # only a supervised diagnosis takes a card out of quarantine
        "quarantine": ["in_production", "stock", "terminated"],
    },
    "badge": {
        "issuing": ["live", "retired"],
        "live": ["suspended", "retired"],
        "suspended": ["live", "retired"],
        "retired": [],
    },
    "intent": {"open": ["done", "abandoned"], "done": [], "abandoned": []},
    "key": {
        "intended": ["live", "previous", "gone"],
        "live": ["previous", "gone"],
        "previous": ["live", "gone"],
        "gone": ["intended", "live"],
    },
    "certificate": {
        "reserved": ["issued", "orphaned"],
        "issued": ["delivered", "orphaned", "revoked"],
        "delivered": ["revoked"],
        "orphaned": [],
        "revoked": [],
    },
}
LIVE = sa.text("state IN ('issuing', 'live', 'suspended')")
BOUND = sa.text("ended IS NULL")


def upgrade() -> None:
    for what, moves in MOVES.items():
        _create_states(what, moves)
    _create_people_and_orders()
    _create_cards()
    _create_badges()


def downgrade() -> None:
    for name in (
        *("bindings", "certificates", "badges", "card_keys", "intents", "order_lines", "cards", "orders"),
        *("employees", *(f"{what}_{part}" for what in MOVES for part in ("moves", "states"))),
    ):
        op.drop_table(name)


def _create_states(what: str, moves: dict[str, list[str]]) -> None:
    states = op.create_table(
        f"{what}_states",
        sa.Column("name", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("name", name=f"pk_{what}_states"),
    )
    table = op.create_table(
        f"{what}_moves",
        sa.Column("old", sa.String(16), nullable=False),
        sa.Column("new", sa.String(16), nullable=False),
        _foreign(f"{what}_moves", "old", f"{what}_states", "name"),
        _foreign(f"{what}_moves", "new", f"{what}_states", "name"),
        sa.PrimaryKeyConstraint("old", "new", name=f"pk_{what}_moves"),
    )
    op.bulk_insert(states, [{"name": name} for name in moves])
    op.bulk_insert(table, [{"old": old, "new": new} for old, news in moves.items() for new in news])


def _foreign(table: str, column: str, other: str, key: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.{key}"], name=f"fk_{table}_{column}_{other}")


def _state(table: str, what: str) -> list[sa.Column[str] | sa.ForeignKeyConstraint]:
    return [
        sa.Column("state", sa.String(16), nullable=False),
        _foreign(table, "state", f"{what}_states", "name"),
    ]


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(f"ix_{table}_{column}", table, [column])


def _create_people_and_orders() -> None:
    op.create_table(
        "employees",
        *(_text("number", 16), _text("name", 64), _text("romaji", 125), _text("kana", 64)),
        *(_text("department", 128), _text("department_en", 20), _text("email", 254), _text("site", 16)),
        _moment("updated"),
        sa.PrimaryKeyConstraint("number", name="pk_employees"),
    )
    op.create_table(
        "orders",
        *(_number("id"), _text("label", 128), _text("content_hash", 64)),
        sa.Column("profile", sa.Text(), nullable=False),
        _moment("created"),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.UniqueConstraint("content_hash", name="uq_orders_content_hash"),
    )
    op.create_table(
        "cards",
        *(_number("id"), _text("identity", 128), *_state("cards", "card")),
        *(_text("prior_state", 16, nullable=True), _text("reason", 256), _moment("updated")),
        _foreign("cards", "prior_state", "card_states", "name"),
        sa.PrimaryKeyConstraint("id", name="pk_cards"),
        sa.UniqueConstraint("identity", name="uq_cards_identity"),
    )
    op.create_table(
        "order_lines",
        *(_number("id"), _number("order_id"), _number("position"), _text("employee", 16)),
        *(_text("card_kind", 8), sa.Column("payload", sa.Text(), nullable=False)),
        *(*_state("order_lines", "line"), _text("reason", 256), _number("card_id", nullable=True)),
        _moment("updated"),
        _foreign("order_lines", "order_id", "orders", "id"),
        _foreign("order_lines", "employee", "employees", "number"),
        _foreign("order_lines", "card_id", "cards", "id"),
        sa.PrimaryKeyConstraint("id", name="pk_order_lines"),
        sa.UniqueConstraint("order_id", "position", name="uq_order_lines_order_id_position"),
    )
    _index("cards", "state")
    _index("order_lines", "employee", "state", "card_id")


def _create_cards() -> None:
    op.create_table(
        "intents",
        *(_number("id"), _number("line_id", nullable=True), _number("card_id"), _text("step", 64)),
        *(sa.Column("data", sa.Text(), nullable=False), *_state("intents", "intent")),
        *(_moment("created"), _moment("settled", nullable=True)),
        _foreign("intents", "line_id", "order_lines", "id"),
        _foreign("intents", "card_id", "cards", "id"),
        sa.PrimaryKeyConstraint("id", name="pk_intents"),
    )
    op.create_table(
        "card_keys",
        *(_number("id"), _number("card_id"), _text("domain", 32), _text("usage", 32), _number("version")),
        *(sa.Column("ref", sa.Text(), nullable=False), *_state("card_keys", "key")),
        _number("intent_id", nullable=True),
        _foreign("card_keys", "card_id", "cards", "id"),
        _foreign("card_keys", "intent_id", "intents", "id"),
        sa.PrimaryKeyConstraint("id", name="pk_card_keys"),
        sa.UniqueConstraint("card_id", "domain", "ref", name="uq_card_keys_card_id_domain_ref"),
    )
    _index("intents", "card_id", "state")
    _index("card_keys", "card_id", "state")


def _whose() -> list[sa.Column[str]]:
    return [_text("employee", 16), _text("application", 32)]


def _period() -> list[sa.Column[date]]:
    return [sa.Column(name, sa.Date(), nullable=False) for name in ("valid_from", "valid_until")]


def _create_badges() -> None:
    op.create_table(
        "badges",
        _number("id"),
        *_whose(),
        *(_text("identifier", 64), _number("line_id"), _number("card_id")),
        *_period(),
        *_state("badges", "badge"),
        *(_text("reason", 256), _moment("updated")),
        _foreign("badges", "employee", "employees", "number"),
        _foreign("badges", "line_id", "order_lines", "id"),
        _foreign("badges", "card_id", "cards", "id"),
        sa.PrimaryKeyConstraint("id", name="pk_badges"),
    )
    op.create_table(
        "certificates",
        *(_text("serial", 40), _text("employee", 16)),
        *[_number(name, nullable=True) for name in ("line_id", "card_id", "intent_id")],
        *_state("certificates", "certificate"),
        sa.Column("der", sa.LargeBinary()),
        *(_moment("revoked", nullable=True), _text("reason", 32), _moment("updated")),
        _foreign("certificates", "employee", "employees", "number"),
        _foreign("certificates", "line_id", "order_lines", "id"),
        _foreign("certificates", "card_id", "cards", "id"),
        _foreign("certificates", "intent_id", "intents", "id"),
        sa.PrimaryKeyConstraint("serial", name="pk_certificates"),
    )
    op.create_table(
        "bindings",
        _number("id"),
        *_whose(),
        *(_text("subject", 64), _number("line_id")),
        *_period(),
        *(_moment("ended", nullable=True), _moment("created")),
        _foreign("bindings", "employee", "employees", "number"),
        _foreign("bindings", "line_id", "order_lines", "id"),
        sa.PrimaryKeyConstraint("id", name="pk_bindings"),
    )
    _index("badges", "state")
    _index("certificates", "line_id", "card_id", "state")
    _one_live("badges", "employee", "employee", LIVE)
    _one_live("badges", "card", "card_id", LIVE)
    _one_live("bindings", "employee", "employee", BOUND)
    _one_live("bindings", "subject", "subject", BOUND)


def _one_live(table: str, what: str, column: str, where: sa.TextClause) -> None:
    op.create_index(
        f"ix_{table}_one_live_per_{what}",
        table,
        [column, "application"],
        unique=True,
        sqlite_where=where,
        postgresql_where=where,
    )
