"""What the commands of ``tegata sim reader`` share: their options, and a line hosted until a signal."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from tegata.apdu.errors import CardRemoved, InputError, ReaderError
from tegata.reader_bridge.readers.serial_port import SerialPort
from tegata.reader_bridge.share.wire import Wire
from tegata.simulators.devices.faults import parse_fault
from tegata.simulators.reader_host import LineOptions, held_card, host, line_options


class Echo:
    """A firmware that sends back what it gets."""

    def run(self, wire: Wire) -> None:
        while True:
            wire.write(wire.read())


def _given(*words: str) -> tuple[Result, list[LineOptions]]:
    got: list[LineOptions] = []

    @click.command()
    @line_options
    def command(line: LineOptions) -> None:
        got.append(line)

    return CliRunner().invoke(command, words), got


def test_options_become_a_line() -> None:
    _, got = _given("--line", "/x", "--fault", "lose:to-device:3", "--fault", "corrupt:to-host:1:0x80")
    fault = parse_fault("corrupt:to-host:1:0x80")
    assert got == [LineOptions(Path("/x"), None, (parse_fault("lose:to-device:3"), fault))]
    assert _given("--tcp", "localhost:0")[1] == [LineOptions(None, ("localhost", 0))]
    assert _given("--tcp", "[::1]:7000")[1] == [LineOptions(None, ("::1", 7000))]
    assert _given("--tcp", "192.0.2.1:7000", "--any-network")[1] == [LineOptions(None, ("192.0.2.1", 7000))]


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "somewhere.example:80"])
def test_the_network_is_kept_out_unless_meant(address: str) -> None:
    error = _given("--tcp", address)[0].exception
    assert isinstance(error, InputError)
    assert error.code == "simreader.network"


@pytest.mark.parametrize(
    "words",
    [
        ["--tcp", "nowhere"],
        ["--tcp", "127.0.0.1:66000"],
        ["--line", "/x", "--tcp", "127.0.0.1:0"],
        ["--fault", "lose"],
        ["--fault", "break:to-host:1"],
        ["--fault", "lose:to-host:one"],
    ],
)
def test_words_that_do_not_fit(words: list[str]) -> None:
    assert _given(*words)[0].exit_code == 2


def _hosted(line: LineOptions, visit: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Host an echo; once its name is printed, echo once per visit, then send the signal ``visit`` names."""
    printed = threading.Event()
    name = ""
    echo = click.echo

    def visitor() -> None:
        try:
            assert printed.wait(10)
            with SerialPort(name) as port:
                port.write(b"x")
                visit.append(port.read(5).decode())
        finally:
            os.kill(os.getpid(), signal.SIGUSR1)

    def say(text: str) -> None:
        nonlocal name
        name = text
        echo(text)
        printed.set()

    def on_signal() -> None:
        visit.append("SIGUSR1")
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=visitor)
    thread.start()
    host(Echo(), line, "echo", {"SIGUSR1": on_signal}, say=say)
    thread.join(10)
    assert capsys.readouterr().out == name + "\n"
    return name


@pytest.mark.parametrize("where", ["pty", "tcp", "chosen"])
def test_a_line_is_hosted_until_a_signal(
    where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"pty": LineOptions(tmp_path / "tty"), "tcp": LineOptions(tcp=("127.0.0.1", 0))}
    visit: list[str] = []
    name = _hosted(options.get(where, LineOptions()), visit, capsys)
    assert "".join(visit) == "xSIGUSR1"
    assert name.startswith("socket://127.0.0.1:") if where == "tcp" else not Path(name).exists()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_cable_that_a_fault_pulled_is_put_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = LineOptions(tmp_path / "tty", faults=(parse_fault("unplug:to-device:0"),))
    seen: list[bytes] = []
    printed = threading.Event()
    until = time.monotonic() + 10

    def visitor() -> None:
        try:
            assert printed.wait(10)
            with SerialPort(str(line.path)) as port:
                port.write(b"x")
            while not seen and time.monotonic() < until:
                with suppress(ReaderError), SerialPort(str(line.path)) as port:
                    port.write(b"y")
                    seen.extend(filter(None, [port.read(0.5)]))
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=visitor)
    thread.start()
    host(Echo(), line, "echo", say=lambda _: printed.set())
    thread.join(10)
    assert seen == [b"y"]


@pytest.mark.parametrize("taken", ["file", "folder-is-missing", "live-line"])
def test_a_name_that_is_taken_or_impossible_is_refused(taken: str, tmp_path: Path) -> None:
    path = tmp_path / "tty"
    if taken == "file":
        path.write_text("precious")
    elif taken == "live-line":
        path.symlink_to("/dev/null")
    else:
        path = tmp_path / "missing" / "tty"
    with pytest.raises(InputError) as caught:
        host(Echo(), LineOptions(path), "echo")
    assert caught.value.code == "simreader.line"
    assert taken != "file" or path.read_text() == "precious"


def test_a_held_card_can_be_torn_and_put_back(tmp_path: Path) -> None:
    with held_card("company-card", "contactless", tmp_path / "trace") as card:
        select = bytes.fromhex("00A40400 00")
        assert card.link.transmit(select)[-2:] == b"\x90\x00"
        card.tear()
        with pytest.raises(CardRemoved):
            card.link.transmit(select)
        card.link.reset()
        assert card.link.transmit(select)[-2:] == b"\x90\x00"
    assert (tmp_path / "trace").read_text().count("00A40400") == 3
