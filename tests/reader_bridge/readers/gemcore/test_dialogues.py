"""Our GemCore driver in dialogues of literal bytes: readers that echo or do not, that ask for time, that
answer late, twice, to somebody else, or never.

The frames are those that libccid and its readers exchange; nothing of our simulated readers is in them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tegata.apdu.errors import CardRemoved, MalformedResponse, ReaderError, TegataError
from tegata.apdu.ports import PinPad, TransmissionProtocol
from tegata.reader_bridge.readers.gemcore.reader import GemCoreLink, GemCoreReader
from tegata.reader_bridge.readers.gemcore.transport import Timing, Unanswered
from tegata.reader_bridge.share.line import PtyLine
from tegata.reader_bridge.share.wire import Wire

TIMING = Timing(answer=0.4, power=0.4, card=0.4, pin=0.8, longest=1.5, gap=0.05, damaged=0.2, patience=0.05)
ATR_T0 = bytes.fromhex("3B00")
ATR_T1 = bytes.fromhex("3B90118131FE458A")
TWIN = b"GemTwin-V2.10-GM01"
PINPAD = b"GemPinPad-V1.02"
R_BLOCK = bytes.fromhex("00820082")
"""No error told but that no block came: N(R) is 0."""
VERIFY = bytes.fromhex("002000800431323334")


def framed(message: bytes) -> bytes:
    check = 0x03 ^ 0x06
    for byte in message:
        check ^= byte
    return b"\x03\x06" + message + bytes([check])


def reply(asked: bytes, data: bytes = b"", *, status: int = 0, error: int = 0) -> bytes:
    """The message that answers ``asked``."""
    kind = {0x62: 0x80, 0x6F: 0x80, 0x69: 0x80, 0x61: 0x82, 0x6B: 0x83}.get(asked[0], 0x81)
    return bytes([kind, len(data), 0, 0, 0, asked[5], asked[6], status, error, 0]) + data


Answer = Callable[[bytes], bytes | None]
"""Bytes on the line for a message of the host; None for what the reader does of itself."""


class Firmware:
    """A reader in literal bytes. ``special`` answers what it wants to, the rest is answered as usual."""

    def __init__(
        self, special: Answer, atr: bytes = ATR_T0, name: bytes = TWIN, *, echo: bool = True
    ) -> None:
        self.special, self.atr, self.name, self.echo = special, atr, name, echo
        self.asked: list[bytes] = []
        self.naks = 0

    def of(self, kind: int) -> list[bytes]:
        """The data of the messages of this kind, in order."""
        return [message[10:] for message in self.asked if message[0] == kind]

    def run(self, wire: Wire) -> None:
        rest = b""
        while True:
            rest += wire.read()
            while rest[:3] == b"\x03\x15\x16":
                self.naks += 1
                rest = rest[3:]
            while len(rest) >= 13 and len(rest) >= 13 + rest[3]:
                frame, rest = rest[: 13 + rest[3]], rest[13 + rest[3] :]
                assert framed(frame[2:-1]) == frame
                message = frame[2:-1]
                self.asked.append(message)
                own = self.special(message)
                if own is not None:
                    wire.write(own)
                else:
                    wire.write((frame if self.echo else b"") + framed(self._usual(message)))

    def _usual(self, message: bytes) -> bytes:
        match message[0]:
            case 0x62:
                return reply(message, self.atr)
            case 0x65:
                return reply(message, status=0)
            case 0x6B:
                known = {b"\x02": self.name, b"\x01\x01\x01": b""}.get(message[10:])
                return reply(message, status=0x41) if known is None else reply(message, known)
            case 0x6F if message[11] == 0xC1:
                return reply(message, bytes.fromhex("00E101FE1E"))
            case 0x6F if message[10] == 0xFF:
                return reply(message, message[10:])
            case 0x61:
                return reply(message, message[10:])
        return reply(message, status=1)


class Opened:
    """The driver on such a reader, with the card powered."""

    def __init__(self, firmware: Firmware, folder: Path) -> None:
        self.firmware = firmware
        self.line = PtyLine(firmware, folder / "tty")
        self.reader = GemCoreReader(str(self.line.path), timing=TIMING)
        self.link: GemCoreLink = self.reader.wait_for_card(1)

    def __enter__(self) -> GemCoreLink:
        return self.link

    def __exit__(self, *_: object) -> None:
        self.reader.close()
        self.line.close()
        assert self.line.failure is None


def on_apdu(answer: Callable[[bytes], bytes]) -> Answer:
    """``answer`` for T=0 APDUs alone."""
    return lambda message: answer(message) if message[0] == 0x6F else None


def test_the_start_is_what_stock_readers_know(tmp_path: Path) -> None:
    firmware = Firmware(lambda _: None, ATR_T1)
    with Opened(firmware, tmp_path) as link:
        assert link.info.protocol is TransmissionProtocol.T1
        assert link.atr == ATR_T1
    kinds = [message[0] for message in firmware.asked]
    assert firmware.of(0x6B) == [b"\x02", b"\x01\x01\x01", b"\x6a"]
    assert firmware.of(0x6F) == [bytes.fromhex("00C101FE3E")]
    assert firmware.of(0x61) == [bytes.fromhex("1110004500FE00")]
    assert kinds[-1] == 0x63


def test_a_faster_card_is_asked_for_its_speed(tmp_path: Path) -> None:
    firmware = Firmware(lambda _: None, bytes.fromhex("3B90958131FE450E"))
    with Opened(firmware, tmp_path) as link:
        assert link.info.protocol is TransmissionProtocol.T1
    assert firmware.of(0x6F) == [bytes.fromhex("FF11957B"), bytes.fromhex("00C101FE3E")]
    assert firmware.of(0x61) == [bytes.fromhex("9510004500FE00")]


def test_a_card_that_does_not_take_its_own_speed_is_read_slowly(tmp_path: Path) -> None:
    firmware = Firmware(
        lambda message: (
            framed(reply(message, status=0x40, error=0xFE)) if message[10:11] == b"\xff" else None
        ),
        bytes.fromhex("3B90958131FE450E"),
    )
    with Opened(firmware, tmp_path):
        assert firmware.of(0x61) == [bytes.fromhex("1110004500FE00")]
    assert len(firmware.of(0x62)) == 3


@pytest.mark.parametrize(
    "around",
    [
        lambda message: framed(reply(message, b"\x90\x00")),
        lambda message: framed(message) + framed(reply(message, b"\x90\x00")),
        lambda message: framed(message[:1] + bytes(4) + message[5:10]) + framed(reply(message, b"\x90\x00")),
        lambda message: b"\x50\x03" + framed(message) + b"\x50\x02" + framed(reply(message, b"\x90\x00")),
        lambda message: framed(message) + b"\x80\xff\x93" + framed(reply(message, b"\x90\x00")),
        lambda message: (
            framed(message)
            + framed(reply(message, status=0x80, error=1))
            + framed(message)
            + framed(reply(message, b"\x90\x00"))
        ),
        lambda message: (
            framed(reply(bytes([*message[:6], message[6] ^ 1]), b"\x63\xc2"))
            + framed(reply(message, b"\x90\x00"))
        ),
        lambda message: (
            framed(reply(bytes([*message[:5], 1, message[6]]), b"\x63\xc2"))
            + framed(reply(message, b"\x90\x00"))
        ),
        lambda message: framed(message)[:-1] + b"\x99" + framed(reply(message, b"\x90\x00")),
        lambda message: framed(message)[4:] + framed(reply(message, b"\x90\x00")),
    ],
    ids=[
        "no echo",
        "echo",
        "echo of the header",
        "card movements",
        "requests for time",
        "time extension",
        "an answer to an earlier command",
        "an answer of another slot",
        "a damaged echo",
        "a part of an echo",
    ],
)
def test_what_may_stand_around_an_answer(around: Callable[[bytes], bytes], tmp_path: Path) -> None:
    firmware = Firmware(on_apdu(around))
    with Opened(firmware, tmp_path) as link:
        assert link.transmit(VERIFY) == b"\x90\x00"
    assert firmware.of(0x6F) == [VERIFY]


@pytest.mark.parametrize(
    "answer",
    [
        lambda message: b"",
        lambda message: b"\x03\x15\x16",
        lambda message: framed(reply(message, b"\x90\x00"))[:-1] + b"\x00",
        lambda message: framed(reply(message, b"\x90\x00"))[:-3],
        lambda message: framed(reply(message, b"\x90\x00"))[1:],
        lambda message: framed(reply(message, b"\x90\x00")) + b"\x00",
        lambda message: framed(reply(message, b"\x90\x00")[:1] + b"\xff\xff\xff\xff"),
        lambda message: framed(reply(bytes([*message[:6], message[6] ^ 1]), b"\x90\x00")),
        lambda message: b"\x80" * 5000,
        lambda message: b"\x03\x06" * 3000,
        lambda message: bytes(range(256)) * 40,
    ],
    ids=[
        "nothing",
        "NAK",
        "wrong check byte",
        "cut off",
        "no beginning",
        "a byte too many",
        "another length",
        "another number",
        "a flood of time requests",
        "a flood of beginnings",
        "noise",
    ],
)
def test_a_pin_is_sent_once_whatever_comes_back(answer: Callable[[bytes], bytes], tmp_path: Path) -> None:
    firmware = Firmware(on_apdu(answer))
    began = time.monotonic()
    with Opened(firmware, tmp_path) as link:
        with pytest.raises(Unanswered) as caught:
            link.transmit(VERIFY)
        assert caught.value.code == "gemcore.unanswered"
        assert "1234" not in str(caught.value)
    assert firmware.of(0x6F) == [VERIFY]
    assert time.monotonic() - began < 6


def test_a_reader_that_asks_for_time_for_ever_is_left_in_the_end(tmp_path: Path) -> None:
    class Patient(Firmware):
        def run(self, wire: Wire) -> None:
            self.wire = wire
            super().run(wire)

    def stall(message: bytes) -> bytes:
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            firmware.wire.write(framed(reply(message, status=0x80, error=1)))
            firmware.wire.read(0.05)
        return b""

    firmware = Patient(on_apdu(stall))
    with Opened(firmware, tmp_path) as link, pytest.raises(Unanswered):
        link.transmit(VERIFY)
    assert firmware.of(0x6F) == [VERIFY]


def test_a_slot_that_is_still_busy_is_asked_until_it_answers(tmp_path: Path) -> None:
    """The answer to VERIFY is lost; the R-block comes while the card still works on it."""
    blocks: list[bytes] = []

    def special(message: bytes) -> bytes | None:
        if message[0] != 0x6F or message[11] & 0xC0 == 0xC0:
            return None
        blocks.append(message[10:])
        if len(blocks) == 1:
            return b""
        if len(blocks) < 5:
            return framed(reply(message, status=0x40, error=0xE0))
        return framed(reply(message, bytes.fromhex("000002900092")))

    with Opened(Firmware(special, ATR_T1), tmp_path) as link:
        assert link.transmit(VERIFY) == b"\x90\x00"
    assert blocks == [bytes.fromhex("000009") + VERIFY + blocks[0][-1:], *[R_BLOCK] * 4]


def test_an_answer_that_came_damaged_is_asked_for_by_nak(tmp_path: Path) -> None:
    class Repeats(Firmware):
        def run(self, wire: Wire) -> None:
            rest = b""
            while True:
                rest += wire.read()
                if rest.endswith(b"\x03\x15\x16"):
                    self.naks += 1
                    wire.write(self.last)
                    rest = b""
                elif len(rest) >= 13 and len(rest) >= 13 + rest[3]:
                    message, rest = rest[2:-1], b""
                    self.asked.append(message)
                    whole = reply(message, b"\x90\x00") if message[0] == 0x6F else self._usual(message)
                    self.last = framed(whole)
                    wire.write(self.last[:-1] + b"\x00" if message[0] == 0x6F else self.last)

    firmware = Repeats(lambda _: None)
    with Opened(firmware, tmp_path) as link:
        assert link.transmit(VERIFY) == b"\x90\x00"
    assert (firmware.of(0x6F), firmware.naks) == ([VERIFY], 1)


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (0x42, 0xFE, CardRemoved),
        (0x41, 0xFE, CardRemoved),
        (0x40, 0xFE, "gemcore.mute"),
        (0x40, 0xFD, "gemcore.mute"),
        (0x40, 0xFB, "gemcore.refused"),
        (0x40, 0x0A, "gemcore.refused"),
        (0x40, 0x00, "gemcore.refused"),
    ],
)
def test_what_the_reader_says_is_told(
    status: int, error: int, expected: type[TegataError] | str, tmp_path: Path
) -> None:
    firmware = Firmware(on_apdu(lambda message: framed(reply(message, status=status, error=error))))
    with Opened(firmware, tmp_path) as link, pytest.raises(TegataError) as caught:
        link.transmit(VERIFY)
    if isinstance(expected, str):
        assert caught.value.code == expected
    else:
        assert isinstance(caught.value, expected)
    assert firmware.of(0x6F) == [VERIFY]


@pytest.mark.parametrize("data", [b"", b"\x90"])
def test_an_answer_without_status_word_is_malformed(data: bytes, tmp_path: Path) -> None:
    firmware = Firmware(on_apdu(lambda message: framed(reply(message, data))))
    with Opened(firmware, tmp_path) as link, pytest.raises(MalformedResponse):
        link.transmit(VERIFY)


def test_a_pin_entry_is_asked_as_stock_drivers_ask(tmp_path: Path) -> None:
    """The structure is the one that libccid was seen to send, but for the size of the PIN's block."""
    firmware = Firmware(
        lambda message: framed(reply(message, b"\x90\x00")) if message[0] == 0x69 else None, name=PINPAD
    )
    with Opened(firmware, tmp_path) as link:
        assert isinstance(link, PinPad)
        assert link.verify_on_pad(bytes.fromhex("0020008008FFFFFFFFFFFFFFFF")) == b"\x90\x00"
    assert firmware.of(0x69) == [bytes.fromhex("001E820800080402010904000000000020008008FFFFFFFFFFFFFFFF")]


