"""Certificates of the JPKI, parsed for a person. OpenSSL makes those that are parsed here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tegata.apdu.errors import InputError
from tegata.applets.jpki.certificate import (
    BirthDate,
    CertificateKind,
    Era,
    JpkiCertificate,
    MarkedText,
    Sex,
    kind_of_policy,
    parse_authority,
    parse_certificate,
)

ARC = "1.2.392.200149.8.5"
NAME, ADDRESS = "見本　花子", "東京都千代田区見本町１丁目２番３号"
SIGN = {
    "1": NAME,
    "4": "319800217",
    "3": "2",
    "5": ADDRESS,
    "2": "01000",
    "6": "0" * len(ADDRESS),
}
COMMON = """
[req]
distinguished_name = dn
prompt = no
utf8 = yes
string_mask = utf8only
[dn]
{subject}
[points]
fullname = dirName:point
[point]
C = JP
O = JPKI-TEST
1.OU = {unit}
2.OU = CRL Distribution Points
3.OU = Tokyo-to
CN = Chiyoda-ku CRLDP
[ext]
{extensions}
"""
SERIAL = 0x01A2B3C4


class Maker:
    """OpenSSL's command line as an authority of the JPKI-TEST hierarchy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for key in ("ca", "holder"):
            self.run("genrsa", "-out", f"{key}.key", "2048")

    def run(self, *arguments: str) -> None:
        ran = subprocess.run(
            ["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr

    def authority(self, unit: str = "JPKI for digital signature", organization: str = "JPKI-TEST") -> bytes:
        subject = f"C = JP\nO = {organization}\n1.OU = {unit}\n2.OU = Japan Agency for Local Authority"
        extensions = "basicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign,cRLSign\n"
        text = COMMON.format(
            subject=subject, unit=unit, extensions=extensions + "subjectKeyIdentifier = hash"
        )
        (self.folder / "ca.cnf").write_text(text)
        self.run("req", "-x509", "-new", "-key", "ca.key", "-config", "ca.cnf", "-extensions", "ext",
                 "-days", "3650", "-out", "ca.pem", "-set_serial", "0x0132C4AB")  # fmt: skip
        self.run("x509", "-in", "ca.pem", "-outform", "DER", "-out", "ca.der")
        return (self.folder / "ca.der").read_bytes()

    def holder(self, subject: str, policy: str, usage: str, *more: str) -> bytes:
        extensions = [
            f"keyUsage = critical,{usage}",
            f"certificatePolicies = critical,{policy}" if policy else "",
            "crlDistributionPoints = points",
            "authorityInfoAccess = OCSP;URI:http://ocsp.jpki-test.invalid",
            "authorityKeyIdentifier = keyid,issuer",
            "subjectKeyIdentifier = hash",
            *more,
        ]
        unit = "JPKI for digital signature"
        text = COMMON.format(subject=subject, unit=unit, extensions="\n".join(extensions))
        (self.folder / "h.cnf").write_text(text)
        self.run("req", "-new", "-key", "holder.key", "-config", "h.cnf", "-out", "h.csr")
        self.run("x509", "-req", "-in", "h.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "1500",
                 "-set_serial", hex(SERIAL), "-extfile", "h.cnf", "-extensions", "ext",
                 "-outform", "DER", "-out", "h.der")  # fmt: skip
        return (self.folder / "h.der").read_bytes()

    def sign(
        self, changes: dict[str, str] | None = None, policy: str = f"{ARC}.1.1.20", kind: str = "UTF8"
    ) -> bytes:
        """A signature certificate; a value of "" leaves an attribute out."""
        values = {**SIGN, **(changes or {})}
        names = [
            f"otherName.{n} = {ARC}.5.{n};FORMAT:UTF8,{kind}:{text}" for n, text in values.items() if text
        ]
        subject = "C = JP\n1.L = Tokyo-to\n2.L = Chiyoda-ku\nCN = 2026040109305912345678901234"
        alternative = ["subjectAltName = @alt", "[alt]", *names] if names else []
        return self.holder(subject, policy, "digitalSignature,nonRepudiation", *alternative)

    def auth(self, name: str = "997794E9AGCIEG13221003A") -> bytes:
        policy = f"{ARC}.1.3.30"
        subject = f"C = JP\nCN = {name}"
        return self.holder(subject, policy, "digitalSignature", "extendedKeyUsage = clientAuth")


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    made = Maker(tmp_path_factory.mktemp("openssl"))
    made.authority()
    return made


@pytest.fixture(scope="module")
def signature_der(maker: Maker) -> bytes:
    return maker.sign()


def test_a_signature_certificate(maker: Maker, signature_der: bytes) -> None:
    found = parse_certificate(signature_der)
    assert found.kind is CertificateKind.SIGNATURE and found.test
    assert found.key_usage == {"digital_signature", "content_commitment"}
    assert (found.policy, found.key) == (f"{ARC}.1.1.20", "RSA-2048")
    assert found.localities == ("Tokyo-to", "Chiyoda-ku")
    assert found.subject_code == "2026040109305912345678901234"
    assert found.issued == datetime(2026, 4, 1, 0, 30, 59, tzinfo=UTC)
    assert found.municipality is None
    assert found.ocsp == "http://ocsp.jpki-test.invalid"
    assert found.crl_point is not None and "CN=Chiyoda-ku CRLDP" in found.crl_point
    attributes = found.attributes
    assert attributes is not None
    assert attributes.name == MarkedText(NAME, (False, True, False, False, False))
    assert attributes.name.substituted == (1,)
    assert attributes.address.text == ADDRESS and attributes.address.substituted == ()
    assert attributes.sex is Sex.FEMALE and attributes.sex.japanese == "女"
    assert attributes.birth == BirthDate(date(1980, 2, 17), Era.SHOWA)
    assert attributes.birth.japanese == "昭和55年2月17日"
    authority = parse_authority((maker.folder / "ca.der").read_bytes())
    assert found.authority_key_id == authority.key_id
    assert found.valid(datetime.now(UTC)) and not found.valid(datetime(2020, 1, 1, tzinfo=UTC))


def test_an_authentication_certificate(maker: Maker) -> None:
    found = parse_certificate(maker.auth())
    assert found.kind is CertificateKind.AUTHENTICATION
    assert (found.municipality, found.attributes, found.issued) == ("13221", None, None)
    assert found.key_usage == {"digital_signature"}
    assert parse_certificate(maker.auth("PHONE-TOKEN")).municipality is None


def test_an_authority(maker: Maker) -> None:
    der = (maker.folder / "ca.der").read_bytes()
    found = parse_authority(der)
    assert (found.unit, found.test, found.key) == ("JPKI for digital signature", True, "RSA-2048")
    assert found.label.startswith("JPKI-TEST, JPKI for digital signature, ")
    with pytest.raises(InputError):
        parse_authority(maker.sign())
    with pytest.raises(InputError):
        parse_certificate(der)


def test_neither_repr_nor_json_shows_the_serial_or_the_holder(signature_der: bytes) -> None:
    found = parse_certificate(signature_der)
    told = repr(found) + str(found) + str(found.to_json()) + repr(found.attributes)
    for secret in (NAME, "花子", ADDRESS, "1980", found.subject_code):
        assert secret not in told
    everything = json.dumps(found.to_json(personal=True), ensure_ascii=False) + told
    assert NAME in everything
    for serial in (str(SERIAL), f"{SERIAL:x}", f"{SERIAL:X}"):
        assert serial not in everything
    assert not any("serial" in name for name in JpkiCertificate.__dataclass_fields__)


@pytest.mark.parametrize(
    ("text", "day", "era", "japanese"),
    [
        ("118681023", date(1868, 10, 23), Era.MEIJI, "明治元年10月23日"),
        ("119120730", date(1912, 7, 30), Era.MEIJI, "明治45年7月30日"),
        ("219120730", date(1912, 7, 30), Era.TAISHO, "大正元年7月30日"),
        ("219261225", date(1926, 12, 25), Era.TAISHO, "大正15年12月25日"),
        ("319261225", date(1926, 12, 25), Era.SHOWA, "昭和元年12月25日"),
        ("319890107", date(1989, 1, 7), Era.SHOWA, "昭和64年1月7日"),
        ("419890108", date(1989, 1, 8), Era.HEISEI, "平成元年1月8日"),
        ("420190430", date(2019, 4, 30), Era.HEISEI, "平成31年4月30日"),
        ("520190501", date(2019, 5, 1), Era.REIWA, "令和元年5月1日"),
        ("520240229", date(2024, 2, 29), Era.REIWA, "令和6年2月29日"),
        ("019900401", date(1990, 4, 1), None, "1990年4月1日"),
    ],
)
def test_birth_dates(text: str, day: date, era: Era | None, japanese: str) -> None:
    found = BirthDate.parse(text)
    assert (found.day, found.era, found.japanese) == (day, era, japanese)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "19800217",
        "3198002170",
        "619800217",
        "319801301",
        "319890108",
        "419890107",
        "520190430",
        "31980021７",
    ],
)
def test_birth_dates_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):
        BirthDate.parse(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"1": ""},
        {"5": ""},
        {"3": "X"},
        {"3": "7"},
        {"4": "19800217"},
        {"4": "519800217"},
        {"2": "0100"},
        {"2": "0x000"},
        {"6": "1"},
        {"1": "見本\u202e花子"},
        {"1": "見本\u0007花子"},
        {"1": "長" * 1001, "2": ""},
    ],
    ids=str,
)
def test_attributes_that_contradict_the_profile(maker: Maker, changes: dict[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        parse_certificate(maker.sign(changes))
    assert caught.value.code == "verify.certificate"
    assert "花子" not in str(caught.value)


def test_other_policies_and_other_strings(maker: Maker) -> None:
    for der in (
        maker.sign(policy="1.2.392.200149.8.5.1.9.1"),
        maker.sign(policy="2.5.29.32.0"),
        maker.sign(policy=""),
        maker.sign(dict.fromkeys(SIGN, "")),
        maker.sign(kind="BMP"),
    ):
        with pytest.raises(InputError):
            parse_certificate(der)
    without = parse_certificate(maker.sign({"2": "", "6": ""})).attributes
    assert without is not None and without.name.flags is None


def test_policies_tell_the_kind() -> None:
    assert kind_of_policy(f"{ARC}.1.1.20") is CertificateKind.SIGNATURE
    assert kind_of_policy(f"{ARC}.1.3.30") is CertificateKind.AUTHENTICATION
    assert kind_of_policy(f"{ARC}.1.10.20") is None
    assert kind_of_policy(f"{ARC}.1.1") is None


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_certificate_is_parsed_or_refused(data: st.DataObject, signature_der: bytes) -> None:
    damaged = bytearray(signature_der)
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    assert outcome(parse_certificate, bytes(damaged)) in ("parsed", "verify.certificate")
    assert outcome(parse_authority, bytes(damaged)) in ("parsed", "verify.certificate")


def outcome(parse: Callable[[bytes], object], der: bytes) -> str:
    try:
        parse(der)
    except InputError as error:
        return error.code
    return "parsed"


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(InputError):
        parse_certificate(raw)


def test_a_flood_of_bytes_is_refused() -> None:
    with pytest.raises(InputError):
        parse_certificate(b"\x30\x83\x01\x00\x00" + bytes(65536))
