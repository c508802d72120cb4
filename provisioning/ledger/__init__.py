"""The ledger: what was ordered, what each card may hold, what was issued to whom.

Every change goes through a transaction, which is durable when it ends without an error (SQLite in WAL
mode with ``synchronous=FULL``) and leaves one audit row a change::

    with ledger.begin() as books:
        intent = books.record_intent(card.id, "put-key", {"kvn": 1}, line_id=line.id, keys=keys)
    ...                               # APDUs leave only now
    with ledger.begin() as books:
        books.settle_intent(intent.id)
        books.move_keys(card.id, domain, 1, "live")
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from ...apdu.errors import InputError
from ...reader_bridge.store import audit, open_engine, upgrade
from ...reader_bridge.store.engine import reading
from .cards import CardPart
from .certificates import CertificatePart
from .orders import OrderPart
from .records import Badge, Binding, Card, Certificate, Intent, Key, Line, NewLine, Order

__all__ = [
    "Badge",
    "Binding",
    "Books",
    "Card",
    "Certificate",
    "Intent",
    "Key",
    "Ledger",
    "Line",
    "NewLine",
    "Order",
]

MIGRATIONS = f"{__package__.rpartition('.')[0]}.migrations"


class Books(OrderPart, CardPart, CertificatePart):
    """One open transaction of the ledger, with all its methods."""


class Ledger:
    """One ledger database. May be shared by threads: each transaction has a connection of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url_or_path: str | Path) -> Ledger:
        """Open or make the ledger, its tables brought to their newest version.

        Raises InputError ``store.url`` or ``store.open``.
        """
        engine = open_engine(url_or_path)
        upgrade(engine, MIGRATIONS)
        return cls(engine)

    @contextmanager
    def begin(self) -> Iterator[Books]:
        """A transaction: all of it, durable, or nothing when an error leaves the block."""
        with self.engine.begin() as connection:
            yield Books(connection)

    @contextmanager
    def read(self) -> Iterator[Books]:
        """One consistent state, for reading only."""
        with reading(self.engine) as connection:
            yield Books(connection)

    def check_audit(self) -> tuple[int, str]:
        """Number and hash of the last audit row, once the chain up to it is found whole.

        Kept elsewhere (on paper, say), they show later that nothing was cut off. Raises InputError
        ``store.audit``.
        """
        with reading(self.engine) as connection:
            broken = audit.verify(connection)
            if broken is not None:
                raise InputError("store.audit", path=self.engine.url.database, seq=broken)
            return audit.head(connection)

    def verify_audit(self) -> int | None:
        """The first altered row of the audit chain, None when it is whole."""
        with reading(self.engine) as connection:
            return audit.verify(connection)

    def close(self) -> None:
        self.engine.dispose()
