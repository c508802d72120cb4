"""Sign with the command line; OpenSSL, pyHanko's reader and our own report agree on what was signed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

from tegata.apdu.errors import catalogue

from .conftest import JPKI, NewCard, Shell, at_terminal


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(b"what is signed\n" * 100)
    return path


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    writer = PdfFileWriter()
    contents = writer.add_object(generic.StreamObject(stream_data=b""))
    writer.insert_page(PageObject(contents=contents, media_box=(0, 0, 200, 200)))
    path = tmp_path / "contract.pdf"
    with path.open("wb") as file:
        writer.write(file)
    return path


def openssl(*words: object) -> str:
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(("key", "pin"), [("signature", "ABC123"), ("authentication", "1234")])
def test_a_bare_signature_that_openssl_verifies(
    key: str, pin: str, document: Path, new_card: NewCard, tegata: Shell, tmp_path: Path
) -> None:
    certificate = tmp_path / "certificate.der"
    words = ["sign", document, "--reader", new_card().url, "--key", key, "--pin", pin, "--as", "raw"]
    out, _ = tegata(*words, "--hash", "sha384", "--certificate", certificate, "--yes")
    assert out.strip() == f"{document}.sig"
    (tmp_path / "key.pem").write_text(
        openssl("x509", "-inform", "DER", "-in", certificate, "-pubkey", "-noout")
    )
    checked = openssl(
        *["dgst", "-sha384", "-verify", tmp_path / "key.pem", "-signature", f"{document}.sig", document]
    )
    assert checked.strip() == "Verified OK"
    beside = ["--content", document, "--certificate", certificate, "--purpose", key, "--anchors", "sim"]
    assert "Accepted." in tegata("verify", f"{document}.sig", *beside)[0]


def test_a_signature_beside_the_file(
    document: Path, new_card: NewCard, tegata: Shell, tmp_path: Path
) -> None:
    tegata("sign", document, "--reader", new_card().url, "--pin", "ABC123", "--yes")
    signature = f"{document}.p7s"
    openssl(
        *["cms", "-verify", "-noverify", "-binary", "-inform", "DER", "-in", signature],
        *["-content", document, "-out", tmp_path / "out"],
    )
    assert (tmp_path / "out").read_bytes() == document.read_bytes()
    out, _ = tegata("verify", signature, "--content", document, "--anchors", "sim", lang="ja")
    assert "失効は確認していません。" in out and "受け入れられます。" in out
    document.write_bytes(b"something else")
    _, err = tegata("verify", signature, code=227)
    assert "the content that was signed must be given" in err
    out, _ = tegata("verify", signature, "--content", document, "--anchors", "sim", code=228)
    assert "The content was changed after it was signed" in out and "Not accepted." in out


def test_a_signed_pdf(pdf: Path, new_card: NewCard, tegata: Shell) -> None:
    card = new_card("foreign-resident")
    words = ["--reader", card.url, "--pin", "abc123", "--yes", "--reason", "agreed"]
    out, err = tegata("sign", pdf, *words)
    signed = pdf.with_name("contract-signed.pdf")
    assert out.strip() == str(signed)
    assert "name, address, birth date and sex" in err
    assert signed.read_bytes().startswith(pdf.read_bytes())
    found = json.loads(tegata("verify", signed, "--anchors", "sim", "--json")[0])
    (signature,) = found["signatures"]
    assert (found["accepted"], signature["form"], signature["revocation"]["status"]) == (
        True,
        "pdf",
        "not checked",
    )
    assert "ＷＯＬＦ" not in json.dumps(found, ensure_ascii=False)
    assert "ＷＯＬＦ" in tegata("verify", signed, "--anchors", "sim", "--personal")[0]
    out, _ = tegata("verify", signed, code=233)
    assert "not anchored" in out
    _, err = tegata("sign", pdf, *words, code=43)
    assert "is not overwritten" in err


def test_the_holder_is_told_and_asked_before_the_certificate_is_read(
    document: Path, new_card: NewCard, tegata: Shell, tmp_path: Path
) -> None:
    card, trace = new_card(), tmp_path / "trace.txt"
    words = ["sign", document, "--reader", card.url, "--pin", "ABC123", "--trace", trace]
    _, err = tegata(*words, code=246)
    assert err.startswith("The signature certificate holds the holder's name, address, birth date and sex")
    assert not trace.exists()
    code, shown = at_terminal(["mynumber", *map(str, words)], [("Go on?", "n")])
    assert code == 130, shown
    assert not trace.exists() and not Path(f"{document}.p7s").exists()
    code, shown = at_terminal(["mynumber", *map(str, words)], [("Go on?", "y")])
    assert code == 0, shown
    text = trace.read_text("utf-8")
    assert b"ABC123".hex().upper() not in text
    names = [line for line in text.splitlines() if "1.2.392" in line or "E58C" in line]
    assert names == []


def test_a_login_key_names_nobody_and_asks_nobody(document: Path, new_card: NewCard, tegata: Shell) -> None:
    _, err = tegata("sign", document, "--reader", new_card().url, "--key", "authentication", "--pin", "1234")
    assert err == ""
    out, _ = tegata("verify", f"{document}.p7s", "--content", document, "--anchors", "sim", code=232)
    assert "A signature needs the signature certificate" in out


def test_people_who_cannot_sign(document: Path, new_card: NewCard, tegata: Shell) -> None:
    for person in ("child", "locked", "without-pin"):
        words = ["sign", document, "--reader", new_card(person).url, "--pin", "ABC123", "--yes"]
        _, err = tegata(*words, code=16)
        assert "signature password" in err and "blocked" in err
        _, err = tegata(*words, code=16, lang="ja")
        assert "ロックされています" in err


def test_an_expired_card_signs_with_a_warning_and_is_refused(
    document: Path, new_card: NewCard, tegata: Shell
) -> None:
    card = new_card("expired")
    _, err = tegata("sign", document, "--reader", card.url, "--pin", "ABC123", "--yes")
    assert "the certificate is not valid now" in err
    words = ["verify", f"{document}.p7s", "--content", document, "--anchors", "sim"]
    out, _ = tegata(*words, code=231)
    assert "--at" in out


def test_revocation_from_a_folder_of_lists(
    document: Path, new_card: NewCard, tegata: Shell, tmp_path: Path
) -> None:
    from tegata.cli import main

    good = new_card(called="good")
    tegata("sign", document, "--reader", good.url, "--pin", "ABC123", "--yes")
    assert main(["sim", "pki", "crls", str(tmp_path / "lists")]) == 0
    words = ["verify", f"{document}.p7s", "--content", document, "--anchors", "sim"]
    out, _ = tegata(*words, "--crl-dir", tmp_path / "lists")
    assert "Revocation: not revoked" in out
    revoke = ["sim", "pki", "revoke", str(good.path), "--certificate", "signature"]
    assert main([*revoke, "--reason", "affiliationChanged"]) == 0
    assert main(["sim", "pki", "crls", str(tmp_path / "lists")]) == 0
    out, _ = tegata(*words, "--crl-dir", tmp_path / "lists", code=235)
    assert "the holder's attributes changed" in out
    out, _ = tegata(*words, "--crl-dir", tmp_path / "lists", code=235, lang="ja")
    assert "記載事項が変わったため" in out
    tegata(*words, "--crl-dir", tmp_path / "lists", "--ocsp", "http://127.0.0.1:9/", code=2)


def test_what_is_no_signature_and_what_cannot_be_signed(
    document: Path, new_card: NewCard, tegata: Shell, tmp_path: Path
) -> None:
    _, err = tegata("verify", document, code=226)
    assert "cannot be verified" in err
    tegata("verify", tmp_path / "nothing", code=226)
    tegata("verify", document, "--at", "yesterday", code=2)
    card = new_card()
    tegata("sign", tmp_path / "nothing", "--reader", card.url, "--pin", "ABC123", "--yes", code=41)
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    words = ["sign", tmp_path / "broken.pdf", "--reader", card.url, "--pin", "ABC123", "--yes"]
    _, err = tegata(*words, code=catalogue()["signature.document"].exit)
    assert "broken.pdf" in err
    assert card.tries(JPKI, "001b") == 5


@pytest.mark.parametrize(
    "command", ["sign", "verify", "number", "probe", "identify", "checkin", "change-pin"]
)
def test_help_teaches(command: str, tegata: Shell) -> None:
    out, _ = tegata(command, "--help")
    assert "tegata mynumber" in out


def test_an_operator_without_a_usable_token(document: Path, tegata: Shell, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_bytes("トークン".encode())
    words = ["--content", document, "--operator", "https://127.0.0.1:9/", "--operator-token", token]
    _, err = tegata("verify", f"{document}.p7s", *words, code=41, lang="ja")
    assert "ASCII のトークンがありません" in err
