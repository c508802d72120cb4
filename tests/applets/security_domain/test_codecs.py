"""Data groupings, CPLC, INSTALL fields: with bytes from elsewhere, and as properties."""

import contextlib
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu.errors import MalformedResponse
from tegata.apdu.tlv import Tlv
from tegata.applets.security_domain import model
from tegata.applets.security_domain.model.cplc import Cplc, date_code, read_date
from tegata.applets.security_domain.model.dgi import Dgi, cut, read_dgis
from tegata.applets.security_domain.recognition import CardData, parse_card_data
from tegata.applets.security_domain.results import (
    KeyInformation,
    RegisteredKind,
    Selection,
    parse_key_information,
    parse_registry,
    parse_selection,
)

dgis = st.lists(
    st.builds(Dgi, st.integers(0, 0xFFFF), st.binary(max_size=600), st.booleans()), min_size=1, max_size=5
)


def test_a_grouping_has_one_length_byte_up_to_254_and_three_from_255() -> None:
    assert bytes(Dgi(0x0070, b"\x5a" * 3)).hex() == "0070035a5a5a"
    assert bytes(Dgi(0x8113, bytes(254))).startswith(bytes.fromhex("8113FE"))
    assert bytes(Dgi(0x8113, bytes(255))).startswith(bytes.fromhex("8113FF00FF"))


def test_a_key_set_of_another_tool_is_read() -> None:
    # kaoh/globalplatform storeDataTest: 00B9 and three 8113 (DEK 00..0F, keys 40..4F, 50..5F, 60..6F).
    raw = bytes.fromhex(
        "00B930B71080018881011083010196010197020003B9088201018403504A77B9088201028403F2A8DFB9088201038403D7D0E4"
        "811310D533E59B45A153ED7E5E9C5DFCFD4AAA8113103EF0B1A5E3059DAB21FCE23A7B61C4CA"
        "811310ADDE68F7AD497268D31A0DDD5C74B08F"
    )
    found, rest = read_dgis(raw)
    assert [dgi.tag for dgi in found] == [0x00B9, 0x8113, 0x8113, 0x8113]
    assert rest == b""
    assert b"".join(bytes(dgi) for dgi in found) == raw


@given(dgis, st.integers(1, 255))
def test_groupings_survive_being_cut_anywhere(sent: list[Dgi], size: int) -> None:
    blocks = cut(sent, size)
    assert all(len(block) <= size for block, _ in blocks)
    got, rest = [], b""
    for block, _ in blocks:
        some, rest = read_dgis(rest + block)
        got += some
    assert rest == b""
    assert [(dgi.tag, dgi.value) for dgi in got] == [(dgi.tag, dgi.value) for dgi in sent]


@given(dgis, st.integers(1, 255))
def test_every_byte_of_a_secret_value_stays_marked_in_its_block(sent: list[Dgi], size: int) -> None:
    marked = b"".join(
        bytes(1 if any(start <= index < stop for start, stop in spans) else 0 for index in range(len(block)))
        for block, spans in cut(sent, size)
    )
    expected = b"".join(
        bytes(len(bytes(dgi)) - len(dgi.value)) + bytes([dgi.secret]) * len(dgi.value) for dgi in sent
    )
    assert marked == expected


def test_a_secret_value_does_not_print() -> None:
    assert "2222" not in repr(Dgi(0x8113, b"\x22" * 16, secret=True))


def test_production_data_is_read_field_by_field() -> None:
    raw = bytes.fromhex(
        "479051674700E352060052704090345821250000000000000000000000000000000000000000000000000000"
    )
    cplc = Cplc.parse(raw[:42].ljust(42, b"\0"))
    assert cplc.ic_fabricator.hex() == "4790"
    assert cplc.ic_serial.hex() == "40903458"
    assert bytes(cplc) == raw[:42]
    with pytest.raises(ValueError, match="42 bytes"):
        Cplc.parse(raw[:41])


def test_dates_of_production_data_tell_no_decade() -> None:
    today = datetime.date(2026, 7, 1)
    assert date_code(datetime.date(2026, 1, 2)).hex() == "6002"
    assert read_date(bytes.fromhex("6002"), today) == datetime.date(2026, 1, 2)
    assert read_date(bytes.fromhex("6300"), today) == datetime.date(2016, 10, 26)
    assert read_date(bytes.fromhex("0366"), today) == datetime.date(2020, 12, 31)
    for none in ("0000", "FFFF", "6000", "6999"):
        assert read_date(bytes.fromhex(none), today) is None


