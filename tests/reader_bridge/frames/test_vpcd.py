"""vpcd frames: literal bytes of the protocol, and any cutting of the stream."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.reader_bridge.frames.vpcd import MAX_BODY, PORT, Control, Decoder, encode

BODIES = st.lists(st.binary(min_size=1, max_size=300), max_size=8)


def test_known_bytes() -> None:
    assert PORT == 35963
    assert encode(bytes.fromhex("3B80800101")) == bytes.fromhex("0005 3B80800101")
    assert encode(bytes.fromhex("9000")) == bytes.fromhex("0002 9000")


def test_two_controls_in_one_segment() -> None:
    assert Decoder().feed(bytes.fromhex("0001 02 0001 04")) == [
        bytes([Control.RESET]),
        bytes([Control.GET_ATR]),
    ]


def test_length_cut_in_the_middle() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\x00") == []
    assert decoder.feed(b"\x05\x00\xa4") == []
    assert decoder.pending == 4
    assert decoder.feed(b"\x04\x00\x00\x00\x01") == [bytes.fromhex("00A4040000")]
    assert decoder.pending == 2


@pytest.mark.parametrize("size", [0, MAX_BODY + 1])
def test_bodies_that_no_frame_may_hold(size: int) -> None:
    with pytest.raises(ValueError, match="1 to 65535"):
        encode(bytes(size))


@given(bodies=BODIES, cuts=st.lists(st.integers(0, 2500)))
def test_any_cutting_yields_the_same_bodies(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(encode, bodies))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    decoder = Decoder()
    got = [body for start, stop in pairwise(edges) for body in decoder.feed(stream[start:stop])]
    assert got == bodies
    assert decoder.pending == 0
