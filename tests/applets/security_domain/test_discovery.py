"""Finding the issuer's domain, and what cards of the field tell (GPC 2.3.1 annex H)."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu.card import Card
from tegata.apdu.errors import CardError, MalformedResponse, StatusError
from tegata.applets.security_domain import discover, find_issuer_domain, model
from tegata.applets.security_domain.recognition import (
    oid_text,
    parse_capabilities,
    parse_card_data,
    protocol_options,
)
from tegata.applets.security_domain.results import parse_key_information, parse_selection
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.link import SimulatedLink
from tegata.simulators.presets import memory

from .scripted import dialogue

SELECT = "00A4040000"
FCI = "6F10 8408A000000151000000 A5049F6501FF 9000"
JCOP = "00A4040009A000000167413000FF00"


def test_the_common_answer() -> None:
    with dialogue(SELECT, FCI) as domain:
        found, selection = find_issuer_domain(domain.card)
    assert (found.aid, selection.max_data, selection.card_locked) == (model.AID, 255, False)


def test_a_locked_card_and_one_of_shorter_blocks() -> None:
    with dialogue(SELECT, FCI.replace("01FF 9000", "0180 6283")) as domain:
        found, selection = find_issuer_domain(domain.card)
    assert (selection.card_locked, found.room) == (True, 0x80)


@pytest.mark.parametrize("bare", ["6A87", "6F00 9000", "6A86", "9000"])
def test_a_bare_select_that_selects_nothing(bare: str) -> None:
    with dialogue(
        SELECT, bare, "00A4040008A00000015100000000", "6A82",
        "00A4040008A00000000300000000", "6F0A8408A000000003000000 9000",
    ) as domain:  # fmt: skip
        assert find_issuer_domain(domain.card)[0].aid.hex() == "a000000003000000"


def test_a_jcop_card_that_is_not_fused() -> None:
    unfused = dialogue(SELECT, "6A82", JCOP, "11" * 14 + "00 22 9000")
    with unfused as domain, pytest.raises(CardError) as caught:
        find_issuer_domain(domain.card)
    assert caught.value.code == "gp.unfused"


def test_no_domain_at_all() -> None:
    names = ["A000000151000000", "A000000003000000", "A0000000030000", "A000000018434D00", "A0000001510000"]
    lines = [SELECT, "6A82", JCOP, "11" * 14 + "01 9000"]
    for name in names:
        lines += [f"00A40400{len(name) // 2:02X}{name}00", "6A82"]
    with dialogue(*lines) as domain, pytest.raises(CardError) as caught:
        find_issuer_domain(domain.card)
    assert caught.value.code == "gp.no_issuer_domain"


def test_a_card_that_does_not_let_itself_be_asked() -> None:
    with dialogue(SELECT, "6982") as domain, pytest.raises(StatusError):
        find_issuer_domain(domain.card)


def test_everything_that_a_card_can_tell() -> None:
    cplc = "4790516847910078340013290144739576894812" + "1336" + "00" * 20
    with dialogue(
        SELECT, FCI,
        "80CA006600", "6631732F06072A864886FC6B01600C060A2A864886FC6B02020101"
        "630906072A864886FC6B03640B06092A864886FC6B040215 9000",
        "80CA9F7F00", "6A88", "00CA9F7F00", "9F7F2A" + cplc + "9000",
        "80CA004200", "4203112233 9000",
        "80CA004500", "6D00",
        "80CA006700", "6724A0098001028104153555758103E5BEC082031E03008301028401028501"
        "7B86010C87017B 9000",
        "80CA00E000", "E012C00401FF8010C00402FF8010C00403FF8010 9000",
        "80CAFF2100", "FF2110 81020002 820400016DB4 83040000086A 9000",
        "80CA00C100", "C10200FF 9000",
        "80CA00C200", "C2020005 9000",
        "80CA00CF00", "6A88",
    ) as domain:  # fmt: skip
        told = discover(domain.card)
    assert told.to_json(datetime.date(2015, 1, 1)) == {
        "issuer_domain": "A000000151000000",
        "card_locked": False,
        "max_block": 255,
        "cplc": {
            "ic_fabricator": "4790",
            "ic_type": "5168",
            "operating_system": "4791",
            "os_release_date": "2010-03-19",
            "os_release_level": "3400",
            "ic_fabrication_date": "2011-11-25",
            "ic_serial": "01447395",
            "ic_batch": "7689",
            "module_fabricator": "4812",
            "module_packaging_date": "2011-12-02",
            "icc_manufacturer": "0000",
            "pre_personalizer": "0000",
            "pre_personalization_equipment": "00000000",
            "personalizer": "0000",
            "personalization_equipment": "00000000",
            "ic_fabricator_name": "NXP",
        },
        "iin": "112233",
        "card_data": {
            "version": "2.1.1",
            "protocols": [
                {
                    "scp": "02",
                    "i": "15",
                    "options": ["three keys", "explicit initiation", "ICV encryption for C-MAC"],
                }
            ],
            "identification": "3",
        },
        "capabilities": {
            "protocols": [{"scp": "02", "i": ["15", "35", "55", "75"]}],
            "domain_privileges": "E5BEC0",
            "application_privileges": "1E0300",
            "hashes": ["sha256"],
            "load_file_ciphers": ["AES-128"],
            "token": [
                "RSA-1024-SHA1",
                "RSA-PSS-SHA256",
                "CMAC-AES-128",
                "CMAC-AES-192",
                "CMAC-AES-256",
                "ECDSA-P256",
            ],
            "receipt": ["DES-MAC", "CMAC-AES-128"],
            "dap": [
                "RSA-1024-SHA1",
                "RSA-PSS-SHA256",
                "CMAC-AES-128",
                "CMAC-AES-192",
                "CMAC-AES-256",
                "ECDSA-P256",
            ],
        },
        "keys": [{"kid": f"{kid:02X}", "version": "FF", "type": "3DES", "length": 16} for kid in (1, 2, 3)],
        "resources": {"applications": 2, "free_non_volatile": 93620, "free_volatile": 2154},
        "sequence_counter": 255,
        "receipt_counter": 5,
    }


def test_scp11_has_two_bytes_of_options() -> None:
    # Card data of a real card (kaoh/globalplatform): SCP03 i = 60, SCP11 i = 9B 06.
    raw = bytes.fromhex(
        "733D06072A864886FC6B01600C060A2A864886FC6B02020301630906072A864886FC6B03"
        "640B06092A864886FC6B040360640C060A2A864886FC6B04119B06"
    )
    data = parse_card_data(raw)
    assert data.version == "2.3.1"
    assert data.protocols == ((3, 0x60), (0x11, 0x061B))
    assert data.protocols[0].options == ("R-MAC", "R-ENC")
    assert data.protocols[1].options == (
        "SCP11a",
        "SCP11b",
        "certificate chains",
        "SCP11c",
        "X.509 certificates",
        "no GlobalPlatform certificates",
    )


def test_configuration_and_chip_have_their_names() -> None:
    raw = bytes.fromhex(
        "734B06072A864886FC6B01600B06092A864886FC6B020203630906072A864886FC6B03640B06092A864886FC6B040370"
        "650D060B2A864886FC6B0507020000660C060A2B060104012A026E0103"
    )
    data = parse_card_data(raw)
    assert data.configuration == ("1.2.840.114283.5.7.2.0.0",)
    assert data.chip == ("1.3.6.1.4.1.42.2.110.1.3",)
    assert protocol_options(3, 0x71) == ("S16", "pseudo-random challenge", "R-MAC", "R-ENC")
    assert oid_text(bytes.fromhex("8837")) == "2.999"


def test_keys_of_elliptic_curves_and_long_ones() -> None:
    curve, long, extended = parse_key_information(
        bytes.fromhex("C0061301B120F000C0060170A100A003C00B0130FF8800100238000101")
    )
    assert (curve.type_name, curve.length) == ("EC-private", 32)
    assert (long.type_name, long.length) == ("RSA-modulus", 256)
    assert (extended.usage.hex(), extended.access.hex()) == ("3800", "01")
    assert extended.to_json() == {
        "kid": "01",
        "version": "30",
        "type": "AES",
        "length": 16,
        "usage": "3800",
        "access": "01",
    }


@pytest.mark.parametrize("preset", ["company-card", "gp-card", "gp-scp02"])
def test_our_own_cards(preset: str) -> None:
    card = SimulatedCard(MemoryStore(memory(preset, 7)), entropy=seeded(b"told"), contactless=False)
    told = discover(Card(SimulatedLink(card)))
    assert told.selection.aid == model.AID
    assert told.cplc is not None
    assert told.card_data is not None
    assert told.capabilities is not None
    assert {key.version for key in told.keys} == {0xFF}
    numbers = {protocol.number for protocol in told.card_data.protocols}
    assert numbers == {protocol.number for protocol in told.capabilities.protocols}
    assert told.to_json(datetime.date(2026, 1, 1))["issuer_domain"] == "A000000151000000"


@given(st.binary(max_size=80))
def test_no_object_of_a_card_breaks_the_readers(raw: bytes) -> None:
    for parse in (parse_card_data, parse_capabilities):
        try:
            told = parse(raw)
        except MalformedResponse:
            continue
        assert told.to_json() is not None


@given(st.binary(max_size=60), st.sampled_from([0x9000, 0x6283]))
def test_no_answer_to_a_select_breaks_the_reader(raw: bytes, sw: int) -> None:
    try:
        selection = parse_selection(raw, model.AID, locked=sw == 0x6283)
    except MalformedResponse:
        return
    assert selection.aid
    assert 1 <= selection.max_data <= 255
