"""Every field of the end-entity certificates, read by asn1crypto and OpenSSL from the card's files."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta, timezone

import pytest
from asn1crypto import x509 as asn1

from tegata.simulators.presets import memory

JPKI = "app/d392f000260100000001/ef/"
AUTHENTICATION, SIGNATURE = "000a", "0001"
FILES = pytest.mark.parametrize("file", [AUTHENTICATION, SIGNATURE])
UNIT = {AUTHENTICATION: "JPKI for user authentication", SIGNATURE: "JPKI for digital signature"}


@pytest.fixture
def card(my_number_memory: dict[str, bytes]) -> dict[str, asn1.Certificate]:
    return {
        file: asn1.Certificate.load(my_number_memory[JPKI + file]) for file in (AUTHENTICATION, SIGNATURE)
    }


@FILES
def test_version_serial_algorithm_and_key(card: dict[str, asn1.Certificate], file: str) -> None:
    found = card[file]
    assert found["tbs_certificate"]["version"].native == "v3"
    assert 0 < found.serial_number < 1 << 31
    assert found["signature_algorithm"]["algorithm"].native == "sha256_rsa"
    assert (found.public_key.bit_size, found.public_key["public_key"].parsed["public_exponent"].native) == (
        2048,
        65537,
    )


@FILES
def test_policy_is_critical_and_names_the_cps(card: dict[str, asn1.Certificate], file: str) -> None:
    extension = next(
        e
        for e in card[file]["tbs_certificate"]["extensions"]
        if e["extn_id"].native == "certificate_policies"
    )
    assert extension["critical"].native is True
    (policy,) = extension["extn_value"].parsed
    end = {AUTHENTICATION: "3.30", SIGNATURE: "1.20"}[file]
    assert policy["policy_identifier"].native == "1.2.392.200149.8.5.1." + end
    (qualifier,) = policy["policy_qualifiers"]
    assert qualifier["policy_qualifier_id"].native == "certification_practice_statement"
    assert qualifier["qualifier"].native == "http://www.jpki.go.jp/cps.html"


@FILES
def test_names_of_the_issuer_and_of_its_lists(card: dict[str, asn1.Certificate], file: str) -> None:
    found = card[file]
    alternative = found.issuer_alt_name_value.native[0]
    assert alternative["country_name"] == "JP"
    assert alternative["organization_name"] == "公的個人認証サービス"
    use = {AUTHENTICATION: "利用者証明用", SIGNATURE: "署名用"}[file]
    assert alternative["organizational_unit_name"] == [
        "公的個人認証サービス" + use,
        "地方公共団体情報システム機構",
    ]
    point = found.crl_distribution_points_value[0]["distribution_point"].chosen[0].chosen.native
    assert point["organization_name"] == "JPKI-TEST"
    assert point["organizational_unit_name"][:2] == [UNIT[file], "CRL Distribution Points"]
    assert point["organizational_unit_name"][2].endswith(("-to", "-fu", "-ken", "Hokkaido"))
    assert point["common_name"].endswith(" CRLDP")
    assert len(found.crl_distribution_points_value) == 1


@FILES
def test_key_identifiers_and_ocsp(
    card: dict[str, asn1.Certificate], my_number_memory: dict[str, bytes], file: str
) -> None:
    found = card[file]
    issuer = asn1.Certificate.load(my_number_memory[JPKI + {AUTHENTICATION: "000b", SIGNATURE: "0002"}[file]])
    value = found.authority_key_identifier_value
    assert value["key_identifier"].native == issuer.key_identifier
    assert value["authority_cert_issuer"][0].chosen == issuer.subject
    assert value["authority_cert_serial_number"].native == issuer.serial_number
    assert found.key_identifier == found.public_key.sha1
    (access,) = found.authority_information_access_value
    assert access["access_method"].native == "ocsp"
    assert access["access_location"].native.endswith(".invalid")


def test_uses_and_who_is_named(card: dict[str, asn1.Certificate]) -> None:
    authentication, signature = card[AUTHENTICATION], card[SIGNATURE]
    assert authentication.key_usage_value.native == {"digital_signature"}
    assert authentication.extended_key_usage_value.native == ["client_auth"]
    assert authentication.subject_alt_name_value is None
    assert set(authentication.subject.native) == {"country_name", "common_name"}
    assert signature.key_usage_value.native == {"digital_signature", "non_repudiation"}
    assert signature.extended_key_usage_value is None
    types = [rdn[0]["type"].native for rdn in signature.subject.chosen]
    assert types == ["country_name", "locality_name", "locality_name", "common_name"]
    issued = signature["tbs_certificate"]["validity"]["not_before"].native
    japanese = issued.astimezone(timezone(timedelta(hours=9)))
    assert signature.subject.native["common_name"].startswith(f"{japanese:%Y%m%d%H%M%S}")


@FILES
def test_validity_ends_with_a_japanese_day(card: dict[str, asn1.Certificate], file: str) -> None:
    validity = card[file]["tbs_certificate"]["validity"]
    assert [validity[name].name for name in ("not_before", "not_after")] == ["utc_time", "utc_time"]
    assert f"{validity['not_after'].native:%H%M%S}" == "145959"
    years = (validity["not_after"].native - validity["not_before"].native).days / 365.25
    assert 4 <= years <= 5


def test_the_cards_expiry_caps_the_certificates(installation: object) -> None:
    """A child's card ends at the fifth birthday, and so do its certificates; an expired card's long ago."""
    for preset in ("my-number-card-child", "my-number-card-expired"):
        content = memory(preset, seed=1)
        expiry = content["app/a0000001510000/do/00f2"].decode()
        found = asn1.Certificate.load(content[JPKI + AUTHENTICATION])
        assert f"{found.not_valid_after + timedelta(hours=9):%Y%m%d}" <= expiry
    assert found.not_valid_after < datetime.now(UTC) - timedelta(days=365)


def test_attributes_of_a_foreign_resident(installation: object) -> None:
    content = memory("my-number-card-foreign-resident", seed=1)
    der = content[JPKI + SIGNATURE]
    names = [general.chosen for general in asn1.Certificate.load(der).subject_alt_name_value]
    assert [name["type_id"].native[-1] for name in names] == list("143526")
    name, birth, sex, address, name_flags, address_flags = (entry["value"].native for entry in names)
    assert (birth, sex) == ("319851130", "9")
    assert name_flags == "".join("1" if character == "〓" else "0" for character in name)
    assert address_flags == "".join("1" if character == "〓" else "0" for character in address)
    assert "1" in name_flags and "1" in address_flags
    # [0] EXPLICIT UTF8String, as the bytes stand
    text = subprocess.run(
        ["openssl", "asn1parse", "-inform", "der"], input=der, capture_output=True, check=True
    ).stdout.decode()
    assert "X509v3 Subject Alternative Name" in text
    oid = asn1.ObjectIdentifier("1.2.392.200149.8.5.5.3").dump()
    assert oid + bytes.fromhex("A0030C0139") in der
