"""``tegata sim reader pn532``, as a person types it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tegata.apdu.errors import CardRemoved, InputError
from tegata.reader_bridge.frames.pn532 import TO_CHIP, TO_HOST, WAKE_UP, Decoder, Frame, encode
from tegata.reader_bridge.readers.serial_port import SerialPort
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.kernel import Write
from tegata.simulators.commands import sim
from tegata.simulators.link import SimulatedLink

JPKI, SELECT_PIN = "00A4040C0AD392F000260100000001", "00A4020C020018"


def run(*words: str) -> Result:
    return CliRunner().invoke(sim, ["reader", "pn532", *words])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["company-card", "--uid", "01020304" * 2], "a UID has 4, 7 or 10 bytes, got 8"),
        (["company-card", "--type", "b", "--uid", "01020304050607"], "a PUPI has 4 bytes, got 7"),
        (["company-card", "--uid", "xyz"], "is not hexadecimal"),
        (["company-card", "--type", "c"], "'c' is not one of 'a', 'b'"),
    ],
)
def test_words_that_do_not_fit(words: list[str], said: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.output


def test_a_card_that_is_none() -> None:
    error = run("no-such-card").exception
    assert isinstance(error, InputError)
    assert error.code == "share.preset"


def ask(port: SerialPort, data: str) -> str:
    """The data of the answer to one command."""
    decoder = Decoder()
    port.write(encode(TO_CHIP, bytes.fromhex(data), wake_up=WAKE_UP))
    while piece := port.read(10):
        for item in decoder.feed(piece):
            if isinstance(item, Frame):
                assert item.tfi == TO_HOST
                return item.data.hex().upper()
    raise AssertionError("no answer within ten seconds")


def test_over_tcp_with_a_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    command = [sys.executable, "-m", "tegata.cli", "sim", "reader", "pn532", "company-card"]
    options = ["--tcp", "127.0.0.1:0", "--uid", "01020304", "--trace", str(trace)]
    with subprocess.Popen(command + options, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            with SerialPort(process.stdout.readline().strip()) as port:
                assert ask(port, "4A0100") == "4B0101000420" + "0401020304" + "0A7880A0028073C821D3"
                assert ask(port, "400100A4040000") == "41006F108408A000000151000000A5049F6501FF9000"
        finally:
            process.terminate()
        assert process.wait(30) == 0
    assert trace.read_text(encoding="ascii").splitlines()[-2] == "00A4040000"


def test_a_card_torn_at_a_write_keeps_what_was_written(my_number_memory: dict[str, bytes]) -> None:
    """A wrong PIN is counted before it is compared: torn right after that write, the try is spent."""
    card: SimulatedCard

    class Torn(MemoryStore):
        def apply(self, write: Write) -> None:
            super().apply(write)
            hand = threading.Thread(target=card.tear)
            hand.start()
            hand.join()

    card = SimulatedCard(Torn(my_number_memory))
    link = SimulatedLink(card)

    def say(command: str) -> str:
        return link.transmit(bytes.fromhex(command)).hex().upper()

    for command in (JPKI, SELECT_PIN):
        say(command)
    with pytest.raises(CardRemoved):
        say("0020008004" + b"9999".hex())
    assert not card.powered
    assert card.writes_done == 1
    link.reset()
    for command in (JPKI, SELECT_PIN):
        say(command)
    assert say("00200080") == "63C2"
