"""BER-TLV: inverse functions, the samples of the standards, and cards that lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import Tlv
from tegata.apdu.tlv import encode_length, parse_length

tags = st.sampled_from([0x4F, 0x5C, 0x53, 0x6F, 0x84, 0xA5, 0x9F65, 0x9F70, 0x7F49, 0x5FC102, 0xFF40, 0x00])
tlvs = st.builds(Tlv, tags, st.binary(max_size=300))


@given(st.lists(tlvs, max_size=5))
def test_parse_inverts_encode(objects: list[Tlv]) -> None:
    raw = b"".join(bytes(item) for item in objects)
    assert Tlv.parse_all(raw) == objects
    assert Tlv.build(0x6F, objects).children == tuple(objects)


@given(st.integers(0, 2**32 - 1))
def test_lengths(length: int) -> None:
    raw = encode_length(length)
    assert parse_length(raw, 0) == (length, len(raw))


@pytest.mark.parametrize(
    ("length", "text"),
    [(0, "00"), (127, "7F"), (128, "8180"), (255, "81FF"), (256, "820100"), (65536, "83010000")],
)
def test_shortest_lengths(length: int, text: str) -> None:
    assert encode_length(length).hex().upper() == text


@given(st.binary(max_size=60), st.booleans())
def test_random_bytes_raise_nothing_but_value_error(raw: bytes, filler: bool) -> None:
    try:
        objects = Tlv.parse_all(raw, filler=filler)
    except ValueError:
        return
    for item in objects:
        assert item.value in raw
        try:
            children = item.children
        except ValueError:
            continue
        assert sum(len(child.value) for child in children) <= len(item.value)


@given(tlvs, st.data())
def test_a_cut_object_is_refused(item: Tlv, data: st.DataObject) -> None:
    raw = bytes(item)
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(ValueError):
        Tlv.parse(raw[:cut])


@pytest.mark.parametrize(
    "text",
    [
        "5F",
        "9F81",
        "9F818181",
        "5F8182830100",
        "5380",
        "5385000000000100",
        "53847FFFFFFF00",
        "53820100AA",
        "5301",
        "530100AA",
    ],
)
def test_lying_objects(text: str) -> None:
    with pytest.raises(ValueError):
        Tlv.parse(bytes.fromhex(text))


def test_a_length_that_is_not_the_shortest_is_read() -> None:
    assert Tlv.parse(bytes.fromhex("FF408200021122")) == Tlv(0xFF40, b"\x11\x22")


def test_filler_between_objects() -> None:
    raw = bytes.fromhex("00004F01AA0000FF400100 00".replace(" ", ""))
    assert Tlv.parse_all(raw, filler=True) == [Tlv(0x4F, b"\xaa"), Tlv(0xFF40, b"\x00")]


def test_find_in_a_real_fci() -> None:
    """The FCI of an ISD that GlobalPlatform cards commonly give."""
    fci = Tlv.parse(bytes.fromhex("6F108408A000000151000000A5049F6501FF"))
    found = fci.find(0xA5, 0x9F65)
    assert found is not None
    assert found.value == b"\xff"
    assert fci.find(0xA5, 0x73) is None
    assert fci.find(0x99, 0x73) is None
    assert fci.constructed
    assert not Tlv(0x84).constructed


@pytest.mark.parametrize("tag", [-1, 0x1234, 0x5F, 0x9F81, 0x5FC1, 0x12345678])
def test_numbers_that_are_no_tag(tag: int) -> None:
    with pytest.raises(ValueError):
        bytes(Tlv(tag))
