"""READ BINARY until the end of an object, against a scripted card that tells the truth or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import Command, MalformedResponse, StatusError
from tegata.apdu.binary import read_bytes, read_object
from tegata.apdu.card import Card
from tegata.apdu.ports import LinkInfo, TransmissionProtocol


class FileLink:
    """A link to a card that has one file and knows READ BINARY; ``spoil`` changes its answers."""

    def __init__(self, content: bytes, spoil: Callable[[bytes], bytes] = lambda data: data) -> None:
        self.content = content
        self.spoil = spoil
        self.offsets: list[int] = []

    @property
    def atr(self) -> bytes:
        return bytes.fromhex("3B888001000041E0B381A1003B")

    @property
    def info(self) -> LinkInfo:
        return LinkInfo("file", TransmissionProtocol.TCL)

    def transmit(self, command: bytes) -> bytes:
        parsed = Command.parse(command)
        assert parsed.header[:2] == b"\x00\xb0"
        offset = parsed.p1 << 8 | parsed.p2
        self.offsets.append(offset)
        if offset >= len(self.content):
            return b"\x6b\x00"
        return self.spoil(self.content[offset : offset + (parsed.le or 0)]) + b"\x90\x00"

    def reset(self) -> None:
        self.offsets.clear()

    def close(self, reset: bool = True) -> None:
        self.content = b""

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        yield


@given(length=st.integers(0, 2000), padding=st.integers(0, 300))
def test_an_object_is_read_to_its_end(length: int, padding: int) -> None:
    value = bytes(index & 0xFF for index in range(length))
    whole = b"\x30\x82" + length.to_bytes(2, "big") + value
    link = FileLink(whole + b"\xff" * padding)
    assert read_object(Card(link), limit=4096) == whole
    assert link.offsets == list(range(0, max(len(whole), 1), 256))


def test_a_length_longer_than_needed() -> None:
    whole = bytes.fromhex("FF4082009F") + bytes(0x9F)
    assert read_object(Card(FileLink(whole.ljust(256, b"\xff"))), limit=256) == whole


@pytest.mark.parametrize("content", ["30", "3080", "3085000000000100", "30820FFD", "3F", "FFFFFF"])
def test_a_header_that_makes_no_sense(content: str) -> None:
    with pytest.raises(MalformedResponse):
        read_object(Card(FileLink(bytes.fromhex(content))), limit=4096)


def test_more_than_was_asked_for() -> None:
    link = FileLink(b"\x30\x82\x02\x00" + bytes(512), lambda data: data + b"\x00" * 8)
    with pytest.raises(MalformedResponse):
        read_object(Card(link), limit=4096)


def test_a_file_that_ends_before_its_object() -> None:
    with pytest.raises(MalformedResponse, match="256 bytes where 516"):
        read_object(Card(FileLink(b"\x30\x82\x02\x00" + bytes(252))), limit=4096)


def test_a_file_without_content() -> None:
    with pytest.raises(StatusError) as caught:
        read_object(Card(FileLink(b"")), limit=4096)
    assert caught.value.sw == 0x6B00


def test_a_card_that_drips() -> None:
    link = FileLink(b"\x30\x82\x0f\x00" + bytes(4000), lambda data: data[:4])
    with pytest.raises(MalformedResponse):
        read_object(Card(link), limit=4096)
    assert len(link.offsets) <= 257


def test_a_known_number_of_bytes() -> None:
    assert read_bytes(Card(FileLink(bytes(range(200)))), 160) == bytes(range(160))
