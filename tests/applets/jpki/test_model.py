"""Codecs of the JPKI application against literal bytes."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.applets.jpki.model import DIGEST_INFO, JpkiKey, TokenInfo, digest_info

TOKEN_INFO = (
    b"JPKIAPICCTOKEN2                 "
    b"00000000000000000000000000000001"
    b"E16R01NJ        "
    b"0000000020500003"
    + bytes.fromhex("0000040D 00000001 00000000 00000001 00000000 00000010 00000006" + "FFFFFFFF" * 4)
    + b"03019999999999999999"
)
ascii_text = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E))


def test_token_info_as_it_was_seen() -> None:
    assert len(TOKEN_INFO) == 160
    assert bytes(TokenInfo()) == TOKEN_INFO
    assert TokenInfo.parse(TOKEN_INFO) == TokenInfo()


@given(label=ascii_text.filter(lambda text: len(text) <= 32), flags=st.integers(0, 2**32 - 1))
def test_token_info_round_trip(label: str, flags: int) -> None:
    info = TokenInfo(label=label, flags=flags)
    assert TokenInfo.parse(bytes(info)) == info


@given(st.binary(max_size=200) | st.binary(min_size=159, max_size=159).map(lambda raw: raw + b"\xff"))
def test_foreign_token_info_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        TokenInfo.parse(raw)


@pytest.mark.parametrize("algorithm", sorted(DIGEST_INFO))
def test_digest_info_is_what_asn1_says(algorithm: str) -> None:
    length = DIGEST_INFO[algorithm][-1]
    encoded = digest_info(algorithm, b"\xa5" * length)
    command = ["openssl", "asn1parse", "-inform", "der"]
    parsed = subprocess.run(command, input=encoded, capture_output=True, check=True).stdout.decode()
    assert f":{algorithm}\n" in parsed
    assert parsed.rstrip().endswith("[HEX DUMP]:" + "A5" * length)


def test_digest_info_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        digest_info("sha256", bytes(20))
    with pytest.raises(ValueError, match="hash algorithms"):
        digest_info("md5", bytes(16))


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        (JpkiKey.AUTHENTICATION, b"1234", True),
        (JpkiKey.AUTHENTICATION, b"123", False),
        (JpkiKey.AUTHENTICATION, b"12345", False),
        (JpkiKey.AUTHENTICATION, b"12a4", False),
        (JpkiKey.AUTHENTICATION, b"1234\n", False),
        (JpkiKey.SIGNATURE, b"ABC123", True),
        (JpkiKey.SIGNATURE, b"A" * 16, True),
        (JpkiKey.SIGNATURE, b"A" * 17, False),
        (JpkiKey.SIGNATURE, b"ABC12", False),
        (JpkiKey.SIGNATURE, b"abc123", False),
        (JpkiKey.SIGNATURE, b"ABC-123", False),
    ],
)
def test_pin_rules(key: JpkiKey, value: bytes, allowed: bool) -> None:
    assert key.pin_rule.allows(value) is allowed
