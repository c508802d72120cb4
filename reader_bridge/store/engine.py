"""Opening a database: SQLite in a file of one's own by default, PostgreSQL by URL.

SQLite runs in write-ahead mode with ``synchronous=FULL``: what a transaction committed is on the disk
before the next APDU leaves (https://sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, MetaData, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.types import DateTime, TypeDecorator

from ...apdu.errors import InputError

__all__ = ["NAMING_CONVENTION", "UtcDateTime", "metadata", "now", "open_engine", "reading"]

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names for all constraints: batch migrations can only alter what has a name."""

BUSY_SECONDS = 30
_READ_ONLY = "tegata_read_only"


def metadata() -> MetaData:
    """A fresh MetaData with the naming convention that every package of ours uses."""
    return MetaData(naming_convention=NAMING_CONVENTION)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in and out, kept as UTC on every database.

    Raises ValueError for a datetime without a time zone.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime for the database needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def open_engine(url_or_path: str | Path) -> Engine:
    """The engine for a SQLite file (a path) or for a database URL.

    A new file gets mode 0600. Transactions take SQLite's write lock at their start, so that none fails
    in its middle; :func:`reading` opens one that does not.
    Raises InputError ``store.url`` for a URL that names no database, ``store.open`` for a file that
    cannot be opened.
    """
    url = _url(url_or_path)
    if url.get_backend_name() != "sqlite":
        return _create_engine(url)
    if not url.database or url.database == ":memory:":
        raise InputError("store.url", url=str(url_or_path))
    _create_private(Path(url.database))
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def reading(engine: Engine) -> Connection:
    """A connection for reading only: it sees one consistent state and holds up no writer."""
    return engine.connect().execution_options(**{_READ_ONLY: True})


def _url(url_or_path: str | Path) -> URL:
    if isinstance(url_or_path, Path) or "://" not in url_or_path:
        return URL.create("sqlite", database=str(url_or_path))
    try:
        return make_url(url_or_path)
    except ArgumentError as error:
        raise InputError("store.url", url=url_or_path.partition("://")[0]) from error


def _create_engine(url: URL) -> Engine:
    try:
        return create_engine(url)
    except (NoSuchModuleError, ImportError) as error:  # no such database, or its driver is not installed
        raise InputError("store.url", url=url.get_backend_name()) from error


def _create_private(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise InputError("store.open", path=str(path), what=error.strerror) from error


def _on_connect(connection: Any, record: object) -> None:
    # Transactions are begun by _on_begin; Python's own implicit ones would leave out DDL and reads.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    # A deferred transaction that reads and then writes can fail at once when another writer was faster.
    read_only = connection.get_execution_options().get(_READ_ONLY)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
