"""PIN structures: the bytes that libccid sent, and the format rules with literal results."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.reader_bridge.frames.ccid import MessageError
from tegata.reader_bridge.frames.ccid_pin import PinFormat, PinModify, PinVerify, parse_secure

CAPTURED = bytes.fromhex("001e8204000804020109040000000d0020008008ffffffffffffffff")
FORMATS = {
    "ascii in a padded block": (PinFormat(0x82, 0x08), "08ffffffffffffffff", "0831323334ffffffff"),
    "ascii of its own length": (PinFormat(0x82, 0x00), "", "0431323334"),
    "bcd": (PinFormat(0x81, 0x04), "04ffffffff", "041234ffff"),
    "binary, right": (PinFormat(0x84, 0x06), "06000000000000", "06000001020304"),
    "position 1": (PinFormat(0x8A, 0x04), "06aabbccddeeff", "06aa31323334ff"),
    # The block of global cards: 2, the number of digits, the digits, F; its length in bits 4 to 7.
    "length in four bits": (PinFormat(0x89, 0x47, 0x04), "0820ffffffffffffff", "08241234ffffffffff"),
    "length in a byte": (PinFormat(0x8A, 0x84, 0x10), "0500ffffffff", "050431323334"),
    "Le stays": (PinFormat(0x82, 0x04), "04ffffffff00", "043132333400"),
}


def test_the_captured_verification() -> None:
    parsed = parse_secure(CAPTURED)
    assert isinstance(parsed, PinVerify)
    assert (parsed.timeout, parsed.least, parsed.most, parsed.validation) == (30, 4, 8, 2)
    assert (parsed.language, parsed.prologue.hex()) == (0x0409, "00000d")
    assert parsed.apdu.hex() == "0020008008ffffffffffffffff"
    assert bytes(parsed) == CAPTURED
    assert "ffff" not in repr(parsed)


@pytest.mark.parametrize(("name"), FORMATS)
def test_formats(name: str) -> None:
    rules, before, after = FORMATS[name]
    assert rules.insert(bytes.fromhex("00200080" + before), b"1234").hex() == "00200080" + after


def test_the_second_pin_of_a_modification() -> None:
    rules = PinFormat(0x82, 0x08, 0)
    apdu = bytes.fromhex("0024008010") + b"\xff" * 16
    assert rules.insert(apdu, b"9876", 8).hex() == "0024008010" + "ff" * 8 + "39383736ffffffff"


@pytest.mark.parametrize(
    ("messages", "indexes", "all_prompts"), [(0, 1, False), (1, 2, False), (3, 3, False), (1, 3, True)]
)
def test_prompts_of_a_modification(messages: int, indexes: int, all_prompts: bool) -> None:
    modify = PinModify(bytes.fromhex("0024008000"), messages=messages, message=bytes(range(indexes)))
    assert parse_secure(bytes(modify), all_prompts=all_prompts) == modify


@pytest.mark.parametrize("raw", ["", "04", "02" + "00" * 30, "00" * 15, "01" * 17])
def test_what_is_no_structure(raw: str) -> None:
    with pytest.raises(MessageError):
        parse_secure(bytes.fromhex(raw))


@pytest.mark.parametrize(
    "rules", [PinFormat(0x83, 8), PinFormat(0x0A, 8), PinFormat(0x82, 3), PinFormat(0x82, 0x24, 0x00)]
)
def test_what_does_not_fit(rules: PinFormat) -> None:
    with pytest.raises(MessageError):
        rules.insert(bytes.fromhex("0020008004ffffffff"), b"1234")


@given(st.binary(max_size=60), st.booleans())
def test_any_structure_is_read_or_refused(raw: bytes, all_prompts: bool) -> None:
    with contextlib.suppress(MessageError):
        parsed = parse_secure(raw, all_prompts=all_prompts)
        assert bytes(parsed) == raw
        changed = parsed.format.insert(parsed.apdu, b"123456")
        assert changed[:4] == parsed.apdu[:4] and len(changed) <= 5 + 0xFF + 0xFF
