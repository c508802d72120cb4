"""The PIN letter: what it says, who may read it, and that asking for it leaves a trace."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tegata.apdu import InputError
from tegata.cli import main
from tegata.provisioning.issuance import Desk, apply, begin_work
from tegata.provisioning.issuance.letter import pin_letter
from tegata.simulators.card import SimulatedCard

from .conftest import EMPLOYEE, BadgeDesk, link

PIV = "app/a000000308000010000100/"
NewCard = Callable[..., SimulatedCard]


@pytest.fixture
def card(desk: Desk, new_card: NewCard) -> SimulatedCard:
    """A finished badge."""
    made = new_card()
    apply(begin_work(desk, link(made), employee=EMPLOYEE))
    return made


def test_the_digits_are_those_on_the_card(desk: Desk, card: SimulatedCard) -> None:
    letter = pin_letter(desk.ledger, desk.ring, EMPLOYEE)
    assert letter.name == "佐藤 花子"
    for usage, length in (("piv-pin", 6), ("piv-puk", 8)):
        digits = letter.digits[usage].reveal()
        assert len(digits) == length
        assert card.store.content[PIV + usage.removeprefix("piv-")] == digits.ljust(8, b"\xff")


def test_asking_leaves_a_trace_without_digits(desk: Desk, card: SimulatedCard) -> None:
    before, _ = desk.ledger.check_audit()
    letter = pin_letter(desk.ledger, desk.ring, EMPLOYEE)
    after, _ = desk.ledger.check_audit()
    assert after == before + 1
    with desk.ledger.engine.connect() as connection:
        rows = str(connection.exec_driver_sql("SELECT * FROM audit WHERE kind = 'badge.pin_letter'").all())
    assert rows.count("badge.pin_letter") == 1
    assert letter.digits["piv-puk"].reveal().decode() not in rows


@pytest.mark.parametrize("employee", [EMPLOYEE, "999999", ""])
def test_no_letter_without_a_finished_badge(desk: Desk, employee: str) -> None:
    before = desk.ledger.check_audit()
    with pytest.raises(InputError) as refused:
        pin_letter(desk.ledger, desk.ring, employee)
    assert refused.value.code == "badge.no_letter"
    assert desk.ledger.check_audit() == before


@pytest.fixture
def settings(
    badge_desk: BadgeDesk, desk: Desk, card: SimulatedCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """The desk as the command line finds it."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse battery staple\n")
    monkeypatch.setenv("TEGATA_KEYRING_PASSPHRASE_FILE", str(passphrase))
    monkeypatch.setenv("TEGATA_KEYRING", f"file:{badge_desk.folder / 'keys.json'}")
    monkeypatch.setenv("TEGATA_DATABASE", str(desk.ledger.engine.url.database))
    monkeypatch.setenv("TEGATA_LANG", "en")
    return ["badge", "pin-letter", "--employee", EMPLOYEE]


def test_a_file_of_its_own(
    settings: list[str], card: SimulatedCard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "letter.txt"
    assert main([*settings, "--output", str(target)]) == 0
    assert target.stat().st_mode & 0o777 == 0o600
    pin = card.store.content[PIV + "pin"].rstrip(b"\xff").decode()
    puk = card.store.content[PIV + "puk"].decode()
    assert target.read_text() == f"Employee {EMPLOYEE} 佐藤 花子\nPIN {pin}\nPUK {puk}\n"
    assert main([*settings, "--output", str(target)]) == 43
    captured = capsys.readouterr()
    assert pin not in captured.out + captured.err


def test_a_pipe_gets_nothing(settings: list[str], desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    before = desk.ledger.check_audit()
    assert main(settings) == 190
    assert capsys.readouterr().out == ""
    assert desk.ledger.check_audit() == before


def test_a_terminal_shows_it(settings: list[str], card: SimulatedCard) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "tegata.cli", *settings], stdout=theirs, stderr=theirs, timeout=60, check=False
    )
    os.close(theirs)
    shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert done.returncode == 0, shown
    assert f"PIN {card.store.content[PIV + 'pin'].rstrip(bytes([0xFF])).decode()}\r\n" in shown
