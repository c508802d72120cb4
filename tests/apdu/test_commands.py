"""``tegata apdu send`` and ``tegata apdu shell`` on simulated cards."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tegata.apdu.ports import open_reader
from tegata.apdu.trace import Dump
from tegata.cli import main

SELECT_ISD = "00A4040008A00000015100000000"


@pytest.fixture
def reader(tmp_path: Path) -> str:
    file = tmp_path / "card.sim"
    assert main(["sim", "new", "company-card", str(file)]) == 0
    return f"sim:{file}"


def test_send_says_what_it_sends_and_gets(reader: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["apdu", "send", "--reader", reader, SELECT_ISD, "00 A4 04 00 05 F0 01 02 03 04 00"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"> {SELECT_ISD}  SELECT ISD"
    assert lines[1].startswith("< 6F")
    assert lines[1].endswith("9000 done, 18 bytes")
    assert lines[2:6] == [
        "    6F file control information",
        "      84 DF name: A000000151000000  (ISD)",
        "      A5 proprietary information",
        "        9F65 longest command data: FF",
    ]
    assert lines[6].endswith("SELECT F001020304")
    assert lines[7] == "< 6A82  6A82 there is no such application or file"


def test_send_from_standard_input_as_json(
    reader: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    capsys.readouterr()
    monkeypatch.setattr(
        "sys.stdin", io.StringIO(f"# the issuer security domain\n{SELECT_ISD}\n\n80CA9F7F00\n")
    )
    assert main(["apdu", "send", "--reader", reader, "--json"]) == 0
    selected, cplc = json.loads(capsys.readouterr().out)
    assert selected["asked"] == "SELECT ISD"
    assert (cplc["command"], cplc["sw"], cplc["data"][:6]) == ("80CA9F7F00", "9000", "9F7F2A")


def test_raw_sends_malformed_bytes(reader: str, capsys: pytest.CaptureFixture[str]) -> None:
    malformed = "00A4040009A000"
    assert main(["apdu", "send", "--reader", reader, malformed]) == 101
    capsys.readouterr()
    assert main(["apdu", "send", "--reader", reader, "--raw", malformed]) == 0
    assert "6700" in capsys.readouterr().out


def test_a_trace_is_written_without_the_pin(
    reader: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "trace.txt"
    commands = [SELECT_ISD, "002000800431323334"]
    assert main(["apdu", "send", "--reader", reader, "--trace", str(trace), *commands]) == 0
    text = trace.read_text()
    assert "31323334" not in text
    assert [command for command, _ in Dump.parse(text).exchanges] == [SELECT_ISD, "0020008004********"]


@pytest.mark.parametrize(
    "command", ["002000800431323334", "00240080083132333434333231", "80D8008101AA", "102000800431323334"]
)
def test_secrets_go_to_simulated_cards_only(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    # Refused before a reader is looked for: the URL names none.
    assert main(["apdu", "send", "--reader", "pcsc:no such reader", SELECT_ISD, command]) == 100
    said = capsys.readouterr()
    assert command[10:] not in said.out + said.err


def test_asking_for_the_tries_left_is_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apdu", "send", "--reader", "pcsc:no such reader", "00200080"]) in range(30, 40)


@pytest.mark.parametrize("text", ["00A", "zz", "00", "00A4040005F001"])
def test_what_is_no_apdu(text: str, reader: str) -> None:
    assert main(["apdu", "send", "--reader", reader, text]) == 101


def test_the_shell_works_from_a_pipe(
    reader: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    capsys.readouterr()
    typed = ["help", "atr", "", "# comment", "select isd", "select nonsense", "select F001020304"]
    typed += ["80CA9F7F00", "xyz", "reset", "quit", "00A4"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(typed)))
    assert main(["apdu", "shell", "--reader", reader]) == 0
    said = capsys.readouterr()
    place = open_reader(reader)
    atr = place.wait_for_card(1).atr.hex().upper()
    place.close()
    assert said.out.count(f"{atr}  T=") == 2
    assert "SELECT ISD" in said.out
    assert "SELECT F001020304" in said.out
    assert "GET DATA 9F7F" in said.out
    assert "select NAME|AID" in said.out
    assert said.out.splitlines()[-1].startswith(atr)
    assert len(said.err.splitlines()) == 2


@pytest.mark.parametrize("arguments", [["apdu"], ["apdu", "send"], ["apdu", "shell"]])
def test_help_teaches(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--help"]) == 0
    assert "Usage: tegata apdu" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["0020008005 31323334", "0020008004 31323334X"])
def test_a_mistyped_verify_is_refused_without_its_digits(
    reader: str, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    capsys.readouterr()
    monkeypatch.setattr("sys.stdin", io.StringIO(line))
    assert main(["apdu", "shell", "--reader", reader]) == 0
    said = capsys.readouterr()
    assert "00200080" in said.err
    assert "313233" not in said.err + said.out


@pytest.mark.parametrize("place", ["/dev/full", "/no/such/folder/trace"])
def test_a_trace_that_cannot_be_written_is_said(
    reader: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["apdu", "send", "--reader", reader, "--trace", place, SELECT_ISD]) == 129
    assert place in capsys.readouterr().err
