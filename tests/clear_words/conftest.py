"""A badge desk in a folder, made once and copied for each test: what is refused must leave it as it was."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tegata.apdu.errors import set_language
from tegata.cli import main
from tegata.simulators.apps.security_domain.keystore import set_record
from tegata.simulators.card.journal import MAGIC, FileStore
from tegata.simulators.presets import create, memory

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
ROSTER, PROFILE = ROOT / "examples" / "roster.csv", ROOT / "examples" / "badge-profile.toml"
FIRST, SECOND, EXPIRED, HOLDER = "000101", "000102", "000119", "000121"
FACTORY_KEYS = "app/a000000151000000/key/ff"


@dataclass(frozen=True)
class Place:
    """A desk's folder: key ring, CA, ledger and card files."""

    folder: Path

    def sim(self, name: str, options: str = "") -> str:
        """The URL of a card file."""
        return f"sim:{self.folder / name}.sim{options}"

    def state(self) -> dict[str, object]:
        """All that must not change: each card's memory, the ledger's rows, every other file.

        A card counts its INITIALIZE UPDATEs; that alone may move.
        """
        found: dict[str, object] = {}
        for path in sorted(self.folder.rglob("*")):
            if not path.is_file() or path.name.endswith(("-wal", "-shm")) or path.parent.name == "locks":
                continue
            raw = path.read_bytes()
            name = str(path.relative_to(self.folder))
            if raw.startswith(MAGIC):
                found[name] = card_memory(path)
            elif raw.startswith(b"SQLite"):
                found[name] = rows(path)
            else:
                found[name] = raw
        return found


def card_memory(path: Path) -> dict[str, bytes]:
    """What a card file holds, without the sequence counters."""
    copy = path.with_suffix(".copy")
    shutil.copyfile(path, copy)
    store = FileStore(copy)
    try:
        return {name: value for name, value in store.content.items() if "/sequence/" not in name}
    finally:
        store.close()
        copy.unlink()


def rows(path: Path) -> list[str]:
    """A database as SQL."""
    database = sqlite3.connect(path)
    try:
        return list(database.iterdump())
    finally:
        database.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One order of 22 lines; ``issued`` and ``expired`` are finished badges, ``torn`` is half a badge."""
    place = Place(tmp_path_factory.mktemp("desk"))
    (place.folder / "passphrase").write_text("a passphrase for tests\n")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        stack.callback(set_language, None)
        at_desk(place, patch)
        ca = ("--organization", "Example K.K.", "--base-url", "http://127.0.0.1:9/ca")
        run("keyring", "init", str(place.folder / "keys.json"))
        run("ca", "init", *ca)
        run("orders", "create", "--roster", str(ROSTER), "--profile", str(PROFILE))
        for name, seed in (("issued", 1), ("torn", 2), ("expired", 3), ("blank", 4)):
            create("company-card", place.folder / f"{name}.sim", seed=seed)
        run("badge", "apply", "--reader", place.sim("issued"), "--employee", FIRST)
        run("badge", "apply", "--reader", place.sim("torn", "?cut=20.inside"), "--employee", SECOND, code=12)
        run("badge", "apply", "--reader", place.sim("expired"), "--employee", EXPIRED)
        create("my-number-card-with-free-space", place.folder / "holder.sim", seed=5)
        create("my-number-card-with-free-space", place.folder / "stranger.sim", seed=6)
        run("badge", "bind", "--reader", place.sim("holder"), "--employee", HOLDER)
        _foreign(place)
    return place


def _foreign(place: Place) -> None:
    """A card of somebody else: the maker's keys are other ones."""
    content = memory("company-card", 7)
    assert FACTORY_KEYS in content
    content[FACTORY_KEYS] = set_record(*(bytes([number]) * 16 for number in (0x51, 0x52, 0x53)))
    FileStore.create(place.folder / "foreign.sim", content).close()


def run(*arguments: str, code: int = 0) -> None:
    assert main(arguments) == code, arguments


def at_desk(place: Place, patch: pytest.MonkeyPatch) -> None:
    """The environment of a person at this desk."""
    patch.setenv("TEGATA_DATABASE", str(place.folder / "ledger.db"))
    patch.setenv("TEGATA_KEYRING", f"file:{place.folder / 'keys.json'}")
    patch.setenv("TEGATA_CA", str(place.folder / "ca"))
    patch.setenv("TEGATA_KEYRING_PASSPHRASE_FILE", str(place.folder / "passphrase"))
    patch.setenv("LANG", "C.UTF-8")
    patch.delenv("LC_ALL", raising=False)


@pytest.fixture
def place(template: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A copy of the desk, with the environment set for it."""
    copied = Place(Path(shutil.copytree(template.folder, tmp_path / "desk")))
    at_desk(copied, monkeypatch)
    yield copied
    set_language(None)
