"""The PKCS #11 ring without a token: its URLs, its frames, CMAC in pieces, and its words without a module."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import InputError, Secret
from tegata.apdu.errors import Words
from tegata.apdu.ports import ChannelDek, KeyRef, SessionKeys, open_keyring
from tegata.apdu.scp03.crypto import aes_encrypt_block, cmac
from tegata.provisioning.keyring.pkcs11 import Pkcs11KeyRing, Pkcs11Uri
from tegata.provisioning.keyring.pkcs11.keys import cmac_last_block
from tegata.provisioning.keyring.pkcs11.wire import decode, encode, read_frame, write_frame

MODULE = "module-path=/usr/lib/softhsm/libsofthsm2.so"
KEY = Secret(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))


@pytest.mark.parametrize(
    ("message", "expected"),
    [  # RFC 4493 §4
        ("", "bb1d6929e95937287fa37d129b756746"),
        ("6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9dd04a287c"),
        (
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
            "dfa66747de9ae63030ca32611497c827",
        ),
    ],
)
def test_cmac_from_single_blocks_of_rfc_4493(message: str, expected: str) -> None:
    last = cmac_last_block(bytes.fromhex(message), lambda block: aes_encrypt_block(KEY, block))
    assert aes_encrypt_block(KEY, last).hex() == expected


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=100))
def test_cmac_from_single_blocks(key: bytes, message: bytes) -> None:
    secret = Secret(key)
    last = cmac_last_block(message, lambda block: aes_encrypt_block(secret, block))
    assert aes_encrypt_block(secret, last) == cmac(secret, message)


def test_urls_of_rfc_7512() -> None:
    uri = Pkcs11Uri.parse(
        f"token=The%20badges;serial=DECC0401648?{MODULE}&pin-source=file:/run/pin&timeout=5"
    )
    assert uri.token == {"token": "The badges", "serial": "DECC0401648"}
    assert uri.module == "/usr/lib/softhsm/libsofthsm2.so"
    assert uri.pin_source == Path("/run/pin")
    assert uri.timeout == 5.0
    assert str(uri) == "The badges"
    uri = Pkcs11Uri.parse("slot-id=3", {"TEGATA_PKCS11_MODULE": "/m.so"})
    assert (uri.module, str(uri), uri.pin_source, uri.timeout) == ("/m.so", "3", None, 30.0)


@pytest.mark.parametrize(
    ("rest", "code", "says"),
    [
        ("token=a", "pkcs11.module", "no module-path"),
        (f"token=a?{MODULE}&pin-value=1234", "pkcs11.token", "does not belong into a URL"),
        (f"token=a;pin-value=1234?{MODULE}", "pkcs11.token", "does not belong into a URL"),
        (f"object=a?{MODULE}", "pkcs11.token", "attributes here are"),
        (f"token=a;token=b?{MODULE}", "pkcs11.token", "each once"),
        (f"token?{MODULE}", "pkcs11.token", "attributes here are"),
        (f"token=%FF?{MODULE}", "pkcs11.token", "not UTF-8"),
        (f"slot-id=one?{MODULE}", "pkcs11.token", "a number"),
        (f"token=a?{MODULE}&pin-source=|cat", "pkcs11.token", "pin-source is a file"),
        (f"token=a?{MODULE}&pin-source=https://host/pin", "pkcs11.token", "pin-source is a file"),
        (f"token=a?{MODULE}&timeout=0", "pkcs11.token", "timeout is seconds"),
        (f"token=a?{MODULE}&timeout=nan", "pkcs11.token", "timeout is seconds"),
        (f"token=a?{MODULE}&timeout=soon", "pkcs11.token", "timeout is seconds"),
    ],
)
def test_urls_that_are_refused(rest: str, code: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        Pkcs11Uri.parse(rest, {})
    assert caught.value.code == code
    assert "1234" not in str(caught.value)


def test_what_travels_arrives() -> None:
    ref = KeyRef("ring", "badges", "kdf3", b"\x00\xff", 1, "enc", 24, "ABCDEF", "3des")
    keys = SessionKeys(Secret(b"a" * 16), Secret(b"b" * 16), Secret(b"c" * 16))
    dek = ChannelDek(static=ref, sequence=b"\x00\x01", session=Secret(b"d"), cbc=True)
    sent = [
        None,
        True,
        7,
        1.5,
        "text",
        b"bytes",
        Secret(b"pin"),
        ref,
        keys,
        dek,
        {"a": [b"b"]},
        Words("a", "あ"),
    ]
    pipe = io.BytesIO()
    write_frame(pipe, encode(sent))
    pipe.seek(0)
    arrived = decode(read_frame(pipe))
    assert arrived == sent
    assert arrived[-1].ja == "あ"
    for broken in (b"", b"\x00\x00", b"\x00\x00\x00\x05[]", b"\xff\xff\xff\xff"):
        with pytest.raises(EOFError):
            read_frame(io.BytesIO(broken))
    with pytest.raises(TypeError):
        encode(object())


def test_modules_that_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("not a library")
    for path in ("/nowhere.so", str(tmp_path / "text.so")):
        with pytest.raises(InputError, match="cannot be loaded") as caught:
            Pkcs11KeyRing.open(Pkcs11Uri.parse(f"token=a?module-path={path}"), Secret(b"1234"))
        assert caught.value.code == "pkcs11.module"


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose search path leads to a package that does not import."""
    (tmp_path / "pkcs11.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(InputError, match="python-pkcs11 is not installed") as caught:
        open_keyring(f"pkcs11:token=a?{MODULE}")
    assert caught.value.code == "pkcs11.module"
    assert "pkcs11" in caught.value.next_step()
