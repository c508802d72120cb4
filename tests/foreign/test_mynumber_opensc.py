"""OpenSC and a My Number Card through pcscd: its name, listings, certificates, signatures with both keys."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .harness import Namespace
from .mynumber import (
    AUTHENTICATION,
    AUTHENTICATION_CA,
    SIGNATURE,
    SIGNATURE_CA,
    KeyOfCard,
    certificate,
    logged_in,
    openssl_verifies,
    out,
    pkcs11_tool,
    public_key,
)

pytestmark = pytest.mark.foreign

ATR = {"contact": "3b:e0:00:ff:81:31:fe:45:14", "contactless": "3b:88:80:01:00:00:41:e0:b3:81:a1:00:3b"}
MECHANISMS = ("RSA-PKCS", "SHA1-RSA-PKCS", "SHA256-RSA-PKCS")

keys = pytest.mark.parametrize("key", [AUTHENTICATION, SIGNATURE], ids=["authentication", "signature"])


def test_opensc_tool_names_the_card(my_number_reader: Namespace, request: pytest.FixtureRequest) -> None:
    interface = request.node.callspec.params["my_number_reader"]
    assert out(my_number_reader, "opensc-tool", "--name").strip() == "jpki"
    assert out(my_number_reader, "opensc-tool", "--atr").strip() == ATR[interface]


def test_pkcs15_tool_dumps_the_card(my_number_reader: Namespace) -> None:
    dump = out(my_number_reader, "pkcs15-tool", "--dump")
    assert "PKCS#15 Card [JPKI]:" in dump
    for kind, label, number in (
        ("PIN", "User Authentication PIN", "01"),
        ("PIN", "Digital Signature PIN", "02"),
        ("Private RSA Key", "User Authentication Key", "01"),
        ("Private RSA Key", "Digital Signature Key", "02"),
        ("Public RSA Key", "User Authentication Public Key", "01"),
        ("X.509 Certificate", "User Authentication Certificate", "01"),
        ("X.509 Certificate", "Digital Signature Certificate", "02"),
        ("X.509 Certificate", "User Authentication Certificate CA", "03"),
        ("X.509 Certificate", "Digital Signature Certificate CA", "04"),
    ):
        (section,) = [part for part in dump.split("\n\n") if f"{kind} [{label}]\n" in part]
        assert f"ID             : {number}\n" in f"{section}\n"
    pins = [part for part in dump.split("\n\n") if part.strip().startswith("PIN [")]
    assert "Tries left     : 3" in pins[0]
    assert "Tries left     : 5" in pins[1]


@pytest.mark.parametrize(
    ("key", "authority"),
    [(AUTHENTICATION, AUTHENTICATION_CA), (SIGNATURE, SIGNATURE_CA)],
    ids=["authentication", "signature"],
)
def test_pkcs15_tool_reads_both_certificates(
    my_number_reader: Namespace, tmp_path: Path, key: KeyOfCard, authority: str
) -> None:
    """OpenSSL builds the path from each to the authority's certificate on the card."""
    pem, issuer = certificate(my_number_reader, key, tmp_path), tmp_path / "authority.pem"
    issuer.write_text(out(my_number_reader, "pkcs15-tool", "--read-certificate", authority))
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", str(issuer), str(pem)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{pem}: OK\n", done.stderr


def test_the_password_lasts_until_the_reset(my_number_reader: Namespace) -> None:
    """The password opens the certificate for the next program too, until somebody resets the card."""
    without_password = ["pkcs15-tool", "--read-certificate", SIGNATURE.id]
    out(my_number_reader, "opensc-tool", "--reset")
    closed = my_number_reader.run(without_password)
    assert closed.returncode != 0
    assert "BEGIN CERTIFICATE" not in closed.stdout
    read = out(my_number_reader, *SIGNATURE.read_certificate)
    assert out(my_number_reader, *without_password) == read
    out(my_number_reader, "opensc-tool", "--reset")
    assert "BEGIN CERTIFICATE" not in my_number_reader.run(without_password).stdout


@keys
def test_pkcs11_tool_lists_the_objects(my_number_reader: Namespace, key: KeyOfCard) -> None:
    listing = out(my_number_reader, *logged_in(key, "--list-token-slots", "--list-objects"))
    assert f"token label        : {key.token}\n" in listing
    for kind in ("Private Key Object; RSA", "Public Key Object; RSA 2048 bits", "Certificate Object"):
        assert kind in listing
    assert f"label:      {key.label} Key\n" in listing
    assert f"label:      {key.label} Certificate\n" in listing


@keys
def test_pkcs11_tool_signs_and_verifies(my_number_reader: Namespace, tmp_path: Path, key: KeyOfCard) -> None:
    data, signature = tmp_path / "data", tmp_path / "signature"
    data.write_bytes(b"to be signed")
    what = ["--id", key.id, "-m", "SHA256-RSA-PKCS", "-i", str(data)]
    out(my_number_reader, *logged_in(key, "--sign", *what, "-o", str(signature)))
    assert openssl_verifies(certificate(my_number_reader, key, tmp_path), data, signature)
    verify = logged_in(key, "--verify", *what, "--signature-file", str(signature))
    assert "Signature is valid" in out(my_number_reader, *verify)
    data.write_bytes(b"something else")
    assert "Invalid signature" in my_number_reader.run(verify).stdout


@pytest.mark.parametrize("hash_name", ["sha1", "sha384", "sha512"])
def test_pkcs11_tool_signs_other_hashes(my_number_reader: Namespace, tmp_path: Path, hash_name: str) -> None:
    data, signature = tmp_path / "data", tmp_path / "signature"
    data.write_bytes(b"to be signed")
    what = ["--id", "01", "-m", f"{hash_name.upper()}-RSA-PKCS", "-i", str(data), "-o", str(signature)]
    out(my_number_reader, *logged_in(AUTHENTICATION, "--sign", *what))
    public = public_key(certificate(my_number_reader, AUTHENTICATION, tmp_path))
    verify = ["openssl", "dgst", f"-{hash_name}", "-verify", str(public), "-signature", str(signature)]
    assert subprocess.run([*verify, str(data)], capture_output=True, check=True).stdout == b"Verified OK\n"


@keys
def test_pkcs11_tool_tests_the_key(my_number_reader: Namespace, key: KeyOfCard) -> None:
    """Its exit code is 0 whatever it finds; what it says counts."""
    done = my_number_reader.run(logged_in(key, "--test"))
    signing, verifying = done.stdout.split("Signatures (currently only for RSA)")[1].split("Verify (")
    assert f"testing key 0 ({key.label} Key)" in signing
    assert "all 4 signature functions seem to work" in signing
    for mechanism in MECHANISMS:
        assert f"    {mechanism}: OK\n" in signing
    assert "    RSA-PKCS: OK\n" in verifying
    assert done.stdout.endswith("\nNo errors\n")


def test_pkcs11_tool_offers_no_pss(my_number_reader: Namespace, tmp_path: Path) -> None:
    """OpenSC's driver knows PKCS #1 v1.5 alone: no TLS 1.3 client through it."""
    data = tmp_path / "data"
    data.write_bytes(bytes(32))
    mechanisms = out(my_number_reader, *pkcs11_tool(AUTHENTICATION, "--list-mechanisms"))
    assert "RSA-PKCS, keySize={2048,2048}" in mechanisms
    assert "PSS" not in mechanisms
    sign = logged_in(AUTHENTICATION, "--sign", "--id", "01", "-m", "RSA-PKCS-PSS", "-i", str(data))
    assert my_number_reader.run(sign).returncode != 0
