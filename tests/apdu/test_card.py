"""The layers between applet and Link, one after the other, against cards that do one thing each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tegata.apdu import (
    Card,
    CardError,
    CardProfile,
    Command,
    MalformedResponse,
    Response,
    Secret,
    StatusError,
)
from tegata.apdu.layers import MAX_ANSWER, on_channel
from tegata.apdu.ports import Link, LinkInfo, TransmissionProtocol
from tegata.apdu.scp03 import (
    InitializeUpdate,
    Opening,
    Scp03Host,
    Scp03State,
    StaticKeys,
    derive_session_keys,
    static_session,
    unwrap_command,
    wrap_response,
)
from tegata.apdu.scp03.handshake import accept_external_authenticate

PLAIN_ATR = bytes.fromhex("3B80800101")
CAPABLE_ATR = bytes.fromhex("3BDA13FF8131FB468012392F31C173C601C03B")
ISD = bytes.fromhex("A000000151000000")
PIV = bytes.fromhex("A000000308000010000100")


class FunctionLink:
    """A Link whose card is one function from command bytes to answer bytes."""

    def __init__(
        self, card: Callable[[bytes], bytes], atr: bytes = PLAIN_ATR, max_command: int = 261
    ) -> None:
        self.atr = atr
        self.info = LinkInfo("test", TransmissionProtocol.T1, max_command=max_command)
        self.sent: list[bytes] = []
        self.events: list[str] = []
        self._card = card

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        return self._card(command)

    def reset(self) -> None:
        self.events.append("reset")

    def close(self, reset: bool = True) -> None:
        self.events.append(f"close {reset}")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        self.events.append("begin")
        yield
        self.events.append("end")


def script(*answers: str) -> FunctionLink:
    rest = iter(answers)
    return FunctionLink(lambda command: bytes.fromhex(next(rest)))


def hexes(link: FunctionLink) -> list[str]:
    return [command.hex().upper() for command in link.sent]


def test_the_test_link_is_a_link() -> None:
    assert isinstance(script(), Link)


def test_get_response_collects_the_answer() -> None:
    link = script("0102" + "6103", "030405" + "6102", "0607" + "9000")
    response = Card(link).send(Command(0x00, 0xCB, 0x3F, 0xFF, b"\x5c\x01\x7e", le=256))
    assert response == Response(bytes(range(1, 8)))
    assert hexes(link)[1:] == ["00C0000003", "00C0000002"]


def test_a_zero_announcement_means_256() -> None:
    link = script("6100", "00" * 256 + "9000")
    assert len(Card(link).send(Command(0x00, 0xCA, le=256)).data) == 256
    assert hexes(link)[1] == "00C0000000"


@pytest.mark.parametrize("answer", [b"\x61\x00", bytes(256) + b"\x61\x00", b"\x00\x61\x01"])
def test_an_answer_without_end_is_refused(answer: bytes) -> None:
    link = FunctionLink(lambda command: answer)
    with pytest.raises(MalformedResponse):
        Card(link).send(Command(0x00, 0xCA, le=256))
    assert sum(len(answer) - 2 for _ in link.sent) <= MAX_ANSWER + 512


def test_wrong_le_is_repeated_once_for_a_read() -> None:
    link = script("6C05", "01020304059000")
    assert Card(link).send(Command(0x00, 0xB0, le=256)).data == bytes(range(1, 6))
    assert hexes(link) == ["00B0000000", "00B0000005"]
    link = script("6C05", "6C05")
    assert Card(link).send(Command(0x00, 0xB0, le=256)).sw == 0x6C05


@pytest.mark.parametrize(
    "command",
    [
        Command(0x00, 0x20, 0, 0x80, b"1234"),
        Command(0x00, 0x20, 0, 0x80, le=256),
        Command(0x00, 0x20, 0, 0x80),
        Command(0x00, 0x2A, 0x9E, 0x9A, b"digest", le=256),
        Command(0x00, 0x24, 0, 0x80, b"12341111"),
    ],
)
def test_nothing_else_is_sent_twice(command: Command) -> None:
    link = script("6C10")
    assert Card(link).send(command).sw == 0x6C10
    assert len(link.sent) == 1


def test_long_data_is_chained_when_extended_length_is_unknown() -> None:
    link = script("9000", "9000", "AA9000")
    data = bytes(range(256)) + bytes(300)
    response = Card(link).send(Command(0x00, 0xDB, 0x3F, 0xFF, data, le=65536, extended=True))
    assert response.data == b"\xaa"
    pieces = [Command.parse(raw) for raw in link.sent]
    assert [piece.cla for piece in pieces] == [0x10, 0x10, 0x00]
    assert [piece.le for piece in pieces] == [None, None, 256]
    assert b"".join(piece.data for piece in pieces) == data


def test_a_refused_piece_ends_the_chain() -> None:
    link = script("9000", "6A84")
    assert Card(link).send(Command(0x00, 0xDB, data=bytes(600), extended=True)).sw == 0x6A84
    assert len(link.sent) == 2


def test_extended_length_is_used_when_the_card_says_so() -> None:
    link = FunctionLink(lambda command: b"\x90\x00", CAPABLE_ATR, max_command=65544)
    card = Card(link)
    assert (card.profile.extended, card.profile.chaining) == (True, True)
    command = Command(0x00, 0xDB, data=bytes(600), extended=True)
    card.send(command)
    assert link.sent == [bytes(command)]


def test_a_short_link_chains_even_for_a_capable_card() -> None:
    link = FunctionLink(lambda command: b"\x90\x00", CAPABLE_ATR)
    Card(link).send(Command(0x00, 0xDB, data=bytes(600), extended=True))
    assert max(len(raw) for raw in link.sent) <= 261
    assert len(link.sent) == 3


def test_extended_reads_become_short_ones() -> None:
    link = script("00" * 4 + "9000")
    Card(link).send(Command(0x00, 0xB0, le=4096, extended=True))
    assert hexes(link) == ["00B0000000"]


def test_a_card_that_takes_neither_form() -> None:
    card = Card(script(), profile=CardProfile(extended=False, chaining=False))
    with pytest.raises(CardError) as caught:
        card.send(Command(0x00, 0xDB, data=bytes(300), extended=True))
    assert caught.value.code == "card.too_long"


@pytest.mark.parametrize("answer", [b"", b"\x90"])
def test_answers_of_less_than_two_bytes(answer: bytes) -> None:
    with pytest.raises(MalformedResponse):
        Card(FunctionLink(lambda command: answer)).send(Command(0x00, 0xB0, le=4))


def test_logical_channels() -> None:
    link = script("019000", "9000", "6103", "AABBCC9000", "9000")
    basic = Card(link)
    other = basic.open_channel()
    assert other.channel == 1
    assert other.profile is basic.profile
    other.select(PIV, p2=0x0C)
    other.send(Command(0x00, 0xCB, le=256))
    other.close()
    assert hexes(link) == [
        "0070000001",
        "01A4040C0B" + PIV.hex().upper(),
        "01CB000000",
        "01C0000003",
        "01708001",
    ]
    assert link.events == []
    basic.close()
    assert link.events == ["close True"]


@pytest.mark.parametrize("answer", ["9000", "009000", "149000", "01029000"])
def test_impossible_channel_numbers(answer: str) -> None:
    with pytest.raises(MalformedResponse):
        Card(script(answer)).open_channel()


@pytest.mark.parametrize(
    ("cla", "number", "expected"),
    [(0x00, 3, 0x03), (0x84, 2, 0x86), (0x90, 1, 0x91), (0x00, 4, 0x40), (0x84, 19, 0xEF), (0x10, 5, 0x51)],
)
def test_class_bytes_of_channels(cla: int, number: int, expected: int) -> None:
    assert on_channel(cla, number) == expected


def test_select_names_the_application_and_errors_say_what_they_mean() -> None:
    card = Card(script("9000", "6A82", "6283", "6A82"))
    card.select(PIV)
    assert card.application == "PIV"
    with pytest.raises(StatusError) as caught:
        card.expect(Command(0x00, 0xCB, 0x3F, 0xFF, b"\x5c\x01\x7e", le=256))
    assert caught.value.sw == 0x6A82
    assert "the card holds no such data object" in caught.value.sentence("en")
    assert card.select(ISD, accepted=(0x6283,)).sw == 0x6283
    with pytest.raises(StatusError) as caught:
        card.select(PIV)
    assert "there is no such application" in caught.value.sentence("en")


def test_exclusive_and_reset() -> None:
    link = script()
    card = Card(link)
    with card.exclusive():
        card.reset()
    assert link.events == ["begin", "reset", "end"]


class ScpCard:
    """The card's side of SCP03 in the least code: GET DATA answers, everything else is 6D00."""

    KEY = bytes(range(0x40, 0x50))

    def __init__(self) -> None:
        self.opening: Opening | None = None
        self.state: Scp03State | None = None
        self.plain: list[str] = []
        self.chained = b""

    def __call__(self, raw: bytes) -> bytes:
        command = Command.parse(raw)
        if command.ins == 0xA4:
            self.state = None
            return b"\x90\x00"
        if command.ins == 0x50:
            keys = derive_session_keys(Secret(self.KEY), Secret(self.KEY), command.data, bytes(8))
            self.opening = Opening(keys, command.data, bytes(8), 0x60)
            answer = InitializeUpdate(bytes(10), 1, 0x60, bytes(8), self.opening.card_cryptogram)
            return bytes(answer) + b"\x90\x00"
        if command.ins == 0x82 and self.opening is not None:
            self.state = accept_external_authenticate(self.opening, command)
            return b"\x90\x00"
        if command.cla & 0x10:
            self.chained += command.data
            return b"\x90\x00"
        if self.chained:
            data, self.chained = self.chained + command.data, b""
            command = command.with_(data=data, extended=True)
        assert self.state is not None
        self.state, plain = unwrap_command(self.state, command)
        self.plain.append(plain.header.hex() + plain.data[:4].hex())
        return bytes(wrap_response(self.state, Response(b"answer" if plain.ins == 0xCA else b"")))


