"""Tokens and receipts without a card: the published vectors, OpenSSL, and what is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tegata.simulators import presets

from .conftest import Gp

AES = "404142434445464748494A4B4C4D4E4F"
AID = "A0000000010101"
REFERENCE = "iin=112233,cin=0001,provider=A1B2,number=0007"
DELETE = (
    "80E400002F4F07A0000000010101B6124203112233450200015F2002A1B293020007"
    "9E1005324714CDE770F9FF97F581F3AC48C700"
)
RECEIPT = "1D10198935673013FB664B42074C6A3B378B020005051122330001020007"


@pytest.fixture
def key(gp: Gp) -> Path:
    path = gp.folder / "token.hex"
    path.write_text(AES)
    path.chmod(0o600)
    return path


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def test_the_published_token_of_delete(gp: Gp, key: Path) -> None:
    """Vectors of docs/protocols/tokens-and-receipts.md, recomputed by OpenSSL there."""
    out, _ = gp("token", "make", "delete", AID, "--key", key, "--reference", REFERENCE)
    assert out.splitlines() == ["05324714CDE770F9FF97F581F3AC48C7", DELETE]
    assert gp("token", "check", DELETE, "--key", key)[0] == "The token is for this command.\n"
    assert "トークン" in gp("token", "check", DELETE, "--key", key, lang="ja")[0]


def test_the_published_token_of_install(gp: Gp, key: Path) -> None:
    words = ("install", "A00000000101", AID, AID, "--reference", REFERENCE, "--json")
    found = json.loads(gp("token", "make", *words, "--key", key)[0])
    assert found["token"] == "C06960072E061CACDF332FFC0B50C065"
    assert found["command"].startswith("80E60C0041")


def test_a_token_for_something_else(gp: Gp, key: Path) -> None:
    for other in (DELETE.replace("010101B6", "010102B6"), "80E40000094F07A000000001010100"):
        _, err = gp("token", "check", other, "--key", key, code=207)
        assert AES not in err
    gp("token", "check", "80E4", "--key", key, code=101)


def test_a_receipt(gp: Gp, key: Path) -> None:
    words = ("--key", key, "--reference", "number=0007")
    assert gp("receipt", "check", RECEIPT, "delete", AID, *words)[0] == "Receipt 5 is for this.\n"
    found = json.loads(gp("receipt", "check", RECEIPT, "delete", AID, *words, "--json")[0])
    assert (found["valid"], found["counter"], found["token_number"]) == (True, 5, "0007")
    gp("receipt", "check", RECEIPT, "delete", "A0000000010102", *words, code=204)
    gp("receipt", "check", "00", "delete", AID, *words, code=204)


@pytest.mark.parametrize("make", ["rsa:1024", "rsa:2048", "ec"])
def test_with_keys_of_openssl(gp: Gp, make: str) -> None:
    kind, _, bits = make.partition(":")
    option = f"rsa_keygen_bits:{bits}" if bits else "ec_paramgen_curve:P-256"
    openssl(gp.folder, "genpkey", "-algorithm", kind.upper(), "-pkeyopt", option, "-out", "private.pem")
    openssl(gp.folder, "pkey", "-in", "private.pem", "-pubout", "-out", "public.pem")
    (gp.folder / "private.pem").chmod(0o600)
    private, public = gp.folder / "private.pem", gp.folder / "public.pem"
    _, command = gp("token", "make", "extradite", AID, "--to", "A0000000020202", "--key", private)[0].split()
    gp("token", "check", command, "--key", public)
    gp("token", "check", command.replace(AID, "A0000000010102"), "--key", public, code=207)


def test_keys_that_are_none(gp: Gp, key: Path) -> None:
    key.chmod(0o644)
    assert "others can read it" in gp("token", "make", "delete", AID, "--key", key, code=206)[1]
    key.chmod(0o600)
    key.write_text("00")
    gp("token", "make", "delete", AID, "--key", key, code=206)
    key.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    gp("token", "make", "delete", AID, "--key", key, code=206)
    gp("token", "make", "delete", AID, "--key", gp.folder / "absent", code=41)


@pytest.mark.parametrize(
    "words",
    [["load"], ["install", AID], ["extradite", AID], ["delete"], ["delete", AID, "--reference", "iin=0"]],
)
def test_what_does_not_describe_a_command(gp: Gp, key: Path, words: list[str]) -> None:
    gp("token", "make", *words, "--key", key, code=2)


def test_a_domain_that_wants_tokens_from_the_command_line_alone(gp: Gp, key: Path) -> None:
    """Keys of tokens and receipts put, a token made and taken, its receipt checked."""
    gp.card.unlink()
    presets.write(gp.card, presets.memory("gp-card", 7))
    openssl(
        gp.folder, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "private.pem"
    )
    openssl(gp.folder, "pkey", "-in", "private.pem", "-pubout", "-out", "public.pem")
    private, public = gp.folder / "private.pem", gp.folder / "public.pem"
    private.chmod(0o600)
    _, err = gp("keys", "put-public", private, "--new-version", "70", code=206)
    assert "it is a private key" in err
    gp("keys", "put-public", public, "--new-version", "70")
    gp("keys", "put-single", "--for", "receipt", "--new-keys", key, "--new-version", "71")
    kinds = {(one["version"], one["kid"]) for one in gp.verb("keys", "list")["keys"]}
    assert kinds >= {("70", "01"), ("71", "01")}
    assert not gp.verb("keys", "put-public", public, "--new-version", "70")["changed"]
    assert gp.verb("keys", "put-public", public, "--new-version", "70", "--replace")["changed"]
    gp("keys", "put-public", key, "--new-version", "70", code=2)
    domain, words = "F0746567617461AA", ("--token-key", private, "--receipt-key", key)
    made = gp.verb(*words, "domain", "create", domain)["steps"][0]
    assert made["receipt"]["verified"] is True
    token = json.loads(gp("token", "make", "delete", domain, "--key", private, "--json")[0])["token"]
    gone = gp.verb("--token", token, "--receipt-key", key, "delete", domain)["steps"][0]
    assert gone["receipt"]["counter"] == made["receipt"]["counter"] + 1
