"""``tegata readers`` where no service runs; tests/foreign runs it in front of a real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tegata.cli import main
from tegata.reader_bridge.share.pcsclite import PcscliteServer
from tegata.reader_bridge.share.slot import Slot


@pytest.fixture(autouse=True)
def _no_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", str(tmp_path / "nobody.comm"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.mark.parametrize("verb", [["readers"], ["readers", "list"]])
@pytest.mark.parametrize("json_flag", [[], ["--json"]])
def test_without_a_service(verb: list[str], json_flag: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb, *json_flag]) == 31
    said = capsys.readouterr()
    assert said.out == ""
    sentence = json.loads(said.err)["sentence"] if json_flag else said.err
    assert sentence.startswith("No card reader was found.")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["readers", "--help"]) == 0
    assert "  list " in capsys.readouterr().out


def test_brackets_in_a_name_are_shown(tmp_path: Path) -> None:
    name = "Identiv uTrust 3700 F [uTrust 3700 F] 00 00"
    path = tmp_path / "pcscd.comm"
    with PcscliteServer([Slot(name)], path):
        # In a process of its own: libpcsclite keeps the socket's name that it first met.
        listed = subprocess.run(
            [sys.executable, "-m", "tegata.cli", "readers", "list"],
            env={**os.environ, "PCSCLITE_CSOCK_NAME": str(path), "COLUMNS": "120"},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    assert name in listed.stdout
