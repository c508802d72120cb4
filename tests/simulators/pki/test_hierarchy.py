"""The test hierarchy: made once, in the JPKI profile, judged by OpenSSL's command line."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1

from tegata.apdu import InputError
from tegata.simulators.pki import anchors, anchors_pem, hierarchy
from tegata.simulators.pki.profile import Holder, birthday, end_of_day, valid_until

JPKI = "app/d392f000260100000001/ef/"
AUTHENTICATION_ORDER = [
    ("key_usage", True),
    ("extended_key_usage", False),
    ("certificate_policies", True),
    ("issuer_alt_name", False),
    ("crl_distribution_points", False),
    ("authority_information_access", False),
    ("authority_key_identifier", False),
    ("key_identifier", False),
]
SIGNATURE_ORDER = [
    ("key_usage", True),
    ("subject_alt_name", False),
    *AUTHENTICATION_ORDER[2:],
]
ROOT_ORDER = [
    ("key_usage", True),
    ("subject_alt_name", False),
    ("basic_constraints", True),
    ("crl_distribution_points", False),
    ("key_identifier", False),
]


def _text(certificate: bytes) -> str:
    command = ["openssl", "x509", "-inform", "der", "-noout", "-text", "-nameopt", "RFC2253,utf8"]
    return subprocess.run(command, input=certificate, capture_output=True, check=True).stdout.decode()


def _order(certificate: bytes) -> list[tuple[str, bool]]:
    extensions = asn1.Certificate.load(certificate)["tbs_certificate"]["extensions"]
    return [(extension["extn_id"].native, extension["critical"].native) for extension in extensions]


def test_roots_have_the_profile() -> None:
    authentication, signature = anchors(generation=3)
    for certificate, unit in ((authentication, "user authentication"), (signature, "digital signature")):
        text = _text(certificate)
        assert (
            "Subject: OU=Japan Agency for Local Authority Information Systems,"
            f"OU=JPKI for {unit},O=JPKI-TEST,C=JP" in text
        )
        assert "Certificate Sign, CRL Sign" in text
        assert _order(certificate) == ROOT_ORDER
        assert 1200 < len(certificate) < 1400


def test_authentication_certificate_has_the_profile(my_number_memory: dict[str, bytes]) -> None:
    certificate = my_number_memory[JPKI + "000a"]
    text = _text(certificate)
    assert _order(certificate) == AUTHENTICATION_ORDER
    assert "Policy: 1.2.392.200149.8.5.1.3.30" in text
    assert "CPS: http://www.jpki.go.jp/cps.html" in text
    assert "14:59:59" in text.split("Not After :")[1].splitlines()[0]
    name = asn1.Certificate.load(certificate).subject.native["common_name"]
    assert len(name) == 23
    assert name.endswith("003A")
    assert name[14:19].isdigit()
    assert bytes.fromhex("0603551D0F0101FF040403020780") in certificate  # key usage: digitalSignature alone


def test_signature_certificate_has_the_profile(my_number_memory: dict[str, bytes]) -> None:
    certificate = my_number_memory[JPKI + "0001"]
    assert _order(certificate) == SIGNATURE_ORDER
    assert bytes.fromhex("0603551D0F0101FF0404030206C0") in certificate
    subject = asn1.Certificate.load(certificate).subject.native
    assert len(subject["common_name"]) == 28
    assert subject["common_name"].isdigit()
    assert len(subject["locality_name"]) == 2
    alternative = asn1.Certificate.load(certificate).subject_alt_name_value
    names = [general.chosen for general in alternative]
    prefix = "1.2.392.200149.8.5.5."
    assert [name["type_id"].native for name in names] == [prefix + end for end in "143526"]
    values = [name["value"].native for name in names]
    assert len(values[1]) == 9
    assert values[2] in ("1", "2")
    assert (len(values[4]), len(values[5])) == (len(values[0]), len(values[3]))
    assert 1600 < len(certificate) < 1900


def test_openssl_builds_the_chain(my_number_memory: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_bytes(anchors_pem())
    for file in ("000a", "0001"):
        der = my_number_memory[JPKI + file]
        command = ["openssl", "x509", "-inform", "der"]
        pem = subprocess.run(command, input=der, capture_output=True, check=True).stdout
        (tmp_path / "certificate.pem").write_bytes(pem)
        command = ["openssl", "verify", "-x509_strict", "-CAfile", "roots.pem", "certificate.pem"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert done.stdout == b"certificate.pem: OK\n", done.stderr


def test_it_is_made_once_and_by_one(tmp_path: Path) -> None:
    place = tmp_path / "new" / "sim-pki"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: anchors(place), range(4)))
    assert len(set(found)) == 1
    assert [path.name for path in place.parent.iterdir()] == ["sim-pki"]
    if sys.platform != "win32":
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert stat.S_IMODE((place / "older").stat().st_mode) == 0o700
        files = [path for path in place.rglob("*") if path.is_file()]
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_damaged_hierarchy_is_one_sentence(tmp_path: Path) -> None:
    place = tmp_path / "sim-pki"
    place.mkdir()
    with pytest.raises(InputError) as caught:
        hierarchy(place)
    assert caught.value.code == "simpki.damaged"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        hierarchy(tmp_path / "file" / "sim-pki")
    assert caught.value.code == "cardfile.permission"


def test_fifth_birthday_after_issue() -> None:
    assert valid_until(date(1990, 4, 1), date(2026, 3, 31), 5) == date(2030, 4, 1)
    assert valid_until(date(1990, 4, 1), date(2026, 4, 1), 5) == date(2031, 4, 1)
    assert valid_until(date(2000, 2, 29), date(2026, 3, 1), 5) == date(2031, 2, 28)
    assert birthday(date(2000, 2, 29), 2028) == date(2028, 2, 29)
    assert end_of_day(date(2031, 4, 1)).isoformat() == "2031-04-01T14:59:59"


@pytest.mark.parametrize(
    ("birth", "era"),
    [
        (date(2019, 5, 1), "520190501"),
        (date(2019, 4, 30), "420190430"),
        (date(1989, 1, 7), "319890107"),
        (date(1980, 2, 17), "319800217"),
        (date(1926, 12, 24), "219261224"),
        (date(1912, 7, 29), "119120729"),
    ],
)
def test_era_of_a_birth_date(birth: date, era: str) -> None:
    assert Holder("見本", "東京都", birth, 1, "Tokyo-to", "Chiyoda-ku").era_birth == era
