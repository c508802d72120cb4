"""The short way to read a file is taken where the card takes it, learned once, and left where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tegata.apdu import Command, MalformedResponse, ReaderError, StatusError
from tegata.apdu.binary import read_bytes, read_object
from tegata.apdu.card import Card
from tegata.apdu.ports import LinkInfo, TransmissionProtocol

FILE = 0x000A
CONTENT = bytes.fromhex("308205DC") + bytes(1500)
WHOLE, PIECES = 1, -(-len(CONTENT) // 256)


@dataclass
class CapableLink:
    """One file, and switches for what card and reader can do; ``sfi_sw`` and ``extended_sw`` refuse."""

    content: bytes = CONTENT
    sfi_sw: int = 0
    extended_sw: int = 0
    reader_refuses: bool = False
    max_response: int = 65538
    most: int = 65536
    locked: bool = False
    spoil: Callable[[bytes], bytes] = lambda data: data
    sent: list[str] = field(default_factory=list)
    current: bool = False

    @property
    def atr(self) -> bytes:
        return bytes.fromhex("3BE000FF8131FE4514")

    @property
    def info(self) -> LinkInfo:
        return LinkInfo("capable", TransmissionProtocol.T1, max_response=self.max_response)

    def transmit(self, command: bytes) -> bytes:
        parsed = Command.parse(command)
        self.sent.append(command.hex().upper())
        if parsed.extended and self.reader_refuses:
            raise ReaderError(reader="test", what="no")
        data, sw = self._answer(parsed)
        return self.spoil(data) + sw.to_bytes(2, "big")

    def _answer(self, command: Command) -> tuple[bytes, int]:
        if command.ins == 0xA4:
            self.current = command.data == FILE.to_bytes(2, "big")
            return b"", 0x9000 if self.current else 0x6A82
        if command.p1 & 0x80 and self.sfi_sw:
            return b"", self.sfi_sw
        if command.extended and self.extended_sw:
            return b"", self.extended_sw
        if command.p1 & 0x80:
            self.current = command.p1 & 0x1F == FILE
        if not self.current:
            return b"", 0x6A82
        if self.locked:
            return b"", 0x6982
        offset = command.p2 if command.p1 & 0x80 else command.p1 << 8 | command.p2
        if offset >= len(self.content):
            return b"", 0x6B00
        return self.content[offset : offset + min(command.le or 0, self.most)], 0x9000

    def reset(self) -> None:
        self.current = False

    def close(self, reset: bool = True) -> None:
        self.current = False

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        yield


def counts(link: CapableLink, times: int = 2) -> list[int]:
    """APDUs of each of ``times`` readings over one connection."""
    card, found = Card(link), []
    for _ in range(times):
        link.sent.clear()
        link.current = False
        assert read_object(card, FILE, limit=4096) == link.content[: len(CONTENT)]
        found.append(len(link.sent))
    return found


def test_one_command_when_the_card_can() -> None:
    link = CapableLink()
    assert counts(link) == [WHOLE, WHOLE]
    assert link.sent == ["00B08A00000000"]


def test_padding_costs_nothing() -> None:
    link = CapableLink(content=CONTENT + b"\xff" * 100)
    assert counts(link) == [WHOLE, WHOLE]


@pytest.mark.parametrize("sw", [0x6700, 0x6A86, 0x6B00, 0x6A81, 0x6D00])
def test_a_card_without_extended_length_is_asked_once(sw: int) -> None:
    assert counts(CapableLink(extended_sw=sw)) == [1 + PIECES, PIECES]


@pytest.mark.parametrize("sw", [0x6700, 0x6A86, 0x6B00, 0x6982, 0x6986, 0x6A82, 0x6D00])
def test_a_card_without_short_ids_is_asked_once(sw: int) -> None:
    first, *others = counts(CapableLink(sfi_sw=sw), 3)
    assert first <= 2 + 1 + WHOLE
    assert others == [1 + WHOLE, 1 + WHOLE]


def test_a_card_with_neither() -> None:
    first, *others = counts(CapableLink(sfi_sw=0x6A86, extended_sw=0x6700), 3)
    assert first <= 4 + PIECES
    assert others == [1 + PIECES, 1 + PIECES]


def test_a_reader_that_refuses_extended_commands() -> None:
    assert counts(CapableLink(reader_refuses=True)) == [1 + PIECES, PIECES]


def test_a_link_that_cannot_bring_long_answers_is_not_asked() -> None:
    link = CapableLink(max_response=258)
    assert counts(link) == [PIECES, PIECES]
    assert all(len(command) == 10 for command in link.sent)


def test_a_card_that_brings_less_than_asked_for() -> None:
    assert counts(CapableLink(most=700)) == [3, 3]


def test_refusals_about_the_file_stay_what_they_are() -> None:
    link = CapableLink()
    card = Card(link)
    read_object(card, FILE, limit=4096)
    link.locked = True
    link.sent.clear()
    with pytest.raises(StatusError) as caught:
        read_object(card, FILE, limit=4096)
    assert (caught.value.sw, len(link.sent)) == (0x6982, 1)
    with pytest.raises(StatusError) as caught:
        read_object(card, 0x0003, limit=4096)
    assert (caught.value.sw, len(link.sent)) == (0x6A82, 2)
    assert (card.profile.sfi, card.profile.extended) == (True, True)


def test_a_first_refusal_teaches_nothing() -> None:
    link = CapableLink(locked=True)
    card = Card(link)
    with pytest.raises(StatusError) as caught:
        read_object(card, FILE, limit=4096)
    assert caught.value.sw == 0x6982
    assert (card.profile.sfi, card.profile.extended) == (None, None)
    assert len(link.sent) <= 5


def test_an_empty_file() -> None:
    link = CapableLink(content=b"")
    with pytest.raises(StatusError) as caught:
        read_object(Card(link), FILE, limit=4096)
    assert caught.value.sw == 0x6B00
    assert len(link.sent) <= 6


def test_a_known_length_is_asked_for_exactly() -> None:
    link = CapableLink()
    assert read_bytes(Card(link), 17, FILE) == CONTENT[:17]
    assert link.sent == ["00B08A0011"]


@pytest.mark.parametrize(
    "change", [lambda data: data[:3], lambda data: data + b"\x00" * 70000, lambda data: b""]
)
def test_answers_of_wrong_length_end_soon(change: Callable[[bytes], bytes]) -> None:
    link = CapableLink(spoil=change)
    with pytest.raises(MalformedResponse):
        read_object(Card(link), FILE, limit=4096)
    assert len(link.sent) <= 260


def test_more_than_any_file_has() -> None:
    link = CapableLink(content=bytes.fromhex("308300FFFF") + bytes(0xFFFF), most=20000)
    with pytest.raises(MalformedResponse):
        read_object(Card(link), FILE, limit=1 << 20)
