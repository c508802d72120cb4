"""The commands of the how-to on updating firmware, in its order, in one empty folder."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tegata.cli import main

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "update-reader-firmware.md"


def commands() -> list[list[str]]:
    """Every ``$`` line of the page."""
    lines = re.findall(r"^\$ (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_the_commands_of_the_how_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    new, reader, *others = commands()
    run(new, capsys)
    with subprocess.Popen(
        [sys.executable, "-m", "tegata.cli", *reader[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as simulated:
        try:
            appear(tmp_path / "demo" / "tty")
            shown = [run(command, capsys) for command in others]
        finally:
            simulated.send_signal(signal.SIGTERM)
    assert len(shown) == 8
    assert "1.0.0" in shown[0] and "1.1.0" in shown[1]
    assert "on trial" in shown[2]
    assert "confirmed" in shown[3]
    assert "1.1.0" in shown[4]
    assert shown[6] == ""


def run(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command printed that ended well."""
    capsys.readouterr()
    code = main(command[1:])
    shown = capsys.readouterr()
    assert (command[0], code) == ("tegata", 0), f"{command}: {shown.err}"
    return shown.out


def appear(path: Path) -> None:
    until = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.02)