@given(st.dates(datetime.date(2017, 1, 1), datetime.date(2026, 6, 30)))
def test_dates_of_the_last_nine_years_come_back(day: datetime.date) -> None:
    assert read_date(date_code(day), datetime.date(2026, 6, 30)) == day


@given(st.lists(st.binary(max_size=300), min_size=6, max_size=6))
def test_install_fields_are_read_as_they_were_written(fields: list[bytes]) -> None:
    raw = b"".join(model.lv(field) for field in fields)
    assert model.parse_lv(raw, 6) == fields


def test_a_missing_last_field_is_empty_and_a_cut_one_is_a_fault() -> None:
    assert model.parse_lv(bytes.fromhex("000002F0010000"), 6) == [b"", b"", b"\xf0\x01", b"", b"", b""]
    with pytest.raises(ValueError, match="claims"):
        model.parse_lv(bytes.fromhex("0000 05 F001"), 6)


def test_key_information_basic_and_extended() -> None:
    # 3DES set of an old card, an SCP11b key, and the extended form (GPC 2.3.1 §11.3.3.1.1).
    old = bytes.fromhex("C00401FF8010C00402FF8010C00403FF8010")
    assert parse_key_information(old)[2] == KeyInformation(3, 0xFF, 0x80, 16)
    assert parse_key_information(bytes.fromhex("C0061301B120F000"))[0].kid == 0x13
    extended = bytes.fromhex("C00A0130FF880010 01380102".replace(" ", ""))
    assert parse_key_information(extended)[0] == KeyInformation(1, 0x30, 0x88, 16)
    with pytest.raises(MalformedResponse):
        parse_key_information(bytes.fromhex("C00101"))


def test_card_data_of_a_real_card() -> None:
    # A JCOP card (GPC 2.2.3, SCP03 i=70).
    raw = bytes.fromhex(
        "734B06072A864886FC6B01600B06092A864886FC6B020203630906072A864886FC6B03640B06092A864886FC6B040370"
        "650D060B2A864886FC6B0507020000660C060A2B060104012A026E0103"
    )
    assert parse_card_data(raw).version == "2.3"
    assert parse_card_data(raw).protocols == ((3, 0x70),)


def test_a_domain_is_told_from_an_application_by_its_privilege() -> None:
    raw = bytes.fromhex("E31A4F08A0000000035350419F700107C503800000C405A000000001")
    (entry,) = parse_registry(raw, model.StatusScope.APPLICATIONS)
    assert entry.kind is RegisteredKind.DOMAIN
    assert entry.package.hex() == "a000000001"
    assert not entry.locked


@pytest.mark.parametrize("length", [1, 4, 17, 100])
@pytest.mark.parametrize("tag", [0x4F, 0xC4, 0xCC, 0x84])
def test_an_aid_of_a_length_that_none_has(tag: int, length: int) -> None:
    """It would go into the ledger, into messages and back to the card."""
    entry = {0x4F: Tlv(0x4F, bytes(8)), 0x9F70: Tlv(0x9F70, b"\x07"), tag: Tlv(tag, bytes(length))}
    with pytest.raises(MalformedResponse, match=f"an AID of {length} bytes"):
        parse_registry(bytes(Tlv.build(0xE3, entry.values())), model.StatusScope.APPLICATIONS)
    with pytest.raises(MalformedResponse, match=f"an AID of {length} bytes"):
        parse_selection(bytes(Tlv.build(0x6F, [Tlv(0x84, bytes(length))])), b"", locked=False)


@pytest.mark.parametrize("serial", ["00000000", "FFFFFFFF"])
def test_a_cplc_without_a_serial_number_is_that_of_many_cards(serial: str) -> None:
    raw = bytes.fromhex("47900050479120813518" + "6001" + serial + "8888") + bytes(24)
    assert not Cplc.parse(raw).numbered
    assert Cplc.parse(raw.replace(bytes.fromhex(serial + "8888"), bytes.fromhex("000000018888"))).numbered


@given(st.binary(max_size=80))
def test_a_lying_card_ends_in_one_kind_of_error(raw: bytes) -> None:
    for parse in (
        lambda: parse_registry(raw, 0x40),
        lambda: parse_key_information(raw),
        lambda: parse_card_data(raw),
        lambda: parse_selection(raw, model.AID, locked=False),
    ):
        result = None
        with contextlib.suppress(MalformedResponse):
            result = parse()
        assert result is None or isinstance(result, list | tuple | CardData | Selection)
