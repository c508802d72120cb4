"""What contactless cards say at activation, and the ATR that PC/SC makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu.atr import Atr
from tegata.reader_bridge.frames.contactless_atr import atr_of_storage_card, atr_of_type_a, atr_of_type_b
from tegata.reader_bridge.frames.iso_dep_activation import Atqb, Ats, attrib, frame_size, rats, wupb

ATQB = bytes.fromhex("50000000010000000000719185"[:24])


def test_an_ats_with_everything() -> None:
    ats = Ats.parse(bytes.fromhex("0A78778102024B4F4E4141"[:20]))
    assert ats == Ats(8, 0x77, 0x81, 0x02, bytes.fromhex("024B4F4E41"))
    assert ats.frame_size == 256
    assert ats.fwt == pytest.approx(0.0773, rel=0.01)
    assert ats.guard_time == pytest.approx(0.0006, rel=0.01)
    assert bytes(ats) == bytes.fromhex("0A78778102024B4F4E41")


def test_an_ats_with_nothing() -> None:
    ats = Ats.parse(b"\x01")
    assert (ats.frame_size, ats.historical, ats.guard_time) == (32, b"", 0.0)
    assert ats.fwt == pytest.approx(0.00483, rel=0.01)
    assert bytes(ats) == b"\x01"


@pytest.mark.parametrize("raw", ["", "00", "02", "0578", "0278", "037877", "0278AA"])
def test_a_lying_ats_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match=r"TL|cut off"):
        Ats.parse(bytes.fromhex(raw))


@given(st.binary(max_size=40))
def test_any_ats_is_read_back_or_refused(raw: bytes) -> None:
    try:
        ats = Ats.parse(raw)
    except ValueError:
        return
    assert Ats.parse(bytes(ats)) == ats
    assert 16 <= ats.frame_size <= 4096 and 0 < ats.fwt < 5 and 0 <= ats.guard_time < 5


def test_an_atqb() -> None:
    atqb = Atqb.parse(ATQB)
    assert atqb == Atqb(bytes.fromhex("00000001"), bytes(4), bytes.fromhex("007191"))
    assert atqb.iso_dep and atqb.frame_size == 128
    assert atqb.fwt == pytest.approx(0.1547, rel=0.01)
    assert bytes(atqb) == ATQB
    for raw in [b"", ATQB[:11], b"\x51" + ATQB[1:], ATQB + b"\0\0"]:
        with pytest.raises(ValueError, match="ATQB"):
            Atqb.parse(raw)


def test_commands_of_activation_as_nfcpy_sends_them() -> None:
    assert rats() == bytes.fromhex("E080")
    assert wupb() == bytes.fromhex("050008")
    assert attrib(bytes.fromhex("00000001")) == bytes.fromhex("1D0000000100080100")
    assert [frame_size(code) for code in (0, 8, 12, 15)] == [16, 256, 4096, 4096]


def test_the_atr_of_a_my_number_card() -> None:
    """``3B 88 80 01`` and then AppData, ProtInfo and MBLI."""
    atr = atr_of_type_b(Atqb(bytes(4), bytes(4), bytes.fromhex("007171")), 0)
    assert atr == bytes.fromhex("3B8880010000000000717100" + "09")
    assert Atr.parse(atr).historical == bytes.fromhex("0000000000717100")
    assert Atr.parse(atr_of_type_b(Atqb.parse(ATQB), 5)).historical[-1] == 0x50


def test_the_atr_of_other_cards() -> None:
    # MIFARE Classic 1K, as every PC/SC reader reports it.
    assert atr_of_storage_card(3, 1) == bytes.fromhex("3B8F8001804F0CA000000306030001000000006A")
    # A card without historical bytes.
    assert atr_of_type_a(Ats()) == bytes.fromhex("3B80800101")
    assert Atr.parse(atr_of_type_a(Ats(historical=b"\xaa" * 20))).historical == b"\xaa" * 15
