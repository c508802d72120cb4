"""The company CA, judged by OpenSSL's command line."""

import stat
import subprocess
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tegata.apdu import InputError, Secret
from tegata.provisioning.ca import CompanyCa, Subject, new_serial
from tegata.provisioning.ledger import Ledger
from tegata.provisioning.orders import create_order
from tegata.provisioning.profile import load_profile
from tegata.provisioning.roster import read_roster
from tegata.reader_bridge.store import now

EXAMPLES = Path(__file__).parents[2] / "examples"
SUBJECT = Subject("SATO Hanako", "Example K.K.", "総務部", "000101", "sato.hanako@example.jp")


@pytest.fixture
def ca(tmp_path: Path, passphrase: Secret) -> CompanyCa:
    return CompanyCa.create(
        tmp_path / "ca", passphrase, organization="Example K.K.", base_url="http://pki.example.jp/"
    )


@pytest.fixture
def staffed(ledger: Ledger) -> Ledger:
    create_order(ledger, read_roster(EXAMPLES / "roster.csv"), load_profile(EXAMPLES / "badge-profile.toml"))
    return ledger


def issue(ca: CompanyCa, ledger: Ledger, until: date = date(2031, 3, 31)) -> tuple[int, bytes]:
    serial = new_serial()
    with ledger.begin() as books:
        books.reserve_certificate(serial, "000101")
    der = ca.issue(ec.generate_private_key(ec.SECP256R1()).public_key(), SUBJECT, serial, until)
    with ledger.begin() as books:
        books.issue_certificate(serial, der)
    return serial, der


