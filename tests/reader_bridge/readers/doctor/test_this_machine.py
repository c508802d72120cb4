"""The doctor on this machine: real ports (ptys), real processes, and the command itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tegata.cli import main
from tegata.reader_bridge.readers.doctor import Finding, Service, Severity, System
from tegata.reader_bridge.readers.doctor.examination import Doctor
from tegata.reader_bridge.readers.doctor.serial_checks import check_port, check_wire

HOLD = "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print(flush=True); sys.stdin.read()"
ACK = bytes.fromhex("0000FF00FF00")
PN532_FIRMWARE = bytes.fromhex("0000FF06FAD50332010607E800")


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(slave)
    os.close(master)


@contextmanager
def held(port: str) -> Iterator[subprocess.Popen[str]]:
    """Another program has the port open."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield holder
        holder.kill()


def by_check(found: list[Finding]) -> dict[str, Finding]:
    return {item.check: item for item in found}


def test_a_port_is_busy_as_long_as_a_program_has_it(pty: tuple[int, str], tmp_path: Path) -> None:
    port = pty[1]
    other_name = tmp_path / "reader"
    other_name.symlink_to(port)
    with held(port) as holder:
        for name in (port, str(other_name)):
            found = by_check(check_port(System(), name))["busy"]
            assert found.severity is Severity.PROBLEM
            assert f"({holder.pid})" in found.sentence
            assert f"({holder.pid})" in found.step
    assert by_check(check_port(System(), port))["busy"].severity is Severity.GOOD


def test_a_busy_port_is_not_asked(pty: tuple[int, str]) -> None:
    master, port = pty
    with held(port):
        found = Doctor(System(), Service).reader(f"pn532:{port}")
    assert "wire" not in by_check(found)
    os.set_blocking(master, False)
    with pytest.raises(BlockingIOError):
        os.read(master, 1)


def test_an_answer_on_the_wire(pty: tuple[int, str]) -> None:
    master, port = pty

    def chip() -> None:
        heard = b""
        while b"\xd4\x02\x2a" not in heard:
            heard += os.read(master, 64)
        os.write(master, ACK + PN532_FIRMWARE)

    answering = threading.Thread(target=chip, daemon=True)
    answering.start()
    found = check_wire(port, "pn532")
    answering.join(5)
    assert found.severity is Severity.GOOD
    assert "pn532 1.6" in found.sentence
    assert found.step == f"Use it as pn532:{port}"


def test_silence_on_the_wire(pty: tuple[int, str]) -> None:
    found = check_wire(pty[1], "pn532")
    assert found.severity is Severity.PROBLEM
    assert "Nothing answers" in found.sentence
    assert found.step.startswith("Check power")


@pytest.fixture
def _no_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", str(tmp_path / "nobody.comm"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.mark.usefixtures("_no_service")
def test_the_command_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["readers", "doctor", "pn532:/dev/ttyNOWHERE"]) == 193
    out, err = capsys.readouterr()
    assert " BAD   /dev/ttyNOWHERE does not exist" in out
    assert err.splitlines()[1].startswith("Plug the reader in")


@pytest.mark.parametrize("url", ["pn532:reader", "osdp:./reader", "./reader", "reader"])
def test_a_name_in_this_folder_is_a_port_as_well(
    pty: tuple[int, str], url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reader").symlink_to(pty[1])
    monkeypatch.chdir(tmp_path)
    found = Doctor(System(), Service).reader(url)
    assert not [item for item in found if item.severity is Severity.PROBLEM and item.check == "port"]
    assert {item.about for item in found} >= {str(tmp_path / "reader")}


@pytest.mark.usefixtures("_no_service")
def test_the_command_looks_at_the_whole_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["readers", "doctor"]) == 193
    out, err = capsys.readouterr()
    assert "PCSCLITE_CSOCK_NAME leads programs to" in out
    assert err.splitlines()[1] == "Run: unset PCSCLITE_CSOCK_NAME"


@pytest.mark.usefixtures("_no_service")
def test_the_command_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "ja", "readers", "doctor", "--json", "pcsc:"]) == 193
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert report["findings"][0]["severity"] == "problem"
    assert report["next_step"] == json.loads(err)["next_step"]
    assert report["next_step"].endswith("。")


def test_a_port_in_order_has_no_exit_code(
    pty: tuple[int, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert main(["readers", "doctor", f"osdp:{pty[1]}"]) == 0
    assert "Nothing is wrong." in capsys.readouterr().out
