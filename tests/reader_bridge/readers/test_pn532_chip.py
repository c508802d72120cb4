"""The line rules of the PN532 driver, against a firmware that only reads a script of literal bytes."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tegata.apdu.errors import ReaderError
from tegata.reader_bridge.frames.pn532_commands import Code
from tegata.reader_bridge.readers.pn532.chip import Chip, LineTrouble
from tegata.reader_bridge.readers.serial_port import SerialPort
from tegata.reader_bridge.share.line import PtyLine, TcpLine
from tegata.reader_bridge.share.wire import Wire

ACK = "0000FF00FF00"
STOP = "55" + ACK
NACK = "0000FFFF0000"
ERROR = "0000FF01FF7F8100"
GET_VERSION = "0000FF02FED4022A00"
VERSION = "0000FF06FAD50332010607E800"
# InCommunicateThru of VERIFY without data, and the card's 9000 behind an I-block.
VERIFY = "0000FF07F9D44202002000804800"
ANSWER = "0000FF06FAD543000290005600"
OTHER_ANSWER = "0000FF06FAD543000263C0C300"
DIAGNOSE = "0000FF07F9D40000(........)..00"


class Script:
    """Reads what it has a line for, and writes what stands beside it. ``heard`` keeps everything."""

    def __init__(self, *lines: tuple[str, str]) -> None:
        self._lines = list(lines)
        self.heard = ""
        self.unread = ""
        self._told = threading.Event()

    def run(self, wire: Wire) -> None:
        while True:
            piece = wire.read().hex().upper()
            self.heard += piece
            self.unread += piece
            while self._lines and (found := re.match(self._lines[0][0], self.unread)):
                self.unread = self.unread[found.end() :]
                answer = self._lines.pop(0)[1]
                wire.write(bytes.fromhex(echo(found[1]) if answer == "ECHO" else answer))
            if not self._lines:
                self._told.set()

    @property
    def done(self) -> bool:
        """Whether every line was read, and nothing else; waits for the slow."""
        return self._told.wait(5) and not self.unread


def echo(token: str) -> str:
    """ACK, and the answer to Diagnose with that token."""
    check = -(0xD5 + 0x01 + sum(bytes.fromhex(token))) & 0xFF
    return f"{ACK}0000FF07F9D50100{token}{check:02X}00"


@contextmanager
def chip_with(path: Path, *lines: tuple[str, str]) -> Iterator[tuple[Chip, Script]]:
    script = Script(*lines)
    with PtyLine(script, path / "tty") as line, SerialPort(str(line.path)) as port:
        chip = Chip(port)
        chip.clean = True
        yield chip, script
        assert line.failure is None


FIRMWARE = bytes.fromhex("32010607")
BLOCK = bytes.fromhex("02002000" + "80")
OK = bytes.fromhex("00029000")


def once(chip: Chip) -> bytes:
    return chip.once(Code.IN_COMMUNICATE_THRU, BLOCK, timeout=0.05)


def test_a_command_and_its_answer(tmp_path: Path) -> None:
    with chip_with(tmp_path, (GET_VERSION, ACK + VERSION), (VERIFY, ACK + ANSWER)) as (chip, script):
        assert chip.command(Code.GET_FIRMWARE_VERSION) == FIRMWARE
        assert once(chip) == OK
        assert chip.clean and script.done


def test_over_a_network_line_as_well() -> None:
    with TcpLine(Script((GET_VERSION, ACK + VERSION))) as line, SerialPort(line.url) as port:
        chip = Chip(port)
        chip.clean = True
        assert chip.command(Code.GET_FIRMWARE_VERSION) == FIRMWARE


@pytest.mark.parametrize(
    "spoiled",
    [
        ANSWER[:-4] + "5700",  # DCS
        ANSWER[:4] + "EE" + ANSWER[6:],  # start code
        ANSWER[:6] + "07" + ANSWER[8:],  # LEN
        ANSWER[:16] + ANSWER[18:],  # a byte lost
        ANSWER[:4] + ANSWER[6:],  # the start code's second byte lost
        ANSWER[:14] + ANSWER[16:],  # a byte 00 lost: the checksum, moved up, does not show it
    ],
)
def test_a_spoiled_answer_is_asked_for_again_and_the_command_not_sent_again(
    tmp_path: Path, spoiled: str
) -> None:
    lines = (
        (VERIFY, ACK + spoiled),
        (NACK, ANSWER),
        (STOP, ""),
        (DIAGNOSE, "ECHO"),
        (GET_VERSION, ACK + VERSION),
    )
    with chip_with(tmp_path, *lines) as (chip, script):
        assert once(chip) == OK
        assert not chip.clean
        assert chip.command(Code.GET_FIRMWARE_VERSION) == FIRMWARE
        assert script.done and script.heard.count(VERIFY) == 1


def test_a_zero_too_many_is_seen_where_the_checksum_is_zero_too(tmp_path: Path) -> None:
    right, doubled = "0000FF06FAD5430002E6000000", "0000FF06FAD543000002E6000000"
    lines = (VERIFY, ACK + right), (VERIFY, ACK + doubled), (NACK, right)
    with chip_with(tmp_path, *lines) as (chip, script):
        assert once(chip) == bytes.fromhex("0002E600")
        assert chip.clean
        assert once(chip) == bytes.fromhex("0002E600")
        assert script.done and not chip.clean


def test_an_answer_without_its_ack_is_taken_on_a_clean_line(tmp_path: Path) -> None:
    with chip_with(tmp_path, (VERIFY, ANSWER)) as (chip, _):
        assert once(chip) == OK
        assert not chip.clean


@pytest.mark.parametrize("answer", ["", ACK, ACK[:6], ACK + ANSWER[:6], "0000FF00AA00"])
def test_what_is_lost_is_lost_and_not_sent_again(tmp_path: Path, answer: str) -> None:
    with chip_with(tmp_path, (VERIFY, answer)) as (chip, script):
        with pytest.raises(LineTrouble):
            once(chip)
        assert script.done and script.heard == VERIFY


def test_a_late_answer_is_not_taken_for_that_of_the_next_command(tmp_path: Path) -> None:
    """The answer to the first comes when the second is about to go: the echo of a token tells them apart."""
    lines = (VERIFY, ACK), (STOP, OTHER_ANSWER), (DIAGNOSE, OTHER_ANSWER), (STOP, ""), (DIAGNOSE, "ECHO")
    with chip_with(tmp_path, *lines, (VERIFY, ACK + ANSWER)) as (chip, script):
        with pytest.raises(LineTrouble):
            once(chip)
        assert once(chip) == OK
        assert script.done


GUARDED_PROBE = "0000FF03FDD400002C5500"[:-2]
GUARDED_VERIFY = VERIFY[:-2] + "55"


def test_a_chip_that_takes_any_postamble_gets_one_that_shows_a_lost_byte(tmp_path: Path) -> None:
    lines = (GUARDED_PROBE, ACK + "0000FF03FDD501002A00"), (GUARDED_VERIFY, ACK + ANSWER)
    with chip_with(tmp_path, *lines) as (chip, script):
        chip.learn_postambles()
        assert once(chip) == OK
        assert script.done


def test_a_chip_that_wants_its_postamble_gets_it(tmp_path: Path) -> None:
    lines = (GUARDED_PROBE, ""), (STOP, ""), (DIAGNOSE, "ECHO"), (VERIFY, ACK + ANSWER)
    with chip_with(tmp_path, *lines) as (chip, script):
        chip.learn_postambles()
        assert once(chip) == OK
        assert script.done


def test_a_harmless_command_goes_again(tmp_path: Path) -> None:
    lines = (GET_VERSION, ""), (STOP, ""), (DIAGNOSE, "ECHO"), (GET_VERSION, ACK + VERSION)
    with chip_with(tmp_path, *lines) as (chip, script):
        assert chip.command(Code.GET_FIRMWARE_VERSION) == FIRMWARE
        assert script.done


def test_a_syntax_error_is_said(tmp_path: Path) -> None:
    with chip_with(tmp_path, (GET_VERSION, ACK + ERROR)) as (chip, _):
        with pytest.raises(ReaderError) as caught:
            chip.command(Code.GET_FIRMWARE_VERSION)
        assert caught.value.code == "pn532.rejected"


def test_silence_is_one_sentence(tmp_path: Path) -> None:
    with chip_with(tmp_path) as (chip, _):
        with pytest.raises(ReaderError) as caught:
            chip.command(Code.GET_FIRMWARE_VERSION)
        assert caught.value.code == "line.silent"


def test_a_chip_that_talks_without_end_is_left(tmp_path: Path) -> None:
    class Chatter:
        def run(self, wire: Wire) -> None:
            while True:
                wire.write(bytes.fromhex(OTHER_ANSWER) * 20)
                wire.read(0)

    with PtyLine(Chatter(), tmp_path / "tty") as line, SerialPort(str(line.path)) as port:
        with pytest.raises(ReaderError) as caught:
            Chip(port).command(Code.GET_FIRMWARE_VERSION)
        assert caught.value.code == "line.silent"
