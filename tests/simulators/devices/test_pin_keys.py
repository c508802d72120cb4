"""The keys of a simulated PIN pad: a pipe, a terminal, cancel, silence, and nobody."""

from __future__ import annotations

import os
import pty
import select
import termios
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner

from tegata.apdu import InputError
from tegata.reader_bridge.share.gemcore import PinCancelled, PinRequest, PinTimeout, Prompt
from tegata.simulators.commands import sim
from tegata.simulators.devices.pin_keys import PinKeys


def request(seconds: float = 5.0) -> PinRequest:
    return PinRequest(Prompt.PIN, 4, 8, seconds)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_a_line_is_an_entry(pipe: tuple[int, int]) -> None:
    keys = PinKeys(pipe[0])
    os.write(pipe[1], b"1234\n 567890 \r\ncancel\n\n42")
    assert [keys(request()).reveal() for _ in range(2)] == [b"1234", b"567890"]
    for _ in range(2):
        with pytest.raises(PinCancelled):
            keys(request())
    with pytest.raises(PinTimeout):
        keys(request(0.05))
    os.write(pipe[1], b"42\n")
    assert keys(request()).reveal() == b"4242"


def test_the_end_of_the_input_and_too_much_of_it_cancel(pipe: tuple[int, int]) -> None:
    keys = PinKeys(pipe[0])
    os.write(pipe[1], b"1" * 1000)
    with pytest.raises(PinCancelled):
        keys(request())
    os.close(pipe[1])
    with pytest.raises(PinCancelled):
        keys(request())
    os.close(pipe[0])
    with pytest.raises(PinCancelled):
        keys(request())


def test_a_reader_that_loses_power_cancels(pipe: tuple[int, int]) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(PinCancelled):
        PinKeys(pipe[0])(PinRequest(Prompt.NEW, 4, 8, 5.0, cancelled=cancelled))


def test_a_terminal_shows_nothing_and_forgets_what_was_typed_before() -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    shown = threading.Event()
    keys = PinKeys(slave, lambda _: shown.set())
    os.write(master, b"9999\n")
    assert select.select([slave], [], [], 5)[0]
    with ThreadPoolExecutor(1) as hand:
        entry = hand.submit(keys, request())
        assert shown.wait(5)
        os.write(master, b"1234\n")
        assert entry.result(5).reveal() == b"1234"
    assert termios.tcgetattr(slave) == before
    assert b"1234" not in os.read(master, 100)
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("gempc-pinpad company-card --type-pin", "simreader.keys"),
        ("gempc-pinpad company-card --pin-fd 7777", "simreader.keys"),
        ("gempc-twin no-such-card", "share.preset"),
    ],
)
def test_what_cannot_be_simulated(arguments: str, code: str) -> None:
    result = CliRunner().invoke(sim, ["reader", *arguments.split()])
    assert isinstance(result.exception, InputError) and result.exception.code == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("gempc-pinpad company-card --pin-fd 0 --type-pin", "not both"),
        ("gemcore-pos-pro - - - - - -", "5 slots"),
    ],
)
def test_mistakes(arguments: str, said: str) -> None:
    result = CliRunner().invoke(sim, ["reader", *arguments.split()])
    assert result.exit_code == 2 and said in result.output
