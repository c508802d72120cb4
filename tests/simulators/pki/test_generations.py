"""Three generations under one name, production names apart, an earlier version's folder completed."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from tegata.simulators.pki import GENERATIONS, Family, anchors, hierarchy
from tegata.simulators.pki.export import write_anchors
from tegata.simulators.presets import memory, persona_memory

JPKI = "app/d392f000260100000001/ef/"
PERSONA = """
name = "見本　花子"
address = "東京都清瀬市見本町１"
birth = 1990-04-01
sex = "female"
municipality = "13221"
"""


def test_generations_share_a_name_and_nothing_else(installation: Path) -> None:
    for family in Family:
        roots = [hierarchy().authority(family, number).certificate for number in GENERATIONS]
        assert len({root.subject.public_bytes() for root in roots}) == 1
        assert len({root.serial_number for root in roots}) == 3
        identifiers = [asn1.Certificate.load(_der(root)).key_identifier for root in roots]
        assert len(set(identifiers)) == 3
        now = datetime.now(UTC)
        assert roots[0].not_valid_after_utc < now < roots[1].not_valid_after_utc
        assert [r.not_valid_before_utc for r in roots] == sorted(r.not_valid_before_utc for r in roots)
        assert roots[2].not_valid_before_utc < roots[1].not_valid_after_utc < roots[2].not_valid_after_utc


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def test_roots_in_openssls_eyes(installation: Path) -> None:
    for der in anchors():
        command = ["openssl", "x509", "-inform", "der", "-noout", "-text", "-nameopt", "RFC2253,utf8"]
        text = subprocess.run(command, input=der, capture_output=True, check=True).stdout.decode()
        assert "Signature Algorithm: sha256WithRSAEncryption" in text
        assert "Public-Key: (2048 bit)" in text and "Exponent: 65537" in text
        assert "CA:TRUE" in text and "pathlen" not in text
        assert "Authority Key Identifier" not in text
        root = asn1.Certificate.load(der)
        assert root.self_signed == "maybe" and root.subject == root.issuer
        alternative = root.subject_alt_name_value.native[0]
        assert alternative["organization_name"] == "公的個人認証サービス"
        assert root.crl_distribution_points_value[0]["distribution_point"].chosen[0].chosen == root.subject
        # C is a PrintableString, the others are UTF8Strings
        kinds = [rdn[0]["value"].chosen.tag for rdn in root.subject.chosen]
        assert kinds == [19, 12, 12, 12]


@pytest.mark.parametrize(("days", "generation"), [(0, 3), (5 * 365, 2), (10 * 365, 1)])
def test_the_day_of_issue_chooses_the_generation(installation: Path, days: int, generation: int) -> None:
    card = memory("my-number-card", seed=1, issued=datetime.now(UTC) - timedelta(days=days))
    for file, family in (("000b", Family.AUTHENTICATION), ("0002", Family.SIGNATURE)):
        assert card[JPKI + file] == _der(hierarchy().authority(family, generation).certificate)
    end_entity = asn1.Certificate.load(card[JPKI + "000a"])
    issuer = asn1.Certificate.load(card[JPKI + "000b"])
    assert end_entity.authority_key_identifier == issuer.key_identifier
    assert end_entity.authority_key_identifier_value["authority_cert_serial_number"].native == (
        issuer.serial_number
    )


def test_production_names_are_nobodys_anchor(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(PERSONA + "[certificates]\nproduction_names = true\n", encoding="utf-8")
    card = persona_memory(tmp_path / "p.toml")
    root = x509.load_der_x509_certificate(card[JPKI + "000b"])
    assert root.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "JPKI"
    assert card[JPKI + "000b"] not in anchors()
    assert card[JPKI + "000b"] in anchors(production_names=True)
    text = asn1.Certificate.load(card[JPKI + "000a"])
    addresses = [entry["access_location"].native for entry in text.authority_information_access_value]
    assert addresses == ["http://ocspauthnorm.jpki-test.invalid"]  # never the real one


def test_a_folder_of_an_earlier_version_is_completed(tmp_path: Path) -> None:
    place = tmp_path / "sim-pki"
    before = anchors(place)
    shutil.rmtree(place / "older")
    after = anchors(place)
    assert anchors(place, generation=3) == (before[0], before[3])
    assert len(after) == 6
    assert set(after) & set(before) == {before[0], before[3]}


def test_anchors_as_files(tmp_path: Path) -> None:
    written = write_anchors(tmp_path / "out")
    names = [path.relative_to(tmp_path / "out").as_posix() for path in written]
    assert names[:3] == [f"jpki/authentication-{number}.pem" for number in GENERATIONS]
    assert names[6] == "face/" + b"6000020\x08\x05001".ljust(16, b"\x00").hex() + "-tegata-sim.pem"
    command = ["openssl", "pkey", "-pubin", "-in", str(written[6]), "-noout", "-text"]
    text = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    assert "2048 bit" in text


def test_a_card_of_another_hierarchy_fits_itself_and_nobody_else(tmp_path: Path) -> None:
    """The fake that is consistent: the names are right, no key is."""
    fake = memory("my-number-card", seed=1, authorities=hierarchy(tmp_path / "sim-pki"))
    root = x509.load_der_x509_certificate(fake[JPKI + "000b"])
    assert root.subject == hierarchy().authentication.certificate.subject
    assert fake[JPKI + "000b"] not in anchors()
    x509.load_der_x509_certificate(fake[JPKI + "000a"]).verify_directly_issued_by(root)
    certificate, mine = x509.load_der_x509_certificate(fake[JPKI + "000a"]), hierarchy().authentication
    with pytest.raises(InvalidSignature):
        certificate.verify_directly_issued_by(mine.certificate)
