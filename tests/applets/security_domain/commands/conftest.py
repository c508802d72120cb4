"""``tegata gp`` as a person types it, on company cards in files; every test has a ledger of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tegata.apdu.errors import set_language
from tegata.cli import main
from tegata.provisioning.ledger import Ledger
from tegata.simulators import presets
from tegata.simulators.card import FileStore

KEY = "00112233445566778899AABBCCDDEEFF"
OTHER_KEY = "F0E1D2C3B4A5968778695A4B3C2D1E0F"
CARD = "000054476019FB385A8B3B2B"


@cache
def company_card() -> dict[str, bytes]:
    return presets.memory("company-card", 7)


def content(path: Path) -> dict[str, bytes]:
    store = FileStore(path)
    try:
        return dict(store.content)
    finally:
        store.close()


@dataclass
class Gp:
    """``tegata gp`` in this process; ``folder`` holds card, key files and ledger."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def card(self) -> Path:
        return self.folder / "card.sim"

    @property
    def ledger(self) -> Path:
        return self.folder / "home" / "ledger.db"

    def new_card(self) -> None:
        self.card.unlink(missing_ok=True)
        presets.write(self.card, company_card())

    def key_file(self, name: str, key: str = KEY) -> Path:
        path = self.folder / name
        path.write_text(f'key = "{key}"\n')
        path.chmod(0o600)
        return path

    def __call__(self, *words: object, code: int = 0, lang: str = "en", reader: str = "") -> tuple[str, str]:
        self.capsys.readouterr()
        url = reader or f"sim:{self.card}"
        found = main(["--lang", lang, "gp", "--reader", url, *map(str, words)])
        out, err = self.capsys.readouterr()
        assert found == code, (words, out, err)
        assert "Traceback" not in err
        return out, err

    def json(self, *words: object, code: int = 0) -> dict[str, Any]:
        out, _ = self("--json", *words, code=code)
        value: dict[str, Any] = json.loads(out)
        assert set(value) == {"card", "dry_run", "channel", "verbs"}
        return value

    def verb(self, *words: object) -> dict[str, Any]:
        """The one verb of a JSON answer."""
        (found,) = self.json(*words)["verbs"]
        assert isinstance(found, dict)
        return found

    def books(self) -> tuple[str, list[tuple[str, str]], dict[int, str]]:
        """What the ledger knows: state of the card, its intents and their states, states of its key sets."""
        ledger = Ledger.open(self.ledger)
        try:
            with ledger.read() as books:
                (card,) = books.cards()
                intents = books.intents(card.id, states=("open", "done", "abandoned"))
                keys = books.keys(card.id, states=("intended", "live", "previous", "gone"))
        finally:
            ledger.close()
        return card.state, [(one.step, one.state) for one in intents], {k.ref.version: k.state for k in keys}


@pytest.fixture
def gp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Gp]:
    monkeypatch.setenv("TEGATA_HOME", str(tmp_path / "home"))
    shell = Gp(tmp_path, capsys)
    shell.new_card()
    yield shell
    set_language(None)
