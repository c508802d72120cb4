"""The root command: what an error looks like on the way out."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import click
import pytest

from tegata import cli as cli_module
from tegata.apdu.errors import CardRemoved, set_language
from tegata.cli import cli, main


@pytest.fixture(autouse=True)
def locale(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """English unless a test says otherwise; the language chosen by a test does not outlive it."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.delenv("TEGATA_DEBUG", raising=False)
    yield
    set_language(None)


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Puts a function behind ``tegata sim``, as a command with ``--json``, in place of the real one."""

    def install(function: Callable[[], object]) -> None:
        @click.command()
        @click.option("--json", "as_json", is_flag=True)
        @click.argument("rest", nargs=-1)
        def sim(as_json: bool, rest: tuple[str, ...]) -> object:
            return function()

        monkeypatch.setattr(cli_module, "PROBE", sim, raising=False)
        monkeypatch.setitem(cli_module.SUBCOMMANDS, "sim", cli_module.Subcommand("cli:PROBE", "A probe."))

    return install


def removed() -> None:
    raise CardRemoved(what="PUT KEY")


def test_an_error_is_a_sentence_a_next_step_and_an_exit_code(probe, capsys) -> None:
    probe(removed)
    assert main(["sim"]) == 12
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "The card was taken away during PUT KEY.\n"
        "Put the same card back and run the command again; work that was begun is continued.\n"
    )


def test_an_error_speaks_japanese(probe, capsys) -> None:
    probe(removed)
    assert main(["--lang", "ja", "sim"]) == 12
    assert capsys.readouterr().err.startswith("PUT KEY の途中でカードが離れました。\n")


def test_the_locale_chooses_the_language(probe, capsys, monkeypatch) -> None:
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    probe(removed)
    assert main(["sim"]) == 12
    assert "離れました" in capsys.readouterr().err


def test_a_script_gets_the_error_as_an_object(probe, capsys) -> None:
    probe(removed)
    assert main(["sim", "--json"]) == 12
    assert json.loads(capsys.readouterr().err) == {
        "code": "card.removed",
        "exit_code": 12,
        "sentence": "The card was taken away during PUT KEY.",
        "next_step": "Put the same card back and run the command again; work that was begun is continued.",
        "details": {"what": "PUT KEY"},
    }


def test_json_asked_of_another_program_is_not_asked_of_us(probe, capsys) -> None:
    probe(removed)
    assert main(["sim", "--", "program", "--json"]) == 12
    assert capsys.readouterr().err.startswith("The card was taken away")


def test_a_defect_is_a_sentence_and_says_nothing_of_what_was_typed(probe, capsys) -> None:
    def defect() -> None:
        raise ValueError("PIN 4711")

    probe(defect)
    assert main(["sim"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("tegata met an error of its own.")
    assert "Traceback" not in err and "4711" not in err


def test_a_defect_is_traced_on_request(probe, capsys, monkeypatch) -> None:
    def defect() -> None:
        raise ValueError("a length of -1")

    monkeypatch.setenv("TEGATA_DEBUG", "1")
    probe(defect)
    assert main(["sim"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err and "ValueError: a length of -1" in err


def test_the_user_stops_it(probe, capsys) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    probe(stopped)
    assert main(["sim"]) == 130
    assert capsys.readouterr().err.strip() == "Stopped."


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_unwinds_it(probe, capsys, name: str) -> None:
    number, unwound = getattr(signal, name), []

    def ended() -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            unwound.append(name)

    probe(ended)
    assert main(["sim"]) == 128 + number
    assert unwound == [name]
    assert capsys.readouterr().err.strip() == "Stopped."
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_second_signal_does_not_cut_the_unwinding_off(probe) -> None:
    unwound = []

    def ended() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            unwound.append("all")

    probe(ended)
    assert main(["sim"]) == 128 + signal.SIGTERM
    assert unwound == ["all"]
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_a_signal_passes_through_an_event_loop(probe) -> None:
    async def ended() -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        await asyncio.sleep(5)

    probe(lambda: asyncio.run(ended()))
    assert main(["sim"]) == 128 + signal.SIGTERM


def test_a_signal_that_is_ignored_stays_so(probe) -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        probe(lambda: os.kill(os.getpid(), signal.SIGHUP))
        assert main(["sim"]) == 0
    finally:
        signal.signal(signal.SIGHUP, former)


@pytest.mark.parametrize(
    "arguments", [["nosuch"], ["--nosuch"], ["--lang", "fr", "sim"], ["sim", "--nosuch"]]
)
def test_wrong_usage(probe, capsys, arguments: list[str]) -> None:
    probe(removed)
    assert main(arguments) == 2
    assert "Usage: tegata" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "code"), [(None, 0), (0, 0), (7, 7), (True, 0), ("text", 0)])
def test_a_command_may_return_its_exit_code(probe, value: object, code: int) -> None:
    probe(lambda: value)
    assert main(["sim"]) == code


def test_help_imports_no_subcommand() -> None:
    script = (
        "import sys\n"
        "from tegata.cli import main\n"
        "code = main(['--help'])\n"
        "loaded = [name for name in sys.modules if name.endswith('.commands') and 'tegata.' in name]\n"
        "sys.exit(code or bool(loaded))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for name in cli_module.SUBCOMMANDS:
        assert f"\n  {name} " in result.stdout


def test_a_reader_that_goes_away_is_no_news() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as gone:
        result = subprocess.run(
            [sys.executable, "-c", "import sys; from tegata.cli import main; sys.exit(main(['--help']))"],
            stdout=gone,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (result.returncode, result.stderr) == (1, b"")


def test_every_subcommand_has_one_line_of_help() -> None:
    assert list(cli.commands) == []
    for name, entry in cli_module.SUBCOMMANDS.items():
        assert entry.summary.endswith("."), name
        assert len(entry.summary) <= 65, name
