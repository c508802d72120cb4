"""The database engine, the migrations and the audit chain, on real SQLite files."""

import hashlib
import json
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, Table, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError

from tegata.apdu.errors import InputError
from tegata.reader_bridge.store import Settings, UtcDateTime, audit, metadata, open_engine, upgrade
from tegata.reader_bridge.store.engine import reading
from tegata.reader_bridge.store.migrations import STORE_MIGRATIONS


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(tmp_path / "a 100% new.db")
    upgrade(engine, STORE_MIGRATIONS)
    yield engine
    engine.dispose()


def pragma(engine: Engine, name: str) -> object:
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_the_file_is_durable_and_private(engine: Engine, tmp_path: Path) -> None:
    assert pragma(engine, "journal_mode") == "wal"
    assert pragma(engine, "synchronous") == 2  # FULL
    assert pragma(engine, "foreign_keys") == 1
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize("url", ["sqlite://", ":memory:", "nonsense://", "://"])
def test_a_url_without_a_database_is_one_sentence(url: str) -> None:
    with pytest.raises(InputError) as caught:
        open_engine(url)
    assert caught.value.code == "store.url"


def test_a_path_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_engine(tmp_path / "missing" / "x.db")
    assert caught.value.code == "store.open"


def test_datetimes_are_aware_and_utc(engine: Engine) -> None:
    table = Table("moments", metadata(), Column("moment", UtcDateTime))
    table.create(engine)
    moment = datetime(2026, 4, 1, 9, 0, 0, 123456, tzinfo=timezone(timedelta(hours=9)))
    with engine.begin() as connection:
        connection.execute(insert(table).values(moment=moment))
        found = connection.scalar(select(table.c.moment))
        assert found == datetime(2026, 4, 1, 0, 0, 0, 123456, tzinfo=UTC)
        assert found.tzinfo is UTC
    with engine.begin() as connection, pytest.raises(Exception, match="time zone"):
        connection.execute(insert(table).values(moment=datetime(2026, 4, 1)))  # noqa: DTZ001


def test_foreign_keys_are_enforced_and_named(engine: Engine) -> None:
    data = metadata()
    Table("parent", data, Column("id", Integer, primary_key=True))
    child = Table("child", data, Column("parent", ForeignKey("parent.id")), Column("x", String, unique=True))
    data.create_all(engine)
    with engine.begin() as connection, pytest.raises(IntegrityError):
        connection.execute(insert(child).values(parent=7))
    assert inspect(engine).get_foreign_keys("child")[0]["name"] == "fk_child_parent_parent"
    assert inspect(engine).get_unique_constraints("child")[0]["name"] == "uq_child_x"


def test_migrations_match_the_tables_and_run_twice(engine: Engine) -> None:
    upgrade(engine, STORE_MIGRATIONS)
    columns = {column["name"] for column in inspect(engine).get_columns("audit")}
    assert columns == {column.name for column in audit.AUDIT.columns}
    assert "migrated_reader_bridge_store_audit_migrations" in inspect(engine).get_table_names()
    assert pragma(engine, "foreign_keys") == 1


def test_a_row_stands_or_falls_with_the_callers_transaction(engine: Engine) -> None:
    with engine.connect() as connection:
        transaction = connection.begin()
        audit.append(connection, "x.y", {"id": 1})
        transaction.rollback()
    with engine.begin() as connection:
        assert audit.head(connection) == (0, audit.GENESIS)
        audit.append(connection, "x.y", {"id": 1})
    with engine.begin() as connection:
        assert audit.head(connection)[0] == 1


def test_the_hash_is_what_its_documentation_says(engine: Engine) -> None:
    with engine.begin() as connection:
        first = audit.append(connection, "card.put_key", {"z": [1, None, True], "a": "鍵"})
        second = audit.append(connection, "b", {})
    assert first.data == '{"a":"鍵","z":[1,null,true]}'
    plain = f'[1,"{first.time}","card.put_key",{first.data},"{"0" * 64}"]'
    assert first.hash == hashlib.sha256(plain.encode()).hexdigest()
    assert second.prev == first.hash
    assert datetime.fromisoformat(first.time).tzinfo is not None


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("UPDATE audit SET data='{\"id\":9}' WHERE seq=3", 3),
        ("UPDATE audit SET kind='other' WHERE seq=1", 1),
        ("UPDATE audit SET time='2020-01-01T00:00:00+00:00' WHERE seq=5", 5),
        ("UPDATE audit SET data='not json' WHERE seq=2", 2),
        ("DELETE FROM audit WHERE seq=4", 4),
        ("DELETE FROM audit WHERE seq=1", 1),
        ("UPDATE audit SET data='{\"id\": 2}' WHERE seq=3", None),
    ],
)
def test_verify_finds_the_first_altered_row(engine: Engine, change: str, broken: int | None) -> None:
    with engine.begin() as connection:
        for number in range(5):
            audit.append(connection, "count", {"id": number})
        assert audit.verify(connection) is None
        connection.exec_driver_sql(change)
    with engine.begin() as connection:
        # spaces in the JSON change nothing that was said: the hash is over its canonical form
        assert audit.verify(connection) == broken


def test_floats_are_refused(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(TypeError):
        audit.append(connection, "x", {"deep": [{"f": 0.1}]})


def test_threads_and_processes_append_one_chain(engine: Engine) -> None:
    def work() -> None:
        for number in range(10):
            with engine.begin() as connection:
                audit.append(connection, "thread", {"n": number})

    program = (
        "import sys; from tegata.reader_bridge.store import audit, open_engine\n"
        "engine = open_engine(sys.argv[1])\n"
        "for n in range(10):\n"
        "    with engine.begin() as c: audit.append(c, 'process', {'n': n})\n"
    )
    other = subprocess.Popen([sys.executable, "-c", program, str(engine.url.database)])
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.wait(60) == 0
    with reading(engine) as connection:
        assert audit.verify(connection) is None
        assert audit.head(connection)[0] == 30


def test_readers_do_not_wait_for_a_writer(engine: Engine) -> None:
    with engine.begin() as writer:
        audit.append(writer, "x", {})
        with reading(engine) as connection:
            assert audit.head(connection) == (0, audit.GENESIS)


def test_settings_follow_the_environment(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    settings = Settings.load({"TEGATA_HOME": str(home)})
    assert settings.file("tegata.db") == home / "tegata.db"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    if sys.platform == "linux":
        assert Settings.load({"XDG_DATA_HOME": "/somewhere"}).home == Path("/somewhere/tegata")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as caught:
        Settings.load({"TEGATA_HOME": str(tmp_path / "file" / "x")}).file("y")
    assert caught.value.code == "store.home"


def test_the_sentences_are_filled() -> None:
    error = InputError("store.audit", path="x.db", seq=4)
    assert error.sentence("en") == "The audit chain of x.db is broken at row 4."
    assert "4" in error.sentence("ja")
    assert json.dumps(error.details)


def test_update_of_the_audit_table_is_possible_only_by_hand(engine: Engine) -> None:
    """The module offers no way to change a row: what changes one is visible to verify."""
    with engine.begin() as connection:
        audit.append(connection, "x", {})
        connection.execute(update(audit.AUDIT).values(kind="y"))
        assert audit.verify(connection) == 1
