"""Command and response APDUs: parse and encode are exact inverses, and what is malformed is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import Command, Response
from tegata.apdu.command import cut_spans

byte = st.integers(0, 255)
short = st.builds(
    Command, byte, byte, byte, byte, st.binary(max_size=255), le=st.none() | st.integers(1, 256)
)
extended = st.builds(
    Command,
    byte,
    byte,
    byte,
    byte,
    st.binary(max_size=600),
    le=st.none() | st.integers(1, 65536),
    extended=st.just(True),
)

# The seven shapes of ISO/IEC 7816-4:2020 table 1, written by hand.
SHAPES = {
    "00A40000": Command(0x00, 0xA4),
    "00B0000000": Command(0x00, 0xB0, le=256),
    "00B00000FF": Command(0x00, 0xB0, le=255),
    "00B00000000000": Command(0x00, 0xB0, le=65536, extended=True),
    "00B00000000100": Command(0x00, 0xB0, le=256, extended=True),
    "00200080043132333400": Command(0x00, 0x20, 0x00, 0x80, b"1234", le=256),
    "002000800431323334": Command(0x00, 0x20, 0x00, 0x80, b"1234"),
    "00200080000004" + "31323334": Command(0x00, 0x20, 0x00, 0x80, b"1234", extended=True),
    "00200080000004" + "31323334" + "0000": Command(0x00, 0x20, 0, 0x80, b"1234", le=65536, extended=True),
}


@pytest.mark.parametrize(("text", "command"), SHAPES.items(), ids=SHAPES)
def test_every_shape(text: str, command: Command) -> None:
    assert Command.parse(bytes.fromhex(text)) == command
    assert bytes(command).hex().upper() == text


@given(short | extended)
def test_parse_inverts_encode(command: Command) -> None:
    assert Command.parse(bytes(command)) == command


@given(st.binary(max_size=40) | st.binary(max_size=4).map(lambda tail: b"\x00\xa4\x04\x00\x00" + tail))
def test_encode_inverts_parse(raw: bytes) -> None:
    try:
        command = Command.parse(raw)
    except ValueError:
        return
    assert bytes(command) == raw


@pytest.mark.parametrize(
    "text",
    ["", "00", "00A404", "00A4040002AA", "00A4040001AABBCC", "00A404000000", "00A40400000001"[:12],
     "00A40400000000AA", "00A404000000020A", "00A40400000001AABB", "00A40400000001AABBCCDD"],
)  # fmt: skip
def test_malformed_commands(text: str) -> None:
    with pytest.raises(ValueError):
        Command.parse(bytes.fromhex(text))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"cla": 256}, "CLA"),
        ({"p2": -1}, "P2"),
        ({"data": bytes(256)}, "256 data bytes"),
        ({"data": bytes(65536), "extended": True}, "65536 data bytes"),
        ({"le": 0}, "Le"),
        ({"le": 257}, "Le"),
        ({"le": 65537, "extended": True}, "Le"),
    ],
)
def test_impossible_commands(changes: dict[str, object], part: str) -> None:
    with pytest.raises(ValueError, match=part):
        Command(0x00, 0xA4).with_(**changes)


@given(st.binary(min_size=2, max_size=50))
def test_responses(raw: bytes) -> None:
    response = Response.parse(raw)
    assert bytes(response) == raw
    assert (response.sw1, response.sw2) == (raw[-2], raw[-1])


@pytest.mark.parametrize("raw", [b"", b"\x90"])
def test_short_responses(raw: bytes) -> None:
    with pytest.raises(ValueError):
        Response.parse(raw)


def test_secret_data_does_not_show() -> None:
    command = Command(0x00, 0x20, 0x00, 0x80, b"\x01\x02\x031234", secret=((3, None),))
    assert repr(command) == "<Command 00 20 00 80 data[7]=010203********>"
    assert command == command.with_(secret=())


@given(st.binary(max_size=40), st.lists(st.tuples(st.integers(-5, 45), st.none() | st.integers(-5, 45))))
def test_marks_survive_cutting(data: bytes, spans: list[tuple[int, int | None]]) -> None:
    """What a piece hides is what the whole hid there."""
    marks = tuple(spans)
    hidden = {i for start, stop in marks for i in range(*slice(start, stop).indices(len(data)))}
    for start in range(0, len(data), 7):
        stop = min(start + 7, len(data))
        pieces = cut_spans(marks, len(data), start, stop)
        got = {start + i for a, b in pieces for i in range(a, b or 0)}
        assert got == {i for i in hidden if start <= i < stop}
