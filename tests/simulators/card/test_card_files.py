"""Card files in a hostile place: damaged, crafted, linked, replaced, on a full disk.

Nothing is lost silently.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tegata.apdu.errors import CardRemoved, InputError
from tegata.simulators.card import journal
from tegata.simulators.card.journal import MAGIC, FileStore
from tegata.simulators.card.kernel import Write
from tegata.simulators.card.lock import lock_file
from tegata.simulators.link import open_reader
from tegata.simulators.presets import memory

SELECT = bytes.fromhex("00A4040008A000000151000000")
PUT = [Write(f"key{number}", bytes((number,)) * 20) for number in range(6)]


def record(body: bytes) -> bytes:
    return struct.pack(">II", len(body), zlib.crc32(body)) + body


TORN = record(b"N\x00\x01a" + b"new" * 20)[:-30]
"""A torn write that leaves its first bytes, so that the file is written anew at power-up."""


def code(path: Path) -> str:
    """What opening the file says."""
    with pytest.raises(InputError) as caught:
        FileStore(path)
    assert str(caught.value)
    return caught.value.code


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A file with six writes after its first content."""
    store = FileStore.create(tmp_path / "card.sim", {"a": b"first"})
    for write in PUT:
        store.apply(write)
    store.close()
    return tmp_path / "card.sim"


# Damage


def test_a_damaged_byte_is_told_and_nothing_is_rewritten(written: Path) -> None:
    """A tear is at the end only. A flipped bit in the middle must not bring back an older card: its try
    counters would be full again."""
    whole = written.read_bytes()
    last = whole.rindex(record(b"P\x00\x04key5" + b"\x05" * 20))
    for place in range(len(MAGIC), last):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        written.write_bytes(damaged)
        assert code(written) in ("cardfile.damaged", "cardfile.foreign"), place
        assert written.read_bytes() == damaged


def test_a_damaged_last_record_is_told_when_it_is_whole(written: Path) -> None:
    damaged = bytearray(written.read_bytes())
    damaged[-1] ^= 1
    written.write_bytes(damaged)
    assert code(written) == "cardfile.damaged"


def test_zeros_that_a_crash_of_the_system_left_are_told(written: Path) -> None:
    with written.open("ab") as file:
        file.write(bytes(4096))
    assert code(written) == "cardfile.damaged"


