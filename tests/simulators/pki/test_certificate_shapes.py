"""What the certificates of the simulated card look like from outside: sizes, names, what is not in them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1

from tegata.simulators.pki import anchors
from tegata.simulators.presets import memory, persona_memory

JPKI = "app/d392f000260100000001/ef/"
PRINTABLE, UTF8 = 19, 12
PERSONA = """
name = "見本　花子"
address = "東京都清瀬市見本町１"
birth = 1990-04-01
sex = "female"
municipality = "13221"
[card]
issued = 2026-04-01
[certificates]
signature_ocsp = "ocspsign"
"""


def _card(content: dict[str, bytes]) -> dict[str, asn1.Certificate]:
    return {file: asn1.Certificate.load(content[JPKI + file]) for file in ("0001", "0002", "000a", "000b")}


def _critical(certificate: asn1.Certificate) -> set[str]:
    extensions = certificate["tbs_certificate"]["extensions"]
    return {extension["extn_id"].native for extension in extensions if extension["critical"].native}


def test_sizes_are_those_of_real_ones(my_number_memory: dict[str, bytes]) -> None:
    """Around 1586, 1764 and 1310 bytes: all over 255, as readers of four bytes expect."""
    sizes = {file: len(my_number_memory[JPKI + file]) for file in ("000a", "0001", "0002", "000b")}
    assert abs(sizes["000a"] - 1586) < 100
    assert abs(sizes["0001"] - 1764) < 150
    assert abs(sizes["0002"] - 1310) < 60 and abs(sizes["000b"] - 1310) < 60


def test_the_authentication_certificate_names_nobody(my_number_memory: dict[str, bytes]) -> None:
    certificate = _card(my_number_memory)["000a"]
    kinds = [rdn[0]["value"].chosen.tag for rdn in certificate.subject.chosen]
    assert kinds[0] == PRINTABLE
    name = certificate.subject.native["common_name"]
    municipality = my_number_memory["app/a0000001510000/do/00f0"].decode()
    assert name[:14].isalnum() and name[:14].isupper()
    assert name[14:] == municipality + "003A"
    der = my_number_memory[JPKI + "000a"]
    signature = _card(my_number_memory)["0001"].subject_alt_name_value
    for general in signature:
        value = general.chosen["value"].native
        assert len(value) == 1 or value.encode() not in der


@pytest.mark.parametrize("file", ["000a", "0001", "000b", "0002"])
def test_what_is_critical_and_what_is_not_in_them(my_number_memory: dict[str, bytes], file: str) -> None:
    found = _card(my_number_memory)[file]
    present = {extension["extn_id"].native for extension in found["tbs_certificate"]["extensions"]}
    if file in ("000b", "0002"):
        assert _critical(found) == {"key_usage", "basic_constraints"}
        assert "authority_key_identifier" not in present
        assert found.key_usage_value.native == {"key_cert_sign", "crl_sign"}
        assert found.ca is True and found.max_path_length is None
        return
    assert _critical(found) == {"key_usage", "certificate_policies"}
    assert "basic_constraints" not in present
    assert ("extended_key_usage" in present) is (file == "000a")
    assert ("subject_alt_name" in present) is (file == "0001")


@pytest.mark.parametrize("file", ["000a", "0001", "000b", "0002"])
def test_no_list_can_be_fetched(my_number_memory: dict[str, bytes], file: str) -> None:
    """The distribution points are names of a directory and no addresses."""
    points = _card(my_number_memory)[file].crl_distribution_points_value
    names = [general.name for point in points for general in point["distribution_point"].chosen]
    assert names == ["directory_name"]


def test_authorities_are_two_self_signed_roots(my_number_memory: dict[str, bytes]) -> None:
    found = _card(my_number_memory)
    units = {}
    for file in ("000b", "0002"):
        root = found[file]
        assert root.subject == root.issuer
        assert root.public_key.bit_size == 2048
        kinds = [rdn[0]["value"].chosen.tag for rdn in root.subject.chosen]
        assert kinds == [PRINTABLE, UTF8, UTF8, UTF8]
        units[file] = root.subject.native["organizational_unit_name"][0]
        assert root.subject_alt_name_value[0].name == "directory_name"
        validity = root["tbs_certificate"]["validity"]
        assert validity["not_after"].native.year - validity["not_before"].native.year == 10
    assert units == {"000b": "JPKI for user authentication", "0002": "JPKI for digital signature"}
    assert found["000a"].issuer == found["000b"].subject
    assert found["0001"].issuer == found["0002"].subject
    assert all(0x010000 <= asn1.Certificate.load(der).serial_number < 0x700000 for der in anchors())


def test_fields_of_a_known_holder(tmp_path: Path, installation: Path) -> None:
    (tmp_path / "persona.toml").write_text(PERSONA, encoding="utf-8")
    found = _card(persona_memory(tmp_path / "persona.toml", seed=1))
    signature, authentication = found["0001"], found["000a"]
    assert signature.subject.native["locality_name"] == ["Tokyo-to", "Kiyose-shi"]
    assert signature.subject.native["common_name"].startswith("20260401")
    values = [general.chosen["value"].native for general in signature.subject_alt_name_value]
    assert values == ["見本　花子", "419900401", "2", "東京都清瀬市見本町１", "0" * 5, "0" * 10]
    point = signature.crl_distribution_points_value[0]["distribution_point"].chosen[0].chosen.native
    assert point["organizational_unit_name"] == [
        "JPKI for digital signature",
        "CRL Distribution Points",
        "Tokyo-to",
    ]
    assert point["common_name"] == "Kiyose-shi CRLDP"
    addresses = {
        file: found[file].authority_information_access_value[0]["access_location"].native
        for file in ("0001", "000a")
    }
    assert addresses == {
        "0001": "http://ocspsign.jpki-test.invalid",
        "000a": "http://ocspauthnorm.jpki-test.invalid",
    }
    # The fifth birthday after the day of issue, which is itself a birthday.
    for certificate in (signature, authentication):
        assert certificate.not_valid_after.date() == date(2031, 4, 1)


def test_a_child_has_no_signature_certificate(installation: Path) -> None:
    content = memory("my-number-card-child", seed=1)
    assert JPKI + "0001" not in content
    assert JPKI + "001a" not in content
    assert content[JPKI + "0008"] == bytes.fromhex("008F00")
