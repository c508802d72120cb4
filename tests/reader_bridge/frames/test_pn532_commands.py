"""Commands of the PN532: captured answers both ways, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.reader_bridge.frames.pn532_commands import (
    BrTy,
    FirmwareVersion,
    GeneralStatus,
    StatusByte,
    Support,
    TargetA,
    TargetB,
    build_targets,
    meaning,
    parse_targets,
)

A4 = TargetA(1, bytes.fromhex("0344"), 0x20, bytes.fromhex("08112233"), bytes.fromhex("067577810280"))
A4_RAW = bytes.fromhex("01010344200408112233067577810280")
B4 = TargetB(1, bytes.fromhex("5000000001000000000071A1"[:24]), b"\x01")
B4_RAW = bytes.fromhex("01015000000001000000000071A10101")


def test_firmware_version() -> None:
    version = FirmwareVersion.parse(bytes.fromhex("32010607"))
    assert version == FirmwareVersion(0x32, 1, 6, Support.TYPE_A | Support.TYPE_B | Support.ISO_18092)
    assert bytes(version) == bytes.fromhex("32010607")
    with pytest.raises(ValueError, match="4 bytes"):
        FirmwareVersion.parse(b"\x32\x01")


def test_general_status() -> None:
    status = GeneralStatus.parse(bytes.fromhex("0001010100001000"))
    assert status == GeneralStatus(0, True, ((1, 0, 0, 0x10),), 0)
    assert bytes(status) == bytes.fromhex("0001010100001000")
    for raw in ["", "000102", "0001010100", "00010000FF"]:
        with pytest.raises(ValueError, match="general status"):
            GeneralStatus.parse(bytes.fromhex(raw))


def test_targets_of_both_types() -> None:
    assert parse_targets(BrTy.A106, A4_RAW) == (A4,)
    assert build_targets((A4,)) == A4_RAW
    assert parse_targets(BrTy.B106, B4_RAW) == (B4,)
    assert build_targets((B4,)) == B4_RAW
    assert parse_targets(BrTy.A106, b"\x00") == ()
    assert A4.iso_dep and B4.pupi == bytes.fromhex("00000001")


def test_without_rats_two_cards_stand_side_by_side() -> None:
    raw = bytes.fromhex("02010344200408112233020044080704112233445566")
    first, second = parse_targets(BrTy.A106, raw, auto_rats=False)
    assert first == TargetA(1, b"\x03\x44", 0x20, bytes.fromhex("08112233"))
    assert second == TargetA(2, b"\x00\x44", 0x08, bytes.fromhex("04112233445566"))


@pytest.mark.parametrize("raw", [A4_RAW[:stop] for stop in (0, 1, 3, 8, 12)] + [A4_RAW + b"\0", b"\x03"])
def test_lying_target_data_of_type_a(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut off|too many|two targets"):
        parse_targets(BrTy.A106, raw)


@pytest.mark.parametrize("raw", [B4_RAW[:stop] for stop in (1, 5, 14, 15)] + [b"\x01\x01" + bytes(13)])
def test_lying_target_data_of_type_b(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut off|begins with 50"):
        parse_targets(BrTy.B106, raw)


@given(st.sampled_from(BrTy), st.binary(max_size=60), st.booleans())
def test_any_target_data_is_read_or_refused(brty: BrTy, raw: bytes, auto_rats: bool) -> None:
    try:
        targets = parse_targets(brty, raw, auto_rats=auto_rats)
    except ValueError:
        return
    assert build_targets(targets) == raw


def test_every_status_byte_has_words_in_both_languages() -> None:
    for status in range(256):
        words = meaning(status)
        assert words.en and any(ord(letter) > 0x3000 for letter in words.ja)
    assert "in time" in meaning(StatusByte.TIMEOUT | 0x40).en
    assert meaning(0x3F).en == "unknown status 3F"
