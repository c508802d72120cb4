"""SMP on a console: lines that other programs made, noise between them, and any cut of the stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.reader_bridge.frames.smp import Decoder, Message, Op, crc16, encode

# The examples of the `smp` package: a text that is no message, and an upload of 124 bytes in lines of 32.
HELLO = bytes.fromhex("0609") + b"AA9IZWxsbywgd29ybGQhet4=\n"
UPLOAD = bytes.fromhex(
    "06094148344b41414230414147610a 041441615a6a6247567544574e760a 04145a6d59594b6d4e7a6147464d0a"
    "041464484a3163335167625755670a 0414596e4a765a475268644746590a 04145141414241674d45425159480a"
    "041443416b4b4377774e446738510a 041445524954464255574678675a0a 04144768736348523466494345690a"
    "04144979516c4a69636f4b536f720a 04144c4330754c7a41784d6a4d300a 04144e5459334f446b364f7a77390a"
    "0414506a396c615731685a3255410a 04145a3356775a334a685a4758300a 04147134673d0a"
)
ECHO = Message(Op.WRITE, 0, 0, 7, bytes.fromhex("A16164626869"))  # {"d": "hi"}
messages = st.builds(
    Message,
    op=st.sampled_from(Op),
    group=st.integers(0, 0xFFFF),
    command=st.integers(0, 0xFF),
    sequence=st.integers(0, 0xFF),
    payload=st.binary(max_size=700),
    version=st.integers(0, 1),
)


def test_the_line_of_a_stock_encoder() -> None:
    assert encode(b"Hello, world!") == HELLO
    assert encode(b"Hello, world!", line_length=8) == (
        b"\x06\x09AA9I\n\x04\x14ZWxs\n\x04\x14bywg\n\x04\x14d29y\n\x04\x14bGQh\n\x04\x14et4=\n"
    )


def test_the_upload_of_a_stock_client() -> None:
    (message,) = Decoder().feed(UPLOAD)
    assert (message.op, message.group, message.command, message.sequence) == (Op.WRITE, 1, 1, 0x9A)
    assert message.version == 1
    assert message.payload.startswith(bytes.fromhex("A6 636C656E 0D 636F6666 182A"))
    assert message.encode().hex().startswith("0a00007400019a01")
    assert encode(message.encode(), line_length=16) == UPLOAD


def test_the_check_value_of_crc_16_xmodem() -> None:
    assert crc16(b"123456789") == 0x31C3


def test_an_answer_belongs_to_its_request() -> None:
    answer = ECHO.answer(b"\xa0")
    assert answer.encode().hex() == "0b00000100000700a0"


@given(st.lists(messages, max_size=4), st.data())
def test_any_cut_of_the_stream(sent: list[Message], data: st.DataObject) -> None:
    stream = b"".join(
        encode(message.encode(), data.draw(st.integers(8, 200)))
        + data.draw(st.sampled_from([b"", b"boot\r\n"]))
        for message in sent
    )
    decoder, arrived = Decoder(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        arrived += decoder.feed(stream[:cut])
        stream = stream[cut:]
    assert arrived == sent
    assert decoder.dropped == 0


@given(st.binary(max_size=400), st.booleans())
def test_the_next_message_is_found_after_noise(noise: bytes, whole_line: bool) -> None:
    decoder = Decoder()
    decoder.feed(noise + (b"\n" if whole_line else b""))
    assert decoder.feed(encode(ECHO.encode()))[-1:] == [ECHO]


@given(st.data())
def test_a_damaged_byte_spoils_one_message_only(data: st.DataObject) -> None:
    lines = bytearray(encode(ECHO.encode(), line_length=12))
    lines[data.draw(st.integers(0, len(lines) - 1))] ^= data.draw(st.integers(1, 255))
    assert Decoder().feed(bytes(lines) + b"\n" + encode(ECHO.encode()))[-1:] == [ECHO]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(b"\x04\x14et4=\n", id="a line that continues nothing"),
        pytest.param(b"\x06\x09AA9I\n", id="a packet whose rest never comes"),
        pytest.param(HELLO, id="a packet that holds no message"),
        pytest.param(encode(ECHO.encode() + b"x").replace(b"=", b""), id="base64 without its padding"),
        pytest.param(b"\x06\x09AAAA\n", id="a packet of no bytes"),
        pytest.param(b"\x06\x09//8A\n", id="a packet longer than may be"),
        pytest.param(encode(ECHO.encode()[:-1] + b"xy"), id="a header that says another length"),
        pytest.param(encode(b"\x1a" + ECHO.encode()[1:]), id="a version nobody knows"),
        pytest.param(encode(b"\x0e" + ECHO.encode()[1:]), id="an operation nobody knows"),
        pytest.param(b"\x06\x09" + b"A" * 5000 + b"\n", id="a line without end"),
    ],
)
def test_what_comes_to_nothing_is_dropped(lines: bytes) -> None:
    decoder = Decoder(limit=2048)
    assert decoder.feed(lines) == []
    assert decoder.feed(encode(ECHO.encode())) == [ECHO]
    assert decoder.dropped == 1


def test_memory_is_bounded() -> None:
    decoder = Decoder(limit=256)
    for _ in range(64):
        decoder.feed(b"\x06\x09" + b"A" * 4096)
    assert decoder.pending <= 4097
    decoder = Decoder(limit=256)
    decoder.feed(b"\x06\x09AP9I\n")
    for _ in range(64):
        decoder.feed(b"\x04\x14" + b"A" * 80 + b"\n")
    assert decoder.pending <= 4096


def test_noise_without_end_hides_nothing() -> None:
    decoder = Decoder()
    for noise in (b"\x00\xff" * 5000, b"\x06\x09" + b"A" * 9000, b"A" * 9000 + b"\x06"):
        decoder.feed(noise)
        assert decoder.feed(encode(ECHO.encode())) == [ECHO]
    stream = b"A" * 5000 + encode(ECHO.encode())
    decoder = Decoder()
    assert [each for byte in stream for each in decoder.feed(bytes([byte]))] == [ECHO]


def test_a_message_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="65533"):
        encode(bytes(0xFFFE))
    with pytest.raises(ValueError, match="65533"):
        Message(Op.WRITE, 0, 0, 0, bytes(0xFFFF)).encode()
    with pytest.raises(ValueError, match="no header"):
        Message.decode(b"\x00")
