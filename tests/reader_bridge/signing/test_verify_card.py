"""A simulated My Number Card signs: by this project, by OpenSSL and by pyHanko; each is verified, and refused
when something about it is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tegata.apdu.card import Card
from tegata.apdu.secret import Secret
from tegata.applets.jpki.certificate import parse_authority, parse_certificate
from tegata.applets.jpki.host import Jpki, JpkiKey
from tegata.reader_bridge.signing import (
    Anchors,
    CrlFolder,
    OcspResponder,
    Purpose,
    Report,
    Trust,
    sign_detached,
    sign_pdf,
    verify_file,
)
from tegata.simulators import presets
from tegata.simulators.link import SimulatedReader
from tegata.simulators.pki import anchors
from tegata.simulators.pki.responder import responder
from tegata.simulators.pki.revocation import crls, revoke

PASSWORD, PIN = "ABC123", "1234"
TEGATA = (sys.executable, "-m", "tegata.cli")
MODULES = ("x86_64-linux-gnu", "aarch64-linux-gnu")
TOKEN = {
    "01": ("JPKI (User Authentication PIN)", "User Authentication", PIN),
    "02": ("JPKI (Digital Signature PIN)", "Digital Signature", PASSWORD),
}
SIGN_PDF = """
import sys
from pyhanko.config.pkcs11 import PKCS11SignatureConfig, TokenCriteria
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, sign_pdf
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.pkcs11 import PKCS11SigningContext

module, source, target, token, label, pin, subfilter = sys.argv[1:]
config = PKCS11SignatureConfig(
    module_path=module,
    token_criteria=TokenCriteria(label=token),
    cert_label=label + " Certificate",
    key_label=label + " Key",
    user_pin=pin,
)
metadata = PdfSignatureMetadata(
    field_name="Holder", md_algorithm="sha256", subfilter=SigSeedSubFilter[subfilter]
)
with PKCS11SigningContext(config) as signer, open(source, "rb") as document, open(target, "w+b") as signed:
    sign_pdf(IncrementalPdfFileWriter(document), metadata, signer=signer, output=signed)