@pytest.mark.parametrize(
    ("first", "code"),
    [(bytes.fromhex("00800080"), "gemcore.unanswered"), (b"", "gemcore.unanswered")],
    ids=["the card says that it did not get the block", "no answer at all"],
)
def test_the_template_never_goes_to_the_card_in_the_place_of_the_pin(
    first: bytes, code: str, tmp_path: Path
) -> None:
    """Over T=1 a lost block is sent again; that of a PIN entry would be one of FFs, and cost a try."""

    def special(message: bytes) -> bytes | None:
        if message[0] == 0x69:
            return framed(reply(message, first)) if first else b""
        if message[0] == 0x6F and message[11] & 0xC0 == 0x80:
            return framed(reply(message, bytes.fromhex("00800080")))
        return None

    firmware = Firmware(special, ATR_T1, PINPAD)
    with Opened(firmware, tmp_path) as link:
        assert isinstance(link, PinPad)
        with pytest.raises(ReaderError) as caught:
            link.verify_on_pad(bytes.fromhex("0020008008FFFFFFFFFFFFFFFF"))
        assert caught.value.code == code
    assert len(firmware.of(0x69)) == 1
    assert firmware.of(0x69)[0][12:15] == bytes.fromhex("00000D")
    assert not [data for data in firmware.of(0x6F) if not data[1] & 0x80 and data[0] != 0xFF]


def test_a_line_on_which_no_reader_answers_is_silent(tmp_path: Path) -> None:
    firmware = Firmware(lambda _: b"")
    with PtyLine(firmware, tmp_path / "tty") as line:
        with pytest.raises(ReaderError) as caught:
            GemCoreReader(str(line.path), timing=TIMING)
        assert caught.value.code == "line.silent"
        firmware.special = lambda _: None
        GemCoreReader(str(line.path), timing=TIMING).close()  # nothing is left of the first attempt


def test_an_unknown_model_is_asked_how_many_slots_it_has(tmp_path: Path) -> None:
    def special(message: bytes) -> bytes | None:
        if message[0] == 0x65 and message[5] > 1:
            return framed(reply(message, status=0x42, error=5))
        return None

    with PtyLine(Firmware(special, name=b"GC-XYZ", echo=False), tmp_path / "tty") as line:
        reader = GemCoreReader(str(line.path), 1, timing=TIMING)
        with pytest.raises(ReaderError) as caught:
            GemCoreReader(str(line.path), 2, timing=TIMING)
        assert caught.value.details["slots"] == 2
        reader.close()
