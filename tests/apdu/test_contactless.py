"""Made-up ATRs of readers: as vendors print them, and as our own builder makes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu.contactless import ContactlessAtr, ContactlessKind
from tegata.reader_bridge.frames.contactless_atr import atr_of_storage_card, atr_of_type_a, atr_of_type_b
from tegata.reader_bridge.frames.iso_dep_activation import Atqb, Ats


@pytest.mark.parametrize(
    ("atr", "label"),
    [
        ("3B8F8001804F0CA000000306030001000000006A", "MIFARE Classic 1K"),
        ("3B8F8001804F0CA0000003060300020000000069", "MIFARE Classic 4K"),
        ("3B8F8001804F0CA0000003060300030000000068", "MIFARE Ultralight"),
        ("3B8F8001804F0CA00000030603FFFF000000006B", "storage card"),
        ("3B8180018080", "type A"),
        ("3B80800101", "type A"),
        ("3B88800100000000338181003A", "type B"),
    ],
)
def test_as_readers_show_them(atr: str, label: str) -> None:
    found = ContactlessAtr.parse(bytes.fromhex(atr))
    assert found is not None
    assert found.label == label


@pytest.mark.parametrize(
    "atr",
    ["", "3B", "3B8080", "3BE000FF8131FE4514", "3B888001000000003381810038", "3F80800101", "3B9000800110"],
)
def test_what_a_contact_card_says_itself(atr: str) -> None:
    assert ContactlessAtr.parse(bytes.fromhex(atr)) is None


def test_the_parts_of_type_b() -> None:
    atqb = Atqb(pupi=bytes(4), app_data=bytes.fromhex("0011AABB"), prot_info=bytes.fromhex("338181"))
    found = ContactlessAtr.parse(atr_of_type_b(atqb, mbli=3))
    assert found is not None
    assert found.kind is ContactlessKind.TYPE_B
    assert (found.app_data, found.prot_info, found.mbli) == (atqb.app_data, atqb.prot_info, 3)


def test_a_storage_card() -> None:
    found = ContactlessAtr.parse(atr_of_storage_card(0x03, 0x0026))
    assert found is not None
    assert (found.standard, found.name, found.label) == (0x03, 0x26, "MIFARE Mini")


@given(st.binary(max_size=15))
def test_whatever_an_ats_ends_with(historical: bytes) -> None:
    found = ContactlessAtr.parse(atr_of_type_a(Ats(historical=historical)))
    assert found is not None
    assert found.historical == historical


@given(st.binary(max_size=40))
def test_any_bytes(raw: bytes) -> None:
    found = ContactlessAtr.parse(b"\x3b" + raw)
    assert found is None or found.label
