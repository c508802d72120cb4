"""GemCore's serial frames: literal bytes, any noise, any cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.reader_bridge.frames.gemcore import (
    FRAME_MOST,
    NAK,
    CardMoved,
    Damaged,
    Decoder,
    Event,
    Message,
    Nak,
    Noise,
    TimeRequest,
    encode,
)

GET_FIRMWARE = bytes.fromhex("6b01000000000000000002")
messages = st.binary(max_size=261).map(
    lambda data: b"\x6f" + len(data).to_bytes(4, "little") + bytes(5) + data
)


def found(events: list[Event]) -> list[bytes]:
    return [event.data for event in events if isinstance(event, Message)]


def test_a_frame() -> None:
    # 03 ^ 06 ^ 6b ^ 01 ^ 02 = 6d
    assert encode(GET_FIRMWARE).hex() == "0306" + GET_FIRMWARE.hex() + "6d"
    assert Decoder(of_reader=False).feed(encode(GET_FIRMWARE)) == [Message(GET_FIRMWARE)]
    assert NAK.hex() == "031516"


def test_what_a_reader_says_between_frames() -> None:
    stream = bytes.fromhex("500380ff0315165002") + encode(GET_FIRMWARE)
    assert Decoder(of_reader=True).feed(stream) == [
        CardMoved(True),
        TimeRequest(0x80),
        TimeRequest(0xFF),
        Nak(),
        CardMoved(False),
        Message(GET_FIRMWARE),
    ]
    assert Decoder(of_reader=False).feed(stream)[0] == Noise(4)


@pytest.mark.parametrize("data", [b"", bytes(9), bytes(272)])
def test_what_no_frame_carries(data: bytes) -> None:
    with pytest.raises(ValueError):
        encode(data)


def test_a_frame_after_one_that_lies_about_its_length() -> None:
    decoder = Decoder(of_reader=False)
    lie = bytes.fromhex("03066fffffffff")
    events = decoder.feed(lie + encode(GET_FIRMWARE))
    assert events[0] == Damaged("too long") and found(events) == [GET_FIRMWARE]
    lost_byte = encode(GET_FIRMWARE)[:-3] + encode(GET_FIRMWARE)
    assert found(decoder.feed(lost_byte)) == [GET_FIRMWARE]


def test_an_unfinished_frame_is_given_up() -> None:
    decoder = Decoder(of_reader=False)
    assert decoder.feed(encode(bytes.fromhex("6fff00000000") + bytes(4) + bytes(255))[:20]) == []
    assert decoder.feed(encode(GET_FIRMWARE)) == []
    events = decoder.give_up()
    assert events[0] == Damaged("cut off") and found(events) == [GET_FIRMWARE]
    assert decoder.pending == 0


@given(st.lists(messages, max_size=4), st.lists(st.integers(1, 40), max_size=40))
def test_any_cut(sent: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(encode(message) for message in sent)
    decoder = Decoder(of_reader=True)
    got: list[Event] = []
    for size in cuts:
        got += decoder.feed(stream[:size])
        stream = stream[size:]
    got += decoder.feed(stream)
    assert found(got) == sent and decoder.pending == 0


@given(st.binary(max_size=600), messages, st.booleans())
def test_a_frame_after_any_noise(noise: bytes, message: bytes, of_reader: bool) -> None:
    decoder = Decoder(of_reader=of_reader)
    events = decoder.feed(noise)
    assert decoder.pending < FRAME_MOST
    events += decoder.give_up() + decoder.feed(encode(message))
    assert found(events)[-1:] == [message]