def verify(ca: CompanyCa, ledger: Ledger, der: bytes, folder: Path) -> tuple[bool, str]:
    """``openssl verify -crl_check_all`` for client authentication."""
    leaf = folder / "leaf.pem"
    leaf.write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    (folder / "root.pem").write_bytes(ca.root.public_bytes(Encoding.PEM))
    (folder / "issuing.pem").write_bytes(ca.issuer.public_bytes(Encoding.PEM))
    crls = [
        x509.load_der_x509_crl(data) for data in (ca.crl(ledger), (folder / "ca" / "root.crl").read_bytes())
    ]
    (folder / "crl.pem").write_bytes(b"".join(crl.public_bytes(Encoding.PEM) for crl in crls))
    done = subprocess.run(
        [
            *["openssl", "verify", "-x509_strict", "-crl_check_all", "-purpose", "sslclient"],
            *["-CAfile", str(folder / "root.pem"), "-untrusted", str(folder / "issuing.pem")],
            *["-CRLfile", str(folder / "crl.pem"), str(leaf)],
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


def test_openssl_accepts_what_was_issued_and_refuses_what_was_revoked(
    ca: CompanyCa, staffed: Ledger, tmp_path: Path
) -> None:
    serial, der = issue(ca, staffed)
    _, other = issue(ca, staffed)
    assert verify(ca, staffed, der, tmp_path) == (True, f"{tmp_path / 'leaf.pem'}: OK\n")
    ca.revoke(staffed, serial, "key_compromise")
    good, said = verify(ca, staffed, der, tmp_path)
    assert not good
    assert "certificate revoked" in said
    assert verify(ca, staffed, other, tmp_path)[0]


def test_an_orphaned_certificate_is_on_the_crl_even_if_it_was_never_finished(
    ca: CompanyCa, staffed: Ledger, tmp_path: Path
) -> None:
    serial, der = issue(ca, staffed)
    reserved = new_serial()
    with staffed.begin() as books:
        books.orphan_certificate(serial)
        books.reserve_certificate(reserved, "000102")
        books.orphan_certificate(reserved)
    crl = x509.load_der_x509_crl(ca.crl(staffed))
    assert {entry.serial_number for entry in crl} == {serial, reserved}
    assert crl.is_signature_valid(ca.issuer.public_key())  # type: ignore[arg-type]
    assert not verify(ca, staffed, der, tmp_path)[0]


def test_what_openssl_reads_in_a_certificate(ca: CompanyCa, staffed: Ledger, tmp_path: Path) -> None:
    serial, der = issue(ca, staffed)
    text = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-noout", "-text", "-nameopt", "oneline,utf8,-esc_msb"],
        input=der,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for line in (
        "Subject: O = Example K.K., OU = 総務部, serialNumber = 000101, CN = SATO Hanako",
        "Issuer: O = Example K.K., CN = Example K.K. Badge CA",
        "URI:http://pki.example.jp/issuing.crl",
        "OCSP - URI:http://pki.example.jp/ocsp",
        "CA Issuers - URI:http://pki.example.jp/issuing.crt",
        "TLS Web Client Authentication",
        "email:sato.hanako@example.jp",
        "CA:FALSE",
        "Not After : Mar 31 15:00:00 2031 GMT",
        "Digital Signature\n",
        "prime256v1",
    ):
        assert line in text, line
    assert serial.bit_length() == 128


def test_the_first_certificates_have_addresses_too(ca: CompanyCa) -> None:
    points = ca.issuer.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name[0].value == "http://pki.example.jp/root.crl"
    assert ca.chain_pem().count(b"BEGIN CERTIFICATE") == 2


def test_ends_in_the_past_and_beyond_the_issuer(ca: CompanyCa, staffed: Ledger, tmp_path: Path) -> None:
    _, expired = issue(ca, staffed, date(2024, 3, 31))
    certificate = x509.load_der_x509_certificate(expired)
    assert certificate.not_valid_before_utc < certificate.not_valid_after_utc < now()
    good, said = verify(ca, staffed, expired, tmp_path)
    assert not good
    assert "certificate has expired" in said
    _, late = issue(ca, staffed, date(2099, 1, 1))
    assert x509.load_der_x509_certificate(late).not_valid_after_utc == ca.issuer.not_valid_after_utc


def test_it_opens_again_with_its_passphrase_only(
    ca: CompanyCa, staffed: Ledger, tmp_path: Path, passphrase: Secret
) -> None:
    again = CompanyCa.open(tmp_path / "ca", passphrase)
    assert again.issuer == ca.issuer
    _, der = issue(again, staffed)
    assert verify(ca, staffed, der, tmp_path)[0]
    with pytest.raises(InputError) as caught:
        CompanyCa.open(tmp_path / "ca", Secret(b"wrong"))
    assert caught.value.code == "keyring.passphrase"
    for name in ("root.key", "issuing.key"):
        path = tmp_path / "ca" / name
        assert b"ENCRYPTED PRIVATE KEY" in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_refusals(ca: CompanyCa, staffed: Ledger, tmp_path: Path, passphrase: Secret) -> None:
    with pytest.raises(InputError) as caught:
        CompanyCa.create(tmp_path / "ca", passphrase, organization="X", base_url="http://x")
    assert caught.value.code == "input.exists"
    assert CompanyCa.open(tmp_path / "ca", passphrase).issuer == ca.issuer
    with pytest.raises(InputError) as caught:
        CompanyCa.open(tmp_path / "nowhere", passphrase)
    assert caught.value.code == "ca.missing"
    for url in ("https://pki.example.jp", "pki.example.jp", "http://", "http://x/?a=b", "file:///x"):
        with pytest.raises(InputError) as caught:
            CompanyCa.create(tmp_path / "other", passphrase, organization="X", base_url=url)
        assert caught.value.code == "ca.refused"
    with pytest.raises(InputError) as caught:
        ca.issue(ec.generate_private_key(ec.SECP384R1()).public_key(), SUBJECT, 1, date(2031, 1, 1))
    assert caught.value.code == "ca.refused"
    serial, _ = issue(ca, staffed)
    with pytest.raises(InputError) as caught:
        ca.revoke(staffed, serial, "boredom")
    assert caught.value.code == "ca.refused"
    with pytest.raises(InputError) as caught:
        ca.revoke(staffed, 5)
    assert caught.value.code == "order.unknown"


def test_crls_follow_each_other(ca: CompanyCa, staffed: Ledger) -> None:
    first, second = (x509.load_der_x509_crl(ca.crl(staffed, days=2)) for _ in range(2))

    def number(crl: x509.CertificateRevocationList) -> int:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    assert number(first) < number(second)
    next_update = first.next_update_utc
    assert isinstance(next_update, datetime)
    assert timedelta(days=1) < next_update - now() < timedelta(days=2)
