"""Cards of several people in files, made once, and the command line as a person types it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tegata.apdu.errors import set_language
from tegata.cli import main
from tegata.simulators import presets
from tegata.simulators.card.journal import FileStore

JPKI, TEXT, VISUAL = "d392f000260100000001", "d3921000310001010408", "d3921000310001010402"
TEGATA = Path(sysconfig.get_path("scripts")) / "tegata"


@cache
def made(preset: str) -> dict[str, bytes]:
    """The memory of the card of a preset, the same in every test."""
    return presets.memory(preset, 7)


@dataclass(frozen=True)
class Card:
    """A card file and what a tester knows about it."""

    path: Path

    @property
    def url(self) -> str:
        return f"sim:{self.path}"

    def content(self) -> dict[str, bytes]:
        store = FileStore(self.path)
        try:
            return dict(store.content)
        finally:
            store.close()

    def _text(self, key: str) -> str:
        return self.content()[key].decode("ascii")

    @property
    def number(self) -> str:
        return self._text(f"app/{TEXT}/pin/0014")

    @property
    def check_number(self) -> str:
        return self._text(f"app/{VISUAL}/pin/0012")

    def tries(self, application: str, file: str) -> int:
        return self.content()[f"app/{application}/tries/{file}"][0]


NewCard = Callable[..., Card]


@pytest.fixture
def new_card(installation: Path, tmp_path: Path) -> NewCard:
    """A card of a preset (without its beginning ``my-number-card-``), with other content where given."""

    def make(name: str = "", *, called: str = "", changed: dict[str, bytes] | None = None) -> Card:
        preset = name if name.startswith("jpki") else f"my-number-card-{name}".rstrip("-")
        path = tmp_path / f"{called or name or 'adult'}.sim"
        presets.write(path, made(preset) | (changed or {}))
        return Card(path)

    return make


@dataclass
class Shell:
    """``tegata mynumber …`` in this process."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: object, code: int = 0, lang: str = "en") -> tuple[str, str]:
        self.capsys.readouterr()
        found = main(["--lang", lang, "mynumber", *map(str, words)])
        out, err = self.capsys.readouterr()
        assert found == code, (words, out, err)
        assert "Traceback" not in err
        return out, err


@pytest.fixture
def tegata(capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    yield Shell(capsys)
    set_language(None)


def at_terminal(words: list[str], typed: list[tuple[str, str]]) -> tuple[int, str]:
    """Run the program at a terminal; each pair is what to wait for and what to type then."""
    host, device = pty.openpty()
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        [TEGATA, *words], stdin=device, stdout=device, stderr=device, env=environment, start_new_session=True
    )
    os.close(device)
    shown = b""
    until = time.monotonic() + 60
    for wait_for, line in typed:
        seen = len(shown)
        while wait_for.encode() not in shown[seen:]:
            shown += _more(host, until)
        time.sleep(0.2)  # the prompt switches the echo off after it was written
        os.write(host, line.encode() + b"\n")
    while more := _more(host, until):
        shown += more
    os.close(host)
    return process.wait(30), shown.decode("utf-8", "replace")


def _more(host: int, until: float) -> bytes:
    ready, _, _ = select.select([host], [], [], max(0.0, until - time.monotonic()))
    assert ready, "the program says nothing more"
    try:
        return os.read(host, 4096)
    except OSError:  # the other side is closed
        return b""
