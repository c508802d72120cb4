"""Programs that reach a My Number Card through OpenSC's PKCS#11 module: GnuTLS, OpenSSL, OpenSSH, pyHanko."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .harness import Namespace, opensc_module
from .mynumber import (
    AUTHENTICATION,
    SIGNATURE,
    SIGNATURE_CA,
    KeyOfCard,
    certificate,
    openssl_verifies,
    out,
    public_key,
    pyhanko_signs,
    typed,
)

pytestmark = pytest.mark.foreign

keys = pytest.mark.parametrize("key", [AUTHENTICATION, SIGNATURE], ids=["authentication", "signature"])

SSH_SIGNATURE = """
set -e
ssh-add -s "$1"
ssh-add -T "$2"
ssh-keygen -Y sign -f "$2" -n file "$3"
"""

JUDGE_PDF = """
import io, json, sys
from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

path, authority = sys.argv[1:]
with open(path, "rb") as document:
    (signature,) = PdfFileReader(document).embedded_signatures
    roots = ValidationContext(trust_roots=[load_cert_from_pemder(authority)])
    status = validate_pdf_signature(signature, signer_validation_context=roots)
    print(json.dumps([status.intact, status.valid, status.trusted, status.bottom_line]))
"""


@keys
def test_p11tool_signs_with_the_key(my_number_reader: Namespace, key: KeyOfCard) -> None:
    tool = ["p11tool", "--provider", opensc_module(), "--login", "--test-sign", f"{key.url};type=private"]
    done = my_number_reader.run(tool, GNUTLS_PIN=key.pin)
    assert done.returncode == 0
    said = done.stdout + done.stderr
    for line in (
        "Signing using RSA-SHA256... ok",
        "Verifying against private key parameters... ok",
        "Verifying against public key in the token... ok",
    ):
        assert line in said


def test_p11tool_lists_both_tokens(my_number_reader: Namespace) -> None:
    listing = out(my_number_reader, "p11tool", "--provider", opensc_module(), "--list-tokens")
    assert f"Label: {AUTHENTICATION.token}\n" in listing
    assert f"Label: {SIGNATURE.token}\n" in listing


@keys
def test_the_engine_of_openssl_signs(my_number_reader: Namespace, tmp_path: Path, key: KeyOfCard) -> None:
    """The signature key asks for its password before each use; without a terminal OpenSSL reads it from its
    standard input."""
    data, signature = tmp_path / "data", tmp_path / "signature"
    data.write_bytes(b"to be signed")
    url = f"{key.url};type=private;pin-value={key.pin}"
    engine = ["openssl", "dgst", "-engine", "pkcs11", "-keyform", "engine", "-sha256", "-sign", url]
    command = [*engine, "-out", str(signature), str(data)]
    out(my_number_reader, *typed(key.pin, command), PKCS11_MODULE_PATH=opensc_module())
    pem = certificate(my_number_reader, key, tmp_path)
    assert openssl_verifies(pem, data, signature)
    data.write_bytes(b"something else")
    assert not openssl_verifies(pem, data, signature)


def test_the_engine_of_openssl_verifies(my_number_reader: Namespace, tmp_path: Path) -> None:
    digest, signature = tmp_path / "digest", tmp_path / "signature"
    digest.write_bytes(bytes(range(32)))
    engine = ["openssl", "pkeyutl", "-engine", "pkcs11", "-keyform", "engine", "-pkeyopt", "digest:sha256"]
    module = {"PKCS11_MODULE_PATH": opensc_module()}
    private = f"{AUTHENTICATION.url};type=private;pin-value={AUTHENTICATION.pin}"
    sign = ["-sign", "-inkey", private, "-in", str(digest), "-out", str(signature)]
    out(my_number_reader, *engine, *sign, **module)
    check = ["-verify", "-pubin", "-inkey", f"{AUTHENTICATION.url};type=public", "-in", str(digest)]
    said = out(my_number_reader, *engine, *check, "-sigfile", str(signature), **module)
    assert "Signature Verified Successfully" in said
    digest.write_bytes(bytes(32))
    again = my_number_reader.run([*engine, *check, "-sigfile", str(signature)], **module)
    assert again.returncode != 0
    assert "Signature Verification Failure" in again.stdout


def test_ssh_keygen_exports_the_key_of_the_certificate(my_number_reader: Namespace, tmp_path: Path) -> None:
    first, *_ = out(my_number_reader, "ssh-keygen", "-D", opensc_module()).splitlines()
    kind, blob, comment = first.split(" ", 2)
    assert comment == "User Authentication Public Key"
    public = public_key(certificate(my_number_reader, AUTHENTICATION, tmp_path))
    convert = ["ssh-keygen", "-i", "-m", "PKCS8", "-f", str(public)]
    converted = subprocess.run(convert, capture_output=True, text=True, check=True).stdout
    assert converted.split() == [kind, blob]


def test_ssh_signs_with_an_agent(my_number_reader: Namespace, tmp_path: Path) -> None:
    """ssh-add hands the PIN to an agent, which signs; ssh-keygen without card and agent verifies."""
    key, data, ask = tmp_path / "key.pub", tmp_path / "data", tmp_path / "ask"
    key.write_text(out(my_number_reader, "ssh-keygen", "-D", opensc_module()).splitlines()[0] + "\n")
    data.write_bytes(b"to be signed")
    ask.write_text(f"#!/bin/sh\necho {AUTHENTICATION.pin}\n")
    ask.chmod(0o700)
    agent = ["ssh-agent", "-P", "/usr/lib*/*", "sh", "-c", SSH_SIGNATURE, "sh"]
    asking = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
    out(my_number_reader, *agent, opensc_module(), str(key), str(data), **asking)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"holder {key.read_text()}")
    signature = ["-n", "file", "-s", f"{data}.sig"]
    verify = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", "holder", *signature]
    good = subprocess.run(verify, input=data.read_bytes(), capture_output=True, check=False)
    assert (good.returncode, good.stdout[:28]) == (0, b'Good "file" signature for ho')
    bad = subprocess.run(verify, input=b"something else", capture_output=True, check=False)
    assert bad.returncode != 0


def test_pyhanko_signs_a_document(my_number_reader: Namespace, tmp_path: Path) -> None:
    """With the signature key; pdfsig and pyHanko find it whole, valid and of the card's authority."""
    signed, authority = tmp_path / "signed.pdf", tmp_path / "authority.pem"
    pyhanko_signs(my_number_reader, signed)
    authority.write_text(out(my_number_reader, "pkcs15-tool", "--read-certificate", SIGNATURE_CA))
    judged = out(my_number_reader, sys.executable, "-c", JUDGE_PDF, str(signed), str(authority))
    assert json.loads(judged) == [True, True, True, True]
    verdict = pdfsig(signed)
    assert "Signature Validation: Signature is Valid." in verdict
    assert "Total document signed" in verdict
    changed = tmp_path / "changed.pdf"
    changed.write_bytes(signed.read_bytes().replace(b"200 200 ]", b"200 300 ]"))
    assert changed.read_bytes() != signed.read_bytes()
    assert "Signature is Valid" not in pdfsig(changed)


def pdfsig(path: Path) -> str:
    done = subprocess.run(["pdfsig", "-nocert", str(path)], capture_output=True, text=True, check=False)
    return done.stdout