"""


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("card") / "card.sim"
    presets.create("my-number-card", path)
    return path


@pytest.fixture
def trust() -> Trust:
    return Trust(Anchors(anchors()), revocation_needed=False)


@pytest.fixture
def jpki(card: Path) -> Iterator[Jpki]:
    reader = SimulatedReader(card)
    application = Jpki(Card(reader.wait_for_card(1)))
    application.select()
    yield application
    reader.close()


def codes(report: Report) -> list[str]:
    return [fault.code for fault in report.faults]


def module() -> str:
    (path,) = (
        path for path in (Path("/usr/lib", arch, "opensc-pkcs11.so") for arch in MODULES) if path.exists()
    )
    return str(path)


def with_card(card: Path, *program: str, folder: Path, typed: str = "") -> str:
    """Run a foreign program against the card; its standard output. ``typed`` is what it asks for."""
    ran = subprocess.run(
        [
            "setsid",
            "--wait",
            "env",
            f"PKCS11_MODULE_PATH={module()}",
            *TEGATA,
            "sim",
            "run",
            str(card),
            "--",
            *program,
        ],
        cwd=folder,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def openssl_sign(card: Path, folder: Path, key: str, *options: str) -> Path:
    """``openssl cms -sign`` with the card's key through OpenSC's module."""
    token, _, pin = TOKEN[key]
    unlock = ["--verify-pin", "--auth-id", key, "--pin", pin] if key == "02" else []
    pem = with_card(card, "pkcs15-tool", "--read-certificate", key, *unlock, folder=folder)
    (folder / "signer.pem").write_text(pem)
    url = "pkcs11:token=" + token.replace(" ", "%20").replace("(", "%28").replace(")", "%29")
    command = ["openssl", "cms", "-sign", "-binary", "-in", "content", "-outform", "DER", "-out", "sig.p7s"]
    command += ["-signer", "signer.pem", "-engine", "pkcs11", "-keyform", "engine", *options]
    command += ["-inkey", f"{url};id=%{key};type=private;pin-value={pin}"]
    with_card(card, *command, folder=folder, typed=f"{pin}\n")
    return folder / "sig.p7s"


def test_it_accepts_what_it_signed_with_the_card(
    tmp_path: Path, jpki: Jpki, document: bytes, trust: Trust
) -> None:
    jpki.verify(JpkiKey.SIGNATURE, Secret(PASSWORD.encode()))
    certificate = jpki.certificate(JpkiKey.SIGNATURE)

    def sign(digest: bytes) -> bytes:
        return jpki.sign_digest(JpkiKey.SIGNATURE, digest)

    (tmp_path / "a.pdf").write_bytes(sign_pdf(document, certificate, sign))
    (tmp_path / "a.p7s").write_bytes(sign_detached(b"text", certificate, sign))
    (tmp_path / "a.sig").write_bytes(jpki.sign(JpkiKey.SIGNATURE, b"text"))
    (tmp_path / "a.cer").write_bytes(certificate)
    (tmp_path / "text").write_bytes(b"text")
    reports = [
        verify_file(tmp_path / "a.pdf", trust),
        verify_file(tmp_path / "a.p7s", trust, content=tmp_path / "text"),
        verify_file(tmp_path / "a.sig", trust, content=tmp_path / "text", certificate=tmp_path / "a.cer"),
    ]
    assert [codes(report) for report in reports] == [[], [], []]
    signer = reports[0].signatures[0].signer
    assert signer is not None and signer.holder is not None and signer.holder.attributes is not None
    authority = parse_authority(jpki.ca_certificate(JpkiKey.SIGNATURE))
    assert authority.key_id == signer.holder.authority_key_id
    assert signer.anchor == f"JPKI-TEST, {authority.unit}, key {authority.key_id[:4].hex().upper()}"


def test_the_card_is_no_anchor(tmp_path: Path, jpki: Jpki, document: bytes) -> None:
    """Without the user's own anchors nothing is believed; with another kind's root neither."""
    jpki.verify(JpkiKey.SIGNATURE, Secret(PASSWORD.encode()))
    certificate = jpki.certificate(JpkiKey.SIGNATURE)
    signed = sign_pdf(document, certificate, lambda digest: jpki.sign_digest(JpkiKey.SIGNATURE, digest))
    (tmp_path / "a.pdf").write_bytes(signed)
    for roots in ((), (jpki.ca_certificate(JpkiKey.AUTHENTICATION),)):
        report = verify_file(tmp_path / "a.pdf", Trust(Anchors(roots), revocation_needed=False))
        assert codes(report) == ["verify.not_anchored"]
    older = tuple(root for root in anchors() if root != jpki.ca_certificate(JpkiKey.SIGNATURE))
    report = verify_file(tmp_path / "a.pdf", Trust(Anchors(older), revocation_needed=False))
    assert codes(report) == ["verify.other_ca"]


def signed_by(preset: str, document: bytes, folder: Path) -> tuple[Path, bytes]:
    """A PDF signed by a new card of a preset, and the card's certificate."""
    presets.create(preset, folder / f"{preset}.sim")
    reader = SimulatedReader(folder / f"{preset}.sim")
    application = Jpki(Card(reader.wait_for_card(1)))
    application.select()
    application.verify(JpkiKey.SIGNATURE, Secret(PASSWORD.encode()))
    certificate = application.certificate(JpkiKey.SIGNATURE)
    target = folder / f"{preset}.pdf"
    target.write_bytes(
        sign_pdf(document, certificate, lambda digest: application.sign_digest(JpkiKey.SIGNATURE, digest))
    )
    reader.close()
    return target, certificate


def test_a_revoked_certificate_and_a_later_moment(tmp_path: Path, document: bytes, trust: Trust) -> None:
    signed, certificate = signed_by("my-number-card", document, tmp_path)
    asking = replace(trust, revocation=CrlFolder(tmp_path / "crls"))
    write_lists(tmp_path / "crls")
    assert codes(verify_file(signed, asking)) == []
    revoke(certificate, reason=x509.ReasonFlags.affiliation_changed)
    write_lists(tmp_path / "crls")
    report = verify_file(signed, asking)
    assert codes(report) == ["verify.revoked"]
    assert "attributes changed" in report.faults[0].sentence("en")
    late = datetime.now(UTC) + timedelta(days=365 * 6)
    assert codes(verify_file(signed, trust, at=late)) == ["verify.expired"]