CRAFTED = {
    "an operation nobody knows": record(b"X\x00\x01k"),
    "a key that is no text": record(b"P\x00\x02\xff\xfev"),
    "a key longer than its record": record(b"P\x00\x09kv"),
    "an empty record": record(b""),
    "a torn key that is no text": record(b"N\x00\x02\xff\xfevalue")[:-2],
    "a commit without a beginning": record(b"C"),
    "a beginning inside a transaction": record(b"B") + record(b"B") + record(b"C"),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_journal_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "card.sim"
    path.write_bytes(MAGIC + CRAFTED[name])
    assert code(path) in ("cardfile.damaged", "cardfile.foreign")


CONTENTS: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    "nothing": lambda content: {},
    "no policy": lambda content: {key: value for key, value in content.items() if key != "card/policy"},
    "a policy of another version": lambda content: {**content, "card/policy": b'{"quirk": 1}'},
    "no ATR": lambda content: {key: value for key, value in content.items() if "atr" not in key},
    "no issuer's domain": lambda content: {
        key: value for key, value in content.items() if b'"isd"' not in value
    },
    "a registry that is no JSON": lambda content: {**content, "registry/a0": b"{"},
    "an entry that is a list": lambda content: {**content, "registry/a0": b"[]"},
    "an application nobody knows": lambda content: {
        **content,
        "registry/a0": json.dumps(
            {"aid": "a0", "kind": "application", "life_cycle": 7, "model": "x"}
        ).encode(),
    },
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_that_holds_no_card_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "card.sim"
    FileStore.create(path, CONTENTS[name](memory("company-card", seed=1))).close()
    with pytest.raises(InputError) as caught:
        open_reader(str(path)).wait_for_card()
    assert caught.value.code == "cardfile.foreign"


# Places


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (Path("/dev/zero"), tmp_path / "fifo", tmp_path / "loop", tmp_path, tmp_path / ("x" * 300)):
        assert code(path) in ("cardfile.foreign", "cardfile.permission", "cardfile.missing")


def test_a_card_file_behind_a_link_stays_one_file(written: Path) -> None:
    """Rewritten at power-up, a file must stay where the link points, or there are two cards."""
    link = written.with_name("link.sim")
    link.symlink_to(written.name)
    with written.open("ab") as file:
        file.write(TORN)
    store = FileStore(link)
    store.apply(Write("new", b"value"))
    assert link.is_symlink()
    assert code(written) == "cardfile.locked"
    store.close()
    again = FileStore(written)
    assert again.content["new"] == b"value"
    again.close()


def test_the_copy_of_a_rewriting_follows_no_link(written: Path) -> None:
    victim = written.with_name("victim")
    victim.write_bytes(b"precious")
    written.with_name(written.name + ".new").symlink_to(victim)
    with written.open("ab") as file:
        file.write(TORN)
    FileStore(written).close()
    assert victim.read_bytes() == b"precious"
    assert [path.name for path in written.parent.glob("*.new")] == []


def test_a_file_replaced_while_it_is_opened_is_opened_anew(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other program finished rewriting and closed the old file between our open and our lock."""
    newer = written.with_name("newer")
    replaced = FileStore.create(newer, {"a": b"newer"})
    replaced.close()

    def lock_after_replacing(file: object, path: Path) -> None:
        if newer.exists():
            newer.replace(written)
        lock_file(file, path)  # type: ignore[arg-type] # a file

    monkeypatch.setattr(journal, "lock_file", lock_after_replacing)
    store = FileStore(written)
    assert store.content == {"a": b"newer"}
    store.apply(Write("b", b"kept"))
    store.close()
    again = FileStore(written)
    assert again.content["b"] == b"kept"
    again.close()


# A full disk


def limited(size: int) -> Callable[[], None]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


FULL = """
import sys
from pathlib import Path
from tegata.apdu.errors import InputError
from tegata.simulators.card.journal import FileStore
from tegata.simulators.card.kernel import BEGIN, COMMIT, Write
store = FileStore(Path(sys.argv[1]))
done = 0
try:
    for number in range(1000):
        store.apply(BEGIN)
        store.apply(Write(f"x{number % 7}", bytes((number % 251,)) * 50))
        store.apply(Write("n", b"%d" % number))
        store.apply(COMMIT)
        done = number
except InputError as error:
    print(error.code, done)
store.close()
"""


@pytest.mark.parametrize("room", [1, 60, 61, 100, 137, 300, 1000])
def test_a_full_disk_loses_what_was_refused_and_nothing_else(written: Path, room: int) -> None:
    size = written.stat().st_size
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(written)],
        preexec_fn=limited(size + room),
        capture_output=True,
        text=True,
        check=True,
    )
    name, done = run.stdout.split()
    assert (name, run.stderr) == ("cardfile.full", "")
    store = FileStore(written)
    assert store.content.get("n", b"0") == str(int(done)).encode()
    assert store.content["key5"] == PUT[5].value
    store.close()


def test_a_card_on_a_full_disk_answers_nothing(tmp_path: Path) -> None:
    """The answer must not leave before the write is kept, and the card has no power afterwards."""
    path = tmp_path / "card.sim"
    FileStore.create(path, memory("company-card", seed=1)).close()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    reader = open_reader(str(path))
    link = reader.wait_for_card()
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, hard))
    try:
        assert link.transmit(SELECT).endswith(b"\x90\x00")
        with pytest.raises(InputError) as caught:
            link.transmit(bytes.fromhex("8050000008") + bytes(8) + b"\x00")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.code == "cardfile.full"
    with pytest.raises(CardRemoved):
        link.transmit(SELECT)
    link.reset()
    assert link.transmit(SELECT).endswith(b"\x90\x00")
    reader.close()


def test_no_room_for_a_new_card_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "card.sim"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(InputError) as caught:
            FileStore.create(path, memory("company-card", seed=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.code == "cardfile.full"
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_a_rewriting_leaves_the_old_file(written: Path) -> None:
    with written.open("ab") as file:
        file.write(TORN)
    before = written.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30, hard))
    try:
        assert code(written) == "cardfile.full"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert written.read_bytes() == before
    assert [path.name for path in written.parent.iterdir()] == [written.name]
    FileStore(written).close()
    assert written.read_bytes() != before


@pytest.mark.parametrize("tail", [record(b"B"), record(b"B") + record(b"P\x00\x01av"), TORN[:13], TORN[:5]])
def test_recovery_that_only_drops_needs_no_room(written: Path, tail: bytes) -> None:
    before = written.read_bytes()
    with written.open("ab") as file:
        file.write(tail[:-1])
    FileStore(written).close()
    assert written.read_bytes() == before
