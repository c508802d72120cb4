"""Part 10 in bytes that stock drivers send: libccid's features and properties, OpenSC's PIN_VERIFY."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu.pad import PadTemplate
from tegata.reader_bridge.readers.pcsc_features import (
    Feature,
    Properties,
    names_of,
    parse_features,
    parse_pin_properties,
    parse_properties,
    pin_verify,
)

# libccid 1.5.2 of a serial PIN pad: codes with the most significant byte first.
FEATURES = bytes.fromhex("06044233000607044233000 70a044233000a120442330012".replace(" ", ""))


def test_features_of_a_pin_pad() -> None:
    found = parse_features(FEATURES)
    assert found == {0x06: 0x42330006, 0x07: 0x42330007, 0x0A: 0x4233000A, 0x12: 0x42330012}
    assert names_of(found) == {"pin-pad", "pin-change"}
    assert Feature.VERIFY_PIN_DIRECT in found


def test_a_list_is_read_up_to_what_is_wrong_in_it() -> None:
    assert parse_features(FEATURES[:8]) == {0x06: 0x42330006}
    assert parse_features(bytes.fromhex("0604423300060702")) == {0x06: 0x42330006}
    assert parse_features(bytes.fromhex("0603423300060700")) == {}


def test_properties() -> None:
    raw = "0102 0210 0201 02 0301 00 0601 04 0701 08 0806 47656d505076 0901 00 0a04 00000100"
    raw += "0b02 e608 0c02 3244"
    assert parse_properties(bytes.fromhex(raw.replace(" ", ""))) == Properties(
        firmware="GemPPv",
        vendor=0x08E6,
        product=0x4432,
        max_apdu_data=0x10000,
        min_pin=4,
        max_pin=8,
        entry_validation=2,
        lcd=(2, 16),
    )
    assert Properties(vendor=0x08E6, product=0x4432).usb_id == "08e6:4432"
    assert Properties().usb_id == ""


def test_the_older_structure() -> None:
    assert parse_pin_properties(bytes.fromhex("02100700")) == Properties(lcd=(2, 16), entry_validation=7)
    assert parse_pin_properties(b"\x02") == Properties()


@given(st.binary(max_size=80))
def test_any_bytes_are_an_answer(raw: bytes) -> None:
    assert all(0 <= code < 1 << 32 for code in parse_features(raw).values())
    properties = parse_properties(raw)
    assert properties.firmware == "" or properties.firmware.isprintable()
    parse_pin_properties(raw)


def test_pin_verify_is_laid_out_as_part_10_says() -> None:
    template = PadTemplate.parse(bytes.fromhex("002000800830303030FFFFFFFF"))
    wanted = "1e 1e 82 08 00 0804 02 01 0904 00 000000 0d000000 0020008008ffffffffffffffff"
    assert pin_verify(template) == bytes.fromhex(wanted.replace(" ", ""))
    wanted = "1e 1e 82 00 00 1004 02 01 0904 00 000000 04000000 00200080"
    assert pin_verify(PadTemplate.parse(bytes.fromhex("00200080"))) == bytes.fromhex(wanted.replace(" ", ""))
