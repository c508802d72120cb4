"""What the parts of a ledger transaction share: the connection, moves between states, audit rows."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Table, select

from ...apdu.errors import InputError
from ...reader_bridge.store import audit
from .tables import MOVES

__all__ = ["Part", "dumps", "loads"]


def dumps(value: Any) -> str:
    """JSON as the ledger keeps it: canonical, so that equal values are equal texts."""
    return audit.canonical_json(value)


def loads(text: str) -> Any:
    return json.loads(text)


class Part:
    """One set of methods on an open transaction; all parts of it share one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def audit(self, kind: str, **data: Any) -> None:
        """Add an event to the audit chain in this transaction: ids and hashes, never personal data."""
        audit.append(self._connection, kind, data)

    def _move(self, what: str, table: Table, key: Any, new: str, **values: Any) -> str:
        """Change the state of one row if that move is allowed, with an audit row; returns the old state.

        Raises InputError ``order.unknown`` or ``ledger.transition``.
        """
        column = next(iter(table.primary_key.columns))
        old = self._connection.scalar(select(table.c.state).where(column == key).with_for_update())
        if old is None:
            raise InputError("order.unknown", what=what, id=key)
        moves = MOVES[what]
        allowed = select(moves.c.new).where(moves.c.old == old, moves.c.new == new)
        if self._connection.scalar(allowed) is None:
            raise InputError("ledger.transition", what=what, id=key, old=old, new=new)
        self._connection.execute(table.update().where(column == key).values(state=new, **values))
        self.audit(f"{what}.{new}", id=key, old=old)
        return str(old)
