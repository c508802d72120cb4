"""The desk's process is killed at seeded moments; running the same command finishes the badge."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.apdu.errors import set_language
from tegata.cli import main
from tegata.provisioning.ledger import Ledger
from tegata.simulators.card.journal import FileStore
from tegata.simulators.presets import create

from .conftest import EMPLOYEE, BadgeDesk
from .test_tear_sweep import comparable

MOMENTS, SEED = 8, 20261123
COMMAND = [sys.executable, "-c", "import sys; from tegata.cli import main; sys.exit(main())"]


@pytest.fixture
def environment(badge_desk: BadgeDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The desk's files as a process finds them."""
    (tmp_path / "passphrase").write_text("correct horse battery staple\n")
    monkeypatch.setenv("TEGATA_KEYRING", f"file:{badge_desk.folder / 'keys.json'}")
    monkeypatch.setenv("TEGATA_CA", str(badge_desk.folder / "ca"))
    monkeypatch.setenv("TEGATA_KEYRING_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    yield tmp_path
    set_language(None)


def apply(card: Path, database: Path) -> list[str]:
    desk = ["--reader", f"sim:{card}", "--database", str(database), "--employee", EMPLOYEE]
    return ["badge", "apply", *desk, "--json"]


def fresh(badge_desk: BadgeDesk, path: Path) -> Path:
    """A ledger with the order and no card yet."""
    return Path(shutil.copyfile(badge_desk.folder / "template.db", path))


def content(card: Path) -> dict[str, bytes]:
    store = FileStore(card)
    store.close()
    return comparable(store.content)


def kill_at(card: Path, database: Path, size: int) -> int:
    """Run the command, kill it once the card file has this many bytes; its return code."""
    process = subprocess.Popen(
        [*COMMAND, *apply(card, database)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while process.poll() is None and card.stat().st_size < size:
        time.sleep(0.0002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode


def test_a_killed_desk_finishes_by_running_again(
    badge_desk: BadgeDesk, environment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One desk, one ledger for each moment; the same blank card begins each."""
    blank, model = environment / "blank.sim", environment / "model.sim"
    create("company-card", blank, seed=1)
    shutil.copyfile(blank, model)
    start = blank.stat().st_size
    assert main(apply(model, fresh(badge_desk, environment / "model.db"))) == 0
    end, expected = model.stat().st_size, content(model)
    chance = random.Random(SEED)  # noqa: S311 - a repeatable choice, not a secret
    killed = 0
    for number in range(MOMENTS):
        database = fresh(badge_desk, environment / f"{number}.db")
        card = Path(shutil.copyfile(blank, environment / f"{number}.sim"))
        killed += kill_at(card, database, chance.randrange(start + 1, end)) == -signal.SIGKILL
        capsys.readouterr()
        assert main(apply(card, database)) == 0
        assert json.loads(capsys.readouterr().out)["employee"] == EMPLOYEE
        assert content(card) == expected
        assert main(apply(card, database)) == 0
        assert json.loads(capsys.readouterr().out)["changed"] is False
        check_ledger(database)
    assert killed == MOMENTS


def check_ledger(path: Path) -> None:
    """One badge of each kind, one good certificate, no open intent, an unbroken chain."""
    ledger = Ledger.open(path)
    with ledger.read() as books:
        (card,) = books.cards()
        assert card.state == "active"
        assert books.intents(card.id) == []
        assert [badge.state for badge in books.badges(employee=EMPLOYEE)] == ["live", "live"]
        states = [certificate.state for certificate in books.certificates(employee=EMPLOYEE)]
        assert states.count("delivered") == 1
        assert set(states) <= {"delivered", "orphaned"}
    assert ledger.verify_audit() is None
    ledger.close()
