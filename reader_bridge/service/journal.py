"""What the bridge must remember beyond its own end: states of transactions, and used request ids.

Documents, results, certificates and PINs are never here: they live in memory and end with the process.
No column holds anything of a certificate.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Column, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ...apdu.errors import InputError, RequestError, Words
from ..readers.lockfile import FileLock
from ..store import UtcDateTime, audit, metadata, open_engine, upgrade
from .states import FINAL, State

__all__ = ["Journal"]

METADATA = metadata()
TRANSACTION = Table(
    "bridge_transaction",
    METADATA,
    Column("id", String(43), primary_key=True),
    Column("portal", String(63), nullable=False),
    Column("verb", String(16), nullable=False),
    Column("arrival", String(16), nullable=False),
    Column("state", String(24), nullable=False),
    Column("problem", String(64)),
    Column("created", UtcDateTime, nullable=False),
    Column("changed", UtcDateTime, nullable=False),
)
REQUEST_ID = Table(
    "bridge_request_id",
    METADATA,
    Column("portal", String(63), primary_key=True),
    Column("jti", String(128), primary_key=True),
    Column("expires", UtcDateTime, nullable=False),
)
KEPT = timedelta(minutes=2)
"""How long a used id is kept after its request could be delivered at all."""


class Journal:
    """The durable side of the core: ``bridge.sqlite`` in the bridge's home, which it has for itself.

    Two bridges in one home would declare each other's transactions dead: the second one gets InputError
    ``store.open``.
    """

    def __init__(self, home: Path) -> None:
        try:
            self._lock = FileLock("bridge", home)
        except BlockingIOError as error:
            what = Words("another bridge is using it", "別のブリッジが使っています")
            raise InputError("store.open", path=str(home), what=what) from error
        self._engine = open_engine(home / "bridge.sqlite")
        upgrade(self._engine, f"{__package__}.migrations")

    def close(self) -> None:
        """Let the database go; SQLite then folds its write-ahead log into the file."""
        self._engine.dispose()
        self._lock.release()

    def use(self, portal: str, jti: str, expires: datetime, now: datetime) -> None:
        """Note that a request or assertion was used. Raises RequestError ``request.replayed``."""
        try:
            with self._engine.begin() as connection:
                connection.execute(delete(REQUEST_ID).where(REQUEST_ID.c.expires < now - KEPT))
                connection.execute(insert(REQUEST_ID).values(portal=portal, jti=jti, expires=expires))
        except IntegrityError as error:
            raise RequestError("request.replayed") from error

    def create(self, number: str, portal: str, verb: str, arrival: str, now: datetime) -> None:
        """A new transaction."""
        row = {"id": number, "portal": portal, "verb": verb, "arrival": arrival}
        with self._engine.begin() as connection:
            connection.execute(
                insert(TRANSACTION).values(**row, state=State.CREATED, created=now, changed=now)
            )
            audit.append(connection, "bridge.created", row)

    def change(self, number: str, state: State, problem: str | None, now: datetime) -> None:
        """A new state; it and its audit row stand or fall together."""
        with self._engine.begin() as connection:
            connection.execute(
                update(TRANSACTION)
                .where(TRANSACTION.c.id == number)
                .values(state=state, problem=problem, changed=now)
            )
            audit.append(connection, f"bridge.{state}", {"id": number, "problem": problem})

    def abandon(self, now: datetime) -> int:
        """Close what an earlier process left open; its documents are gone. Returns how many those were."""
        with self._engine.begin() as connection:
            left = connection.scalars(
                select(TRANSACTION.c.id).where(TRANSACTION.c.state.not_in(list(FINAL)))
            ).all()
        for number in left:
            self.change(number, State.FAILED, "request.released", now)
        return len(left)
