"""CCID messages: literal bytes of captured dialogues, and any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.reader_bridge.frames.ccid import (
    CommandStatus,
    Error,
    FromReader,
    IccStatus,
    MessageError,
    Reply,
    Request,
    T0Parameters,
    T1Parameters,
    ToReader,
    error_name,
    parse_parameters,
)

bytes_of_one = st.integers(0, 255)


def test_messages_as_libccid_sends_them() -> None:
    assert bytes(ToReader(Request.ESCAPE, 0, 0, b"\x02")).hex() == "6b0100000000000000" + "0002"
    power_on = ToReader.parse(bytes.fromhex("62000000000305010000"))
    assert (power_on.kind, power_on.slot, power_on.seq, power_on.specific) == (0x62, 3, 5, b"\x01\0\0")


def test_the_reply_follows_from_the_request() -> None:
    request = ToReader(Request.ICC_POWER_ON, slot=1, seq=9)
    absent = FromReader.answering(
        request, IccStatus.ABSENT, command=CommandStatus.FAILED, error=Error.ICC_MUTE
    )
    assert bytes(absent).hex() == "800000000001094" + "2fe00"
    assert absent.failed and absent.icc is IccStatus.ABSENT and absent.time_extension is None
    waiting = FromReader.parse(bytes.fromhex("80000000000109800500"))
    assert waiting.time_extension == 5 and not waiting.failed
    assert Reply.to(0x99) is Reply.SLOT_STATUS


@pytest.mark.parametrize(
    "raw", ["", "6f0000000000000000", "6f0100000000000000000000", "6fffffffff0000000000"]
)
def test_wrong_lengths(raw: str) -> None:
    with pytest.raises(MessageError):
        ToReader.parse(bytes.fromhex(raw))
    with pytest.raises(MessageError):
        FromReader.parse(bytes.fromhex(raw))


def test_parameters() -> None:
    assert bytes(T1Parameters(ifsc=0xFE)).hex() == "1110004d00fe00"
    assert bytes(T0Parameters()).hex() == "1100000a00"
    for parameters in (T0Parameters(fi_di=0x96), T1Parameters(nad=3)):
        assert parse_parameters(parameters.protocol, bytes(parameters)) == parameters
    with pytest.raises(MessageError) as raised:
        parse_parameters(2, bytes(5))
    assert raised.value.offset == 7
    with pytest.raises(MessageError):
        parse_parameters(1, bytes(5))


def test_errors_have_names() -> None:
    assert error_name(0xEF) == "pin cancelled"
    assert error_name(7) == "bad byte at offset 7"
    assert error_name(0xAA) == "error AA"


@given(kind=bytes_of_one, slot=bytes_of_one, seq=bytes_of_one, data=st.binary(max_size=300))
def test_both_directions_read_what_they_wrote(kind: int, slot: int, seq: int, data: bytes) -> None:
    to_reader = ToReader(kind, slot, seq, data, b"\1\2\3")
    assert ToReader.parse(bytes(to_reader)) == to_reader
    from_reader = FromReader(kind, slot, seq, data, 0x42, 0xFE, 1)
    assert FromReader.parse(bytes(from_reader)) == from_reader
