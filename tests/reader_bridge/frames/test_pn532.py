"""Frames of the PN532: bytes captured from libnfc and nfcpy, and streams that are cut, noisy and spoiled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.reader_bridge.frames.pn532 import MAX_DATA, WAKE_UP, Decoder, Frame, Item, Signal, encode, guard

# What nfcpy sends first, and what a chip answers to it.
GET_FIRMWARE_VERSION = bytes.fromhex("0000FF02FED4022A00")
FIRMWARE_VERSION = bytes.fromhex("0000FF06FAD50332010607E800")
SAM_CONFIGURATION = bytes.fromhex("0000FF03FDD414011700")
NO_TARGET = bytes.fromhex("0000FF03FDD54B00E000")

VECTORS = [
    (GET_FIRMWARE_VERSION, Frame(0xD4, b"\x02")),
    (FIRMWARE_VERSION, Frame(0xD5, bytes.fromhex("0332010607"))),
    (SAM_CONFIGURATION, Frame(0xD4, bytes.fromhex("1401"))),
    (NO_TARGET, Frame(0xD5, bytes.fromhex("4B00"))),
    (bytes.fromhex("0000FF00FF00"), Signal.ACK),
    (bytes.fromhex("0000FFFF0000"), Signal.NACK),
    (bytes.fromhex("0000FF01FF7F8100"), Signal.ERROR),
]

# Diagnose with 262 bytes, as nfcpy sends it: LEN 0109h, LCS F6h.
LONG = b"\x00\x00" + bytes(262)
LONG_FRAME = bytes.fromhex("0000FFFFFF0109F6D4") + LONG + bytes.fromhex("2C00")

datas = st.binary(min_size=1, max_size=MAX_DATA)
# No byte that could complete a start code, so that what is noise stays noise.
noises = st.binary(max_size=20).map(lambda data: data.replace(b"\xff", b"\x01"))
signals = st.sampled_from([Signal.ACK, Signal.NACK, Signal.ERROR])
items = st.one_of(signals, st.builds(Frame, st.sampled_from([0xD4, 0xD5]), datas))


def wire(item: Item) -> bytes:
    return item.wire if isinstance(item, Signal) else encode(item.tfi, item.data)


@pytest.mark.parametrize(("raw", "item"), VECTORS)
def test_captured_bytes_both_ways(raw: bytes, item: Item) -> None:
    assert Decoder().feed(raw) == [item]
    assert wire(item) == raw


def test_a_long_frame_is_an_extended_one() -> None:
    assert encode(0xD4, LONG) == LONG_FRAME
    assert Decoder().feed(LONG_FRAME) == [Frame(0xD4, LONG)]
    assert encode(0xD4, bytes(254))[:5] == bytes.fromhex("0000FFFF01")
    assert encode(0xD4, bytes(255))[:8] == bytes.fromhex("0000FFFFFF0100FF")


def test_a_short_frame_may_come_in_the_extended_form() -> None:
    assert Decoder().feed(bytes.fromhex("0000FFFFFF0002FED4022A00")) == [Frame(0xD4, b"\x02")]


@pytest.mark.parametrize("wake_up", [WAKE_UP, bytes(10), b""])
def test_the_dummy_that_wakes_is_glued_to_its_frame(wake_up: bytes) -> None:
    raw = encode(0xD4, b"\x02", wake_up)
    assert raw == wake_up + GET_FIRMWARE_VERSION
    assert Decoder().feed(raw) == [Frame(0xD4, b"\x02")]


def test_frames_without_preamble_and_postamble() -> None:
    bare = FIRMWARE_VERSION[1:-1] * 2
    assert Decoder().feed(bare) == [VECTORS[1][1]] * 2


@pytest.mark.parametrize(
    "raw",
    [
        "00FF02FDD4022A00",  # LCS
        "00FF02FED4022B00",  # DCS
        "00FF00000000",  # no TFI
        "00FFFFFF010AF5",  # longer than the chip can
        "00FFFFFFFFFF02",
        "00FF01FFD42C00",  # nothing but a TFI
    ],
)
def test_what_is_no_frame_is_broken_and_the_next_is_read(raw: str) -> None:
    assert Decoder().feed(bytes.fromhex(raw) + FIRMWARE_VERSION) == [Signal.BROKEN, VECTORS[1][1]]


@pytest.mark.parametrize("size", [0, MAX_DATA + 1])
def test_what_does_not_fit_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 264"):
        encode(0xD4, bytes(size))


@given(st.lists(st.tuples(noises, items), max_size=5), noises, st.data())
def test_any_cut_of_a_noisy_stream_gives_the_same(
    told: list[tuple[bytes, Item]], tail: bytes, data: st.DataObject
) -> None:
    stream = b"".join(noise + wire(item) for noise, item in told) + tail
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder, got = Decoder(), []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += decoder.feed(stream[start:stop])
    assert got == [item for _, item in told]
    assert decoder.pending <= 1


@given(st.sampled_from([0xD4, 0xD5]), datas, st.data())
def test_one_spoiled_byte_never_makes_another_frame(tfi: int, content: bytes, data: st.DataObject) -> None:
    raw = bytearray(encode(tfi, content))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    got = Decoder().feed(bytes(raw) + bytes(300) + FIRMWARE_VERSION)
    first = next((item for item in got if not isinstance(item, Signal)), None)
    assert first in (Frame(tfi, content), VECTORS[1][1])
    assert got[-1] == VECTORS[1][1]


@given(st.lists(st.binary(max_size=600), max_size=10))
def test_any_bytes_are_taken_and_little_is_kept(pieces: list[bytes]) -> None:
    decoder = Decoder()
    for piece in pieces:
        for item in decoder.feed(piece):
            assert isinstance(item, Signal) or 1 <= len(item.data) <= MAX_DATA
        assert decoder.pending <= 275
    decoder.clear()
    assert decoder.feed(FIRMWARE_VERSION) == [VECTORS[1][1]]


@given(st.sampled_from([0xD4, 0xD5]), datas, st.data())
def test_a_lost_byte_never_makes_another_frame_for_a_strict_decoder(
    tfi: int, content: bytes, data: st.DataObject
) -> None:
    raw = bytearray(encode(tfi, content))
    del raw[data.draw(st.integers(0, len(raw) - 1))]
    got = Decoder(strict=True).feed(bytes(raw))
    assert [item for item in got if isinstance(item, Frame)] in ([], [Frame(tfi, content)])


@given(st.sampled_from([0xD4, 0xD5]), st.binary(min_size=1, max_size=200), st.data())
def test_a_guarded_frame_shows_its_loss_to_any_decoder(tfi: int, content: bytes, data: st.DataObject) -> None:
    postamble = guard(content)
    assert postamble not in content and postamble not in (0x00, 0xFF)
    raw = bytearray(encode(tfi, content, postamble=postamble))
    assert Decoder().feed(bytes(raw)) == [Frame(tfi, content)]
    del raw[data.draw(st.integers(0, len(raw) - 1))]
    got = Decoder().feed(bytes(raw) + bytes(5))
    assert [item for item in got if isinstance(item, Frame)] in ([], [Frame(tfi, content)])


def test_what_a_lost_00_does_to_a_decoder_that_is_not_strict() -> None:
    """Why there are strict ones and guards: 9000 from a card becomes 90 and the checksum."""
    raw = bytes.fromhex("0000FF06FAD5430002900056" + "00")
    lost = raw[:-3] + raw[-2:]
    assert Decoder().feed(lost) == [Frame(0xD5, bytes.fromhex("4300029056"))]
    assert Decoder(strict=True).feed(lost) == []
    assert Decoder(strict=True).feed(raw) == [Frame(0xD5, bytes.fromhex("4300029000"))]


def test_where_every_value_occurs_there_is_no_guard() -> None:
    assert guard(bytes(range(256))) == 0x00
