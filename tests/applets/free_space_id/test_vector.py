"""The vector of docs/protocols/free-space-id.md, recomputed by OpenSSL's command line."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tegata.applets.free_space_id.model import FreeSpaceIdentity, signed_message
from tegata.simulators.card import MemoryStore, SimulatedCard

DOCUMENT = Path(__file__).parents[3] / "docs" / "protocols" / "free-space-id.md"
PREFIX = bytes.fromhex("30310201010420")  # ECPrivateKey (RFC 5915): version 1, 32 bytes, then the curve
P256 = bytes.fromhex("A00A06082A8648CE3D030107")


@pytest.fixture(scope="module")
def vector() -> dict[str, bytes]:
    found = re.findall(r"```text ([a-z-]+)\n([0-9A-F\n]+)```", DOCUMENT.read_text(encoding="utf-8"))
    return {name: bytes.fromhex(value) for name, value in found}


def _openssl(*arguments: str, data: bytes = b"", folder: Path | None = None) -> bytes:
    command = ["openssl", *arguments]
    return subprocess.run(command, input=data, cwd=folder, capture_output=True, check=True).stdout


def _private_key(vector: dict[str, bytes]) -> bytes:
    return PREFIX + vector["private-key"] + P256


def test_identity_holds_the_public_key_that_openssl_derives(vector: dict[str, bytes]) -> None:
    public = _openssl(
        "ec",
        "-inform",
        "der",
        "-pubout",
        "-outform",
        "der",
        "-conv_form",
        "uncompressed",
        data=_private_key(vector),
    )
    user_id = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
    body = b"\x80\x01\x01" + b"\x81\x0bTEGATA-DEMO" + b"\x82\x10" + user_id + b"\x83\x41" + public[-65:]
    assert vector["identity"] == b"\xe1" + bytes((len(body),)) + body
    assert vector["identity-hash"] == _openssl("dgst", "-sha256", "-binary", data=vector["identity"])
    assert vector["message"] == (
        b"tegata free-space ID v1\x00"
        + bytes.fromhex("F05445474154412D494401")
        + vector["identity-hash"]
        + vector["challenge"]
    )


def test_openssl_verifies_the_signature(vector: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "public.pem").write_bytes(
        _openssl("ec", "-inform", "der", "-pubout", data=_private_key(vector))
    )
    r, s = (int.from_bytes(vector["signature"][at : at + 32], "big") for at in (0, 32))
    description = f"asn1=SEQUENCE:both\n[both]\nr=INTEGER:{r}\ns=INTEGER:{s}\n"
    (tmp_path / "signature.cnf").write_text(description)
    _openssl("asn1parse", "-genconf", "signature.cnf", "-noout", "-out", "signature", folder=tmp_path)
    command = ("dgst", "-sha256", "-verify", "public.pem", "-signature", "signature")
    assert _openssl(*command, data=vector["message"], folder=tmp_path) == b"Verified OK\n"


def test_model_and_card_agree_with_the_document(
    vector: dict[str, bytes], my_number_memory: dict[str, bytes]
) -> None:
    identity = FreeSpaceIdentity.parse(vector["identity"])
    assert signed_message(identity, vector["challenge"]) == vector["message"]
    assert identity.accepts(vector["challenge"], vector["signature"])
    key = _openssl(
        "pkcs8", "-topk8", "-nocrypt", "-inform", "der", "-outform", "der", data=_private_key(vector)
    )
    place = "app/f05445474154412d494401/"
    changed = my_number_memory | {place + "identity": vector["identity"], place + "key": key}
    card = SimulatedCard(MemoryStore(changed))
    card.power_up()
    card.transmit(bytes.fromhex("00A4040C0BF05445474154412D494401"))
    assert card.transmit(bytes.fromhex("00CA010100"))[:-2] == vector["identity"]
    answer = card.transmit(bytes.fromhex("0088000020") + vector["challenge"] + b"\x00")
    assert answer[:-2] == vector["signature"]
