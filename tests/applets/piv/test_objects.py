"""PIV codecs: published bytes first, then every value there and back."""

from __future__ import annotations

import gzip
import zlib
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu.errors import InputError
from tegata.applets.piv import model
from tegata.applets.piv.objects import (
    CardCapabilities,
    CertificateObject,
    Chuid,
    Discovery,
    FascN,
    PrintedInformation,
)

NON_FEDERAL = bytes.fromhex("D4E739DA739CED39CE739D836858210842108421C84210C3EB")
GUID = UUID("0c92247e-6a3f-4f15-9a3b-7f7f0a5c1d01")
DAYS = st.dates(min_value=date(1000, 1, 1))


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=count, max_size=count)


FASC_NS = st.builds(FascN, *(digits(length) for length in FascN.LENGTHS))


def text(limit: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=limit)


PRINTED = st.builds(PrintedInformation, text(125), text(20), DAYS, text(20), text(15), text(20), text(20))


def test_the_non_federal_fasc_n() -> None:
    assert bytes(FascN()) == NON_FEDERAL
    assert FascN.parse(NON_FEDERAL) == FascN()


@given(FASC_NS)
def test_every_fasc_n_comes_back(number: FascN) -> None:
    assert FascN.parse(bytes(number)) == number


@given(st.integers(0, 199))
def test_a_flipped_bit_of_a_fasc_n_is_seen(bit: int) -> None:
    flipped = (int.from_bytes(NON_FEDERAL, "big") ^ 1 << bit).to_bytes(25, "big")
    with pytest.raises(ValueError):
        FascN.parse(flipped)


def test_the_bytes_of_a_chuid() -> None:
    chuid = Chuid(GUID, date(2030, 3, 31))
    expected = "3019" + NON_FEDERAL.hex() + "3410" + GUID.hex + "35083230333030333331" + "3e00fe00"
    assert bytes(chuid).hex() == expected


@given(FASC_NS, st.uuids(), DAYS, st.binary(max_size=300))
def test_every_chuid_comes_back(number: FascN, guid: UUID, expiry: date, signature: bytes) -> None:
    chuid = Chuid(guid, expiry, number, signature)
    assert Chuid.parse(bytes(chuid)) == chuid


def test_old_tags_of_a_chuid_are_skipped() -> None:
    chuid = Chuid(GUID, date(2030, 3, 31))
    assert Chuid.parse(bytes.fromhex("EE020000" + "3304AABBCCDD") + bytes(chuid)) == chuid


def test_the_bytes_of_a_card_capability_container() -> None:
    raw = bytes(CardCapabilities(bytes(range(14))))
    head = "F015A000000116FF02000102030405060708090A0B0C0D"
    assert raw.hex().upper() == head + "F10121F20121F300F40100F50110F600F700FA00FB00FC00FD00FE00"
    assert CardCapabilities.parse(raw).card_identifier == bytes(range(14))


def test_the_bytes_of_printed_information() -> None:
    printed = PrintedInformation("A", "B", date(2034, 1, 1), "C", "D")
    assert bytes(printed) == b"\x01\x01A\x02\x01B\x04\x092034JAN01\x05\x01C\x06\x01D\xfe\x00"


@given(PRINTED)
def test_all_printed_information_comes_back(printed: PrintedInformation) -> None:
    assert PrintedInformation.parse(bytes(printed)) == printed


@pytest.mark.parametrize("wrong", [b"+1_2JAN02", b"2030JAN+2", b" 203JAN02", b"2030JAN32", b"2030jan02"])
def test_a_printed_expiry_date_has_digits_only(wrong: bytes) -> None:
    raw = bytes(PrintedInformation("A", "B", date(2030, 1, 2), "C", "D"))
    with pytest.raises(ValueError):
        PrintedInformation.parse(raw.replace(b"2030JAN02", wrong))


@pytest.mark.parametrize("name", ["山田太郎", "A" * 126, "line\nbreak"])
def test_text_that_does_not_fit_is_refused_by_field(name: str) -> None:
    with pytest.raises(InputError) as refused:
        PrintedInformation(name, "", date(2034, 1, 1), "", "")
    assert refused.value.code == "piv.text"
    assert "name" in refused.value.sentence("en")


def certificate_object(value: bytes, info: int) -> bytes:
    return b"\x70\x82" + len(value).to_bytes(2, "big") + value + bytes((0x71, 0x01, info, 0xFE, 0x00))


def test_certificates_plain_and_compressed() -> None:
    der = b"\x30\x82\x01\x00" + bytes(range(256))
    assert bytes(CertificateObject(der)) == certificate_object(der, 0)
    net_id = b"\x01\x00" + len(der).to_bytes(2, "little") + zlib.compress(der)
    for raw in (
        certificate_object(der, 0),
        certificate_object(gzip.compress(der), 1),
        certificate_object(gzip.compress(der), 0x80),
        certificate_object(net_id, 1),
    ):
        assert CertificateObject.parse(raw).certificate == der


@pytest.mark.parametrize(
    "raw",
    [
        certificate_object(gzip.compress(bytes(1 << 24)), 1),
        certificate_object(gzip.compress(b"x" * 100)[:-9], 1),
        certificate_object(b"not gzip", 1),
        b"\x70\x00\x71\x01\x00\xfe\x00",
    ],
    ids=["bomb", "cut", "not-gzip", "empty"],
)
def test_certificates_that_are_none(raw: bytes) -> None:
    with pytest.raises(ValueError):
        CertificateObject.parse(raw)


def test_discovery_and_selection_of_the_simulated_card() -> None:
    assert Discovery.parse(model.DISCOVERY) == Discovery(model.INSTANCE_AID, 0x4000)
    assert bytes(Discovery(model.INSTANCE_AID, 0x4000)) == model.DISCOVERY
    expected = "61164F0BA00000030800001000010079074F05A000000308"
    assert model.APPLICATION_PROPERTY_TEMPLATE.hex().upper() == expected


@given(st.binary(max_size=64))
def test_garbage_is_an_error_of_its_own_kind(raw: bytes) -> None:
    for codec in (Chuid, CardCapabilities, PrintedInformation, Discovery):
        with pytest.raises(ValueError):
            codec.parse(raw)


@pytest.mark.parametrize(
    ("digits", "padded"), [(b"123456", "313233343536ffff"), (b"12345678", "3132333435363738")]
)
def test_pins_are_padded(digits: bytes, padded: str) -> None:
    assert model.padded_pin(digits).hex() == padded


@pytest.mark.parametrize("digits", [b"12345", b"123456789", b"12345a", b""])
def test_pins_that_are_none(digits: bytes) -> None:
    with pytest.raises(ValueError):
        model.padded_pin(digits)