@pytest.mark.parametrize("level", [0x01, 0x33])
def test_a_secure_channel_over_all_layers(level: int) -> None:
    link = FunctionLink(ScpCard())
    card = Card(link)
    keys = StaticKeys(*(Secret(ScpCard.KEY) for _ in range(3)))
    card.select(ISD)
    card.secure(Scp03Host.open(card.send, static_session(keys), level=level))
    assert card.send(Command(0x80, 0xCA, 0x00, 0x66, le=256)).data == b"answer"
    # The MAC covers 600 bytes under one extended Lc, though they travel in three pieces.
    assert card.send(Command(0x80, 0xE2, 0x90, 0x00, bytes(600), extended=True)).ok
    assert card.max_data == (247 if level == 0x01 else 239)
    channel = card.secure_channel
    assert channel is not None
    # A piece is refused before anything is sent, and the channel goes on; FF is a key version, no piece.
    sent = len(link.sent)
    for ins in (0xD8, 0xE4, 0xE6):
        with pytest.raises(ValueError, match="whole commands"):
            card.send(Command(0x80, ins, 0x81, 0x00, bytes(16)))
    assert len(link.sent) == sent
    assert card.send(Command(0x80, 0xD8, 0xFF, 0x81, bytes(16))).ok
    assert card.send(Command(0x80, 0xE2, 0x80, 0x00, bytes(16))).ok
    with pytest.raises(CardError) as caught:
        card.verify_on_pad(Command(0x00, 0x20, 0, 0x80, bytes(8)))
    assert caught.value.code == "card.pin_pad"
    card.select(PIV)
    assert card.secure_channel is None
    assert not channel.alive


