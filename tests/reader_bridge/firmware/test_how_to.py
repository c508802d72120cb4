"""The commands of the how-to on updating firmware, in its order, in one empty folder."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "update-reader-firmware.md"
TEGATA = [sys.executable, "-m", "tegata.cli"]


def commands() -> list[list[str]]:
    """Every ``$`` line of the page."""
    lines = re.findall(r"^\$ (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_the_commands_of_the_how_to(tmp_path: Path) -> None:
    environment = {**os.environ, "TEGATA_HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"}
    new, reader, *others = commands()
    run(new, tmp_path, environment)
    with subprocess.Popen(
        [*TEGATA, *reader[1:]],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as simulated:
        try:
            appear(tmp_path / "demo" / "tty")
            shown = [run(command, tmp_path, environment) for command in others]
        finally:
            simulated.send_signal(signal.SIGTERM)
    assert len(shown) == 8
    assert "1.0.0" in shown[0] and "1.1.0" in shown[1]
    assert "on trial" in shown[2]
    assert "confirmed" in shown[3]
    assert "1.1.0" in shown[4]
    assert shown[6] == ""


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    assert command[0] == "tegata"
    done = subprocess.run(
        [*TEGATA, *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def appear(path: Path) -> None:
    until = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.02)
