"""The audit chain: one row an event, each holding the SHA-256 of the row before it.

A row is written in the caller's transaction: the event and its record stand or fall together. Its data
are hashes and ids, never names or numbers of people, so that a person can be erased and the chain still
verifies. The hash of a row is SHA-256 over the canonical JSON of ``[seq, time, kind, data, prev]``.

A chain shows what was altered or taken out of its middle. That its end was cut off shows only against
a copy of :func:`head` kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Integer, String, Table, Text, insert, select
from sqlalchemy.orm import Session

from .engine import metadata, now

__all__ = ["GENESIS", "AuditRow", "append", "canonical_json", "head", "verify"]

GENESIS = "0" * 64
"""What the first row names as the hash before it."""

METADATA = metadata()
AUDIT = Table(
    "audit",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("time", String(32), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("data", Text, nullable=False),
    Column("prev", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One event. ``data`` is canonical JSON, ``time`` RFC 3339 in UTC, hashes are hex."""

    seq: int
    time: str
    kind: str
    data: str
    prev: str
    hash: str

    @classmethod
    def make(cls, seq: int, time: str, kind: str, data: str, prev: str) -> AuditRow:
        """A row with its hash computed."""
        text = canonical_json([seq, time, kind, json.loads(data), prev])
        return cls(seq, time, kind, data, prev, hashlib.sha256(text.encode()).hexdigest())


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces, UTF-8. Raises TypeError for a float: its text is not unique."""
    _refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def append(connection: Connection | Session, kind: str, data: Mapping[str, Any]) -> AuditRow:
    """Add one event to the chain, in the caller's transaction."""
    seq, prev = head(connection)
    moment = now().isoformat(timespec="microseconds")
    row = AuditRow.make(seq + 1, moment, kind, canonical_json(dict(data)), prev)
    connection.execute(
        insert(AUDIT).values(
            seq=row.seq, time=row.time, kind=row.kind, data=row.data, prev=row.prev, hash=row.hash
        )
    )
    return row


def head(connection: Connection | Session) -> tuple[int, str]:
    """Number and hash of the last row; ``(0, GENESIS)`` of an empty chain."""
    last = connection.execute(
        select(AUDIT.c.seq, AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1).with_for_update()
    ).one_or_none()
    return (int(last.seq), str(last.hash)) if last is not None else (0, GENESIS)


def verify(connection: Connection | Session) -> int | None:
    """The number of the first row that is missing or altered; None when the chain is whole."""
    expected, prev = 1, GENESIS
    for row in connection.execute(select(AUDIT).order_by(AUDIT.c.seq)):
        found = AuditRow(*row)
        try:
            right = AuditRow.make(expected, found.time, found.kind, found.data, prev)
        except ValueError:
            return expected
        if found != right:
            return expected
        expected, prev = expected + 1, found.hash
    return None


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("an audit row holds no floating-point numbers")
    if isinstance(value, Mapping):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)
