"""Every line of the vectors in docs/protocols/entry-badge.md, by OpenSSL's command line and by our code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tegata.applets.entry_badge import model

from ..desk import RECORD

DOCUMENT = Path(__file__).parents[3] / "docs" / "protocols" / "entry-badge.md"


def vectors() -> dict[str, bytes]:
    block = DOCUMENT.read_text(encoding="utf-8").split("## 7. Vectors")[1].split("```")[1]
    lines = (line.rsplit(maxsplit=1) for line in block.strip().splitlines())
    return {name: bytes.fromhex(value) for name, value in lines}


V = vectors()
AID = bytes.fromhex("F0544547415441010101")
PAIR = V["slot"] + V["version"]


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def openssl_kdf(key: bytes, label: str, context: bytes) -> bytes:
    options = {
        "mac": "CMAC",
        "mode": "counter",
        "cipher": f"AES-{len(key) * 8}-CBC",
        "hexkey": key.hex(),
        "hexsalt": f"tegata-badge/1 {label}".encode().hex(),
        "hexinfo": context.hex(),
    }
    flags = [part for name, value in options.items() for part in ("-kdfopt", f"{name}:{value}")]
    return openssl("kdf", "-keylen", "16", "-binary", *flags, "KBKDF")


def openssl_cmac(key: bytes, data: bytes) -> bytes:
    text = openssl(
        "mac", "-cipher", "AES-128-CBC", "-macopt", f"hexkey:{key.hex()}", "-in", "-", "CMAC", data=data
    )
    return bytes.fromhex(text.decode().strip())


def openssl_cbc(key: bytes, data: bytes) -> bytes:
    return openssl("enc", "-aes-128-cbc", "-nopad", "-K", key.hex(), "-iv", "00" * 16, data=data)


@pytest.mark.parametrize(
    ("line", "key", "label", "context"),
    [
        ("site key", "master", "site", V["site"] + V["version"]),
        ("privacy key", "master", "privacy", V["site"] + V["version"]),
        ("badge key", "site key", "badge", V["diversifier"]),
        ("token enc key", "privacy key", "token enc", PAIR),
        ("token mac key", "privacy key", "token mac", PAIR),
        ("KD", "badge key", "door mac", V["context"]),
        ("KE", "badge key", "badge enc", V["context"]),
        ("KB", "badge key", "badge mac", V["context"]),
    ],
)
def test_openssl_derives_every_key(line: str, key: str, label: str, context: bytes) -> None:
    assert openssl_kdf(V[key], label, context) == V[line]


def test_openssl_makes_the_token() -> None:
    encrypted = openssl_cbc(V["token enc key"], V["R"] + V["diversifier"])
    assert encrypted + openssl_cmac(V["token mac key"], V["CC"] + encrypted)[:8] == V["token"]


def test_the_fci_and_the_context_are_put_together_by_hand() -> None:
    inner = bytes.fromhex("800101" + "8102" + PAIR.hex() + "8210") + V["CC"] + b"\x83\x28" + V["token"]
    middle = b"\x84\x0a" + AID + bytes((0xA5, len(inner))) + inner
    assert bytes((0x6F, len(middle))) + middle == V["FCI"]
    whole = V["CC"] + V["DC"] + PAIR + b"\x0a" + AID + len(V["FCI"]).to_bytes(2, "big") + V["FCI"]
    assert whole == V["context"]


def test_openssl_makes_both_messages() -> None:
    assert openssl_cmac(V["KD"], b"\x80\x82" + PAIR + V["DC"]) == V["MD"]
    encrypted = openssl_cbc(V["KE"], (V["record"] + b"\x80").ljust(80, b"\x00"))
    assert encrypted + openssl_cmac(V["KB"], encrypted) == V["answer"]


def test_our_code_makes_the_same() -> None:
    site = model.site_key(V["master"], 7, 1)
    privacy = model.privacy_key(V["master"], 7, 1)
    badge = model.badge_key(site, V["diversifier"])
    assert (site, privacy, badge) == (V["site key"], V["privacy key"], V["badge key"])
    tokens = model.token_keys(privacy, 1, 1)
    token = model.seal_token(tokens, V["CC"], V["R"], V["diversifier"])
    fci = bytes(model.Fci(((1, 1),), V["CC"], (token,)))
    assert fci == V["FCI"]
    assert model.open_token(tokens, V["CC"], token) == V["diversifier"]
    keys = model.session_keys(badge, 1, 1, fci, V["CC"], V["DC"], AID)
    assert model.door_mac(keys, 1, 1, V["DC"]) == V["MD"]
    assert bytes(RECORD) == V["record"]
    assert model.seal_record(keys, V["record"]) == V["answer"]
    assert model.open_record(keys, V["answer"]) == V["record"]