def test_select_on_one_channel_leaves_the_others_secure_channel() -> None:
    class TwoChannels(ScpCard):
        def __call__(self, raw: bytes) -> bytes:
            if raw[1] == 0x70:
                return b"\x01\x90\x00"
            return b"\x90\x00" if raw[0] & 0x03 else super().__call__(raw)

    link = FunctionLink(TwoChannels())
    card = Card(link)
    keys = StaticKeys(*(Secret(ScpCard.KEY) for _ in range(3)))
    card.secure(Scp03Host.open(card.send, static_session(keys)))
    other = Card(link, profile=card.profile, channel=1)
    other.select(PIV)
    assert card.send(Command(0x80, 0xCA, le=256)).data == b"answer"


def test_a_dead_channel_sends_nothing_in_clear() -> None:
    answers = iter([b"\x90\x00"])

    class Torn(ScpCard):
        def __call__(self, raw: bytes) -> bytes:
            return next(answers) if raw[0] == 0x84 and raw[1] == 0xCA else super().__call__(raw)

    link = FunctionLink(Torn())
    card = Card(link)
    keys = StaticKeys(*(Secret(ScpCard.KEY) for _ in range(3)))
    card.secure(Scp03Host.open(card.send, static_session(keys)))
    before = len(link.sent)
    for _ in range(3):
        with pytest.raises(CardError) as caught:
            card.send(Command(0x80, 0xCA, le=256))
        assert caught.value.code == "gp.channel_dead"
    assert len(link.sent) == before + 1


def test_the_pin_pad_passes_the_channel() -> None:
    class PadLink(FunctionLink):
        def verify_on_pad(self, template: bytes) -> bytes:
            self.sent.append(template)
            return b"\x63\xc2"

    link = PadLink(lambda command: b"\x90\x00")
    card = Card(link, channel=2)
    assert card.verify_on_pad(Command(0x00, 0x20, 0, 0x80, b"\xff" * 8)).sw == 0x63C2
    assert link.sent[0][0] == 0x02
    with pytest.raises(CardError):
        Card(script()).verify_on_pad(Command(0x00, 0x20, 0, 0x80, b"\xff" * 8))
