"""Card-verifiable certificates and offset tables, against bytes laid out by hand and OpenSSL."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu.cvc import CardVerifiableCertificate, RsaPublicKey, key_id
from tegata.apdu.records import build_record, parse_record
from tegata.apdu.tlv import Tlv

ISSUER, SUBJECT = key_id("6000020", "001"), key_id("6000023", "001")


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An RSA-2048 key that OpenSSL made."""
    path = tmp_path_factory.mktemp("cvc") / "key.pem"
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(path))
    return path


def modulus(key: Path) -> bytes:
    text = openssl("rsa", "-in", str(key), "-noout", "-modulus").decode().strip()
    return bytes.fromhex(text.removeprefix("Modulus="))


def public_value(key: Path) -> bytes:
    """265 bytes laid out by hand: 90 03 010001, 91 82 0100 and the modulus."""
    return bytes.fromhex("9003010001 91820100") + modulus(key)


def by_hand(key: Path) -> bytes:
    """A certificate put together byte by byte, signed by OpenSSL."""
    body = ISSUER + SUBJECT + public_value(key)
    signature = openssl("dgst", "-sha256", "-sign", str(key), data=body)
    return bytes.fromhex("7F21820233 5F4E820129") + body + bytes.fromhex("5F37820100") + signature


def test_a_key_id_as_it_is_seen() -> None:
    assert b"6000020" + bytes.fromhex("0805") + b"001" + bytes(4) == ISSUER
    with pytest.raises(ValueError, match="seven digits"):
        key_id("600002", "001")


def test_a_certificate_laid_out_by_hand(key: Path) -> None:
    raw = by_hand(key)
    assert len(raw) == 568
    found = CardVerifiableCertificate.parse(raw)
    assert (found.issuer, found.subject, bytes(found.key)) == (ISSUER, SUBJECT, public_value(key))
    assert bytes(found) == raw
    assert CardVerifiableCertificate.parse(raw + b"\xff" * 8) == found
    assert found.key.confirms(found.signature, found.body)
    assert not found.key.confirms(found.signature, found.body + b"\x00")
    assert not found.key.confirms(found.signature[:-1], found.body)


def test_a_block_that_openssl_signed(key: Path) -> None:
    digests = b"".join(hashlib.sha256(part).digest() for part in (b"a", b"b", b"c"))
    block = bytes.fromhex("3071300D060960864801650304020105000460") + digests
    # rsautl signs any block; pkeyutl refuses one that is longer than a hash.
    signature = openssl("rsautl", "-sign", "-inkey", str(key), data=block)
    public = RsaPublicKey.parse(public_value(key))
    assert public.signed_block(signature) == block
    assert public.signed_block(bytes(256)) is None
    assert public.signed_block(signature[1:] + b"\x00") is None


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda raw: raw[:-1], "claims"),
        (lambda raw: raw[:4] + b"\xff" + raw[5:], "claims"),
        (lambda raw: b"\x7f\x22" + raw[2:], "expected data object"),
        (lambda raw: raw.replace(b"\x5f\x37", b"\x5f\x38", 1), "does not hold"),
        (lambda raw: raw.replace(bytes.fromhex("9003010001"), bytes.fromhex("9003010002"), 1), "exponent"),
        (lambda raw: raw.replace(bytes.fromhex("9003010001"), bytes.fromhex("9003000001"), 1), "exponent"),
        (lambda raw: raw.replace(bytes.fromhex("91820100"), bytes.fromhex("918200FF"), 1), ".+"),
        (lambda raw: b"", "ends before"),
    ],
)
def test_certificates_that_make_no_sense(key: Path, spoil: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        CardVerifiableCertificate.parse(spoil(by_hand(key)))  # type: ignore[operator] # a lambda above


def test_a_small_or_even_modulus_is_refused() -> None:
    for value in (bytes(255) + b"\x01", b"\xff" * 255 + b"\xfe"):
        with pytest.raises(ValueError, match="RSA-2048"):
            RsaPublicKey.parse(bytes(Tlv(0x90, b"\x01\x00\x01")) + bytes(Tlv(0x91, value)))


@given(st.binary(max_size=700))
def test_noise_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        CardVerifiableCertificate.parse(raw)


def test_offsets_lead_to_the_tags() -> None:
    raw = build_record(0xFF20, [Tlv(0xDF22, b"ab"), Tlv(0xDF23, b"c" * 200)], offsets=0xDF21)
    # FF20 81 D6 | DF21 04 000B 0010 | DF22 02 .. | DF23 81 C8 ..
    assert raw[:16].hex() == "ff2081d8df21040" + "00b0010df22026162"
    parts = parse_record(raw, 0xFF20, (0xDF22, 0xDF23), offsets=0xDF21)
    assert [parts[tag].offset for tag in (0xDF22, 0xDF23)] == [11, 16]
    assert parts[0xDF23].raw == bytes.fromhex("DF2381C8") + b"c" * 200


@pytest.mark.parametrize("table", ["000B0011", "00000000", "000B", "000B00100010"])
def test_offsets_that_lead_elsewhere(table: str) -> None:
    inner = [Tlv(0xDF21, bytes.fromhex(table)), Tlv(0xDF22, b"ab"), Tlv(0xDF23, b"c" * 200)]
    with pytest.raises(ValueError, match=r"offsets"):
        parse_record(bytes(Tlv.build(0xFF20, inner)), 0xFF20, (0xDF22, 0xDF23), offsets=0xDF21)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=9))
def test_records_round_trip(values: list[bytes]) -> None:
    tags = [0xDF22 + index for index in range(len(values))]
    raw = build_record(0xFF20, [Tlv(*pair) for pair in zip(tags, values, strict=True)], offsets=0xDF21)
    parts = parse_record(raw + b"\xff\xff", 0xFF20, tags, offsets=0xDF21)
    assert [parts[tag].value for tag in tags] == values
    assert all(raw[part.offset :].startswith(part.raw) for part in parts.values())