def test_cards_of_other_people(tmp_path: Path, document: bytes, trust: Trust) -> None:
    """The responder of the test hierarchy answers about each."""
    with responder() as server:
        asking = replace(trust, revocation=OcspResponder(server.ocsp_url))
        found = {
            name: codes(verify_file(signed_by(f"my-number-card-{name}", document, tmp_path)[0], asking))
            for name in ("foreign-resident", "expired", "revoked", "moved", "with-licence")
        }
    assert found == {
        "foreign-resident": [],
        "expired": ["verify.expired"],
        "revoked": ["verify.revoked"],
        "moved": ["verify.revoked"],
        "with-licence": [],
    }


def test_a_long_name_with_substitutes_is_shown(tmp_path: Path, document: bytes) -> None:
    _, certificate = signed_by("my-number-card-foreign-resident", document, tmp_path)
    attributes = parse_certificate(certificate).attributes
    assert attributes is not None
    assert attributes.name.flags is not None and any(attributes.name.flags)
    assert len(attributes.name.text) > 20


def write_lists(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in crls().items():
        (folder / name).with_suffix(".crl").write_bytes(content)


@pytest.mark.foreign
@pytest.mark.parametrize("options", [(), ("-nodetach",), ("-cades",), ("-md", "sha512")], ids=" ".join)
def test_it_accepts_what_openssl_signed_with_the_card(
    options: tuple[str, ...], tmp_path: Path, card: Path, trust: Trust
) -> None:
    content = tmp_path / "content"
    content.write_bytes(b"signed by OpenSSL")
    made = openssl_sign(card, tmp_path, "02", *options)
    assert codes(verify_file(made, trust, content=content)) == []
    content.write_bytes(b"something else")
    assert codes(verify_file(made, trust, content=content)) == ["verify.content"]


@pytest.mark.foreign
def test_the_key_for_logins_signs_no_documents(
    tmp_path: Path, card: Path, trust: Trust, document: bytes
) -> None:
    content = tmp_path / "content"
    content.write_bytes(b"signed with the wrong key")
    made = openssl_sign(card, tmp_path, "01")
    assert codes(verify_file(made, trust, content=content)) == ["verify.usage"]


@pytest.mark.foreign
@pytest.mark.parametrize("subfilter", ["PADES", "ADOBE_PKCS7_DETACHED"])
def test_it_accepts_what_pyhanko_signed_with_the_card(
    subfilter: str, tmp_path: Path, card: Path, trust: Trust, document: bytes
) -> None:
    (tmp_path / "in.pdf").write_bytes(document)
    token, label, pin = TOKEN["02"]
    program = [sys.executable, "-c", SIGN_PDF, module(), "in.pdf", "out.pdf", token, label, pin, subfilter]
    with_card(card, *program, folder=tmp_path)
    signed = tmp_path / "out.pdf"
    assert codes(verify_file(signed, trust)) == []
    altered = bytearray(signed.read_bytes())
    altered[altered.index(b"72 720")] ^= 1
    signed.write_bytes(altered)
    assert codes(verify_file(signed, trust)) == ["verify.content"]


@pytest.mark.foreign
@pytest.mark.parametrize(
    ("key", "purpose"),
    [("01", Purpose.AUTHENTICATION), ("02", Purpose.SIGNATURE)],
    ids=["login", "signature"],
)
def test_it_accepts_raw_signatures_of_opensc(
    key: str, purpose: Purpose, tmp_path: Path, card: Path, trust: Trust
) -> None:
    _, _, pin = TOKEN[key]
    (tmp_path / "data").write_bytes(b"raw")
    unlock = ["--verify-pin", "--auth-id", key, "--pin", pin] if key == "02" else []
    pem = with_card(card, "pkcs15-tool", "--read-certificate", key, *unlock, folder=tmp_path)
    (tmp_path / "signer.pem").write_text(pem)
    slot = str(int(key) - 1)
    tool = ["pkcs11-tool", "--module", module(), "--slot-index", slot, "--login", "--pin", pin, "--sign"]
    tool += ["--id", key, "-m", "SHA256-RSA-PKCS", "-i", "data", "-o", "raw.sig"]
    with_card(card, *tool, folder=tmp_path)
    report = verify_file(
        tmp_path / "raw.sig",
        trust,
        content=tmp_path / "data",
        certificate=tmp_path / "signer.pem",
        purpose=purpose,
    )
    assert codes(report) == [] and report.signatures[0].hash == "sha256"
