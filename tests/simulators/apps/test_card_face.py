"""The files of the visual application and their signatures: bytes by hand, signatures by OpenSSL."""

from __future__ import annotations

import hashlib
import io
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from asn1crypto.keys import PublicKeyInfo
from asn1crypto.keys import RSAPublicKey as Asn1RsaKey
from PIL import Image

from tegata.simulators.presets import memory

Transmit = Callable[[str], str]
VISUAL = "D3921000310001010402"
SELECT_VISUAL = "00A4040C0A" + VISUAL
PINS = f"app/{VISUAL.lower()}/pin/"
FACE_TAGS = ["DF22", "DF23", "DF24", "DF25", "DF26", "DF27", "DF28", "DF29", "DF2A"]


@pytest.fixture
def face_transmit(transmit: Transmit, my_number_memory: dict[str, bytes]) -> Transmit:
    """The application selected, check number A verified: it opens both records."""
    transmit(SELECT_VISUAL)
    number = my_number_memory[PINS + "0013"]
    assert transmit(f"002000930C{number.hex()}") == "9000"
    return transmit


def _file(transmit: Transmit, short_id: int) -> bytes:
    answer = bytes.fromhex(transmit(f"00B0{0x80 | short_id:02X}00000000"))
    assert answer[-2:] == b"\x90\x00"
    return answer[:-2]


def _objects(raw: bytes, at: int) -> list[tuple[str, int, bytes, bytes]]:
    """Tag, offset, whole object and value of two-byte tags, read by hand from ``at`` to the end."""
    found = []
    while at < len(raw):
        start, length, at = at, raw[at + 2], at + 3
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(raw[at : at + count], "big"), at + count
        found.append(
            (raw[start : start + 2].hex().upper(), start, raw[start : at + length], raw[at : at + length])
        )
        at += length
    return found


def _public_pem(folder: Path, value: bytes) -> Path:
    """A key of 265 bytes (90 03 exponent, 91 820100 modulus) as OpenSSL reads it."""
    assert value[:5] == bytes.fromhex("9003010001") and value[5:9] == bytes.fromhex("91820100")
    modulus = int.from_bytes(value[9:], "big")
    key = PublicKeyInfo.wrap(Asn1RsaKey({"modulus": modulus, "public_exponent": 65537}), "rsa")
    (folder / "key.der").write_bytes(key.dump())
    return folder / "key.der"


def _recovered(folder: Path, key: Path, signature: bytes) -> bytes:
    (folder / "signature").write_bytes(signature)
    command = ["openssl", "pkeyutl", "-verifyrecover", "-pubin", "-keyform", "DER", "-inkey", str(key)]
    command += ["-in", "signature", "-pkeyopt", "rsa_padding_mode:pkcs1"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout


def _verifies(folder: Path, key: Path, signature: bytes, data: bytes) -> bool:
    (folder / "signature").write_bytes(signature)
    command = [
        "openssl",
        "dgst",
        "-sha256",
        "-keyform",
        "DER",
        "-verify",
        str(key),
        "-signature",
        "signature",
    ]
    done = subprocess.run(command, cwd=folder, input=data, capture_output=True, check=False)
    return done.stdout.strip() == b"Verified OK"


def _signer(transmit: Transmit, folder: Path) -> Path:
    certificate = _file(transmit, 4)
    assert len(certificate) == 568
    assert certificate[:10] == bytes.fromhex("7F218202335F4E820129")
    assert certificate[10:22] == b"6000020\x08\x05001" and certificate[26:38] == b"6000033\x08\x05001"
    assert certificate[307:312] == bytes.fromhex("5F37820100")
    return _public_pem(folder, certificate[42:307])


def test_offsets_lead_to_the_objects(face_transmit: Transmit) -> None:
    face = _file(face_transmit, 2)
    assert face[:3] == bytes.fromhex("FF2082")
    assert int.from_bytes(face[3:5], "big") == len(face) - 5
    assert face[5:8] == bytes.fromhex("DF2112")
    table = [int.from_bytes(face[8 + 2 * place : 10 + 2 * place], "big") for place in range(9)]
    objects = _objects(face, 26)
    assert [tag for tag, *_ in objects] == FACE_TAGS
    assert [start for _, start, *_ in objects] == table
    assert table[0] == 26


def test_the_issuer_signed_three_digests(face_transmit: Transmit, tmp_path: Path) -> None:
    """DF28 is a DigestInfo of 96 bytes: OpenSSL takes the padding off, hashes are made here."""
    key = _signer(face_transmit, tmp_path)
    objects = {tag: (whole, value) for tag, _, whole, value in _objects(_file(face_transmit, 2), 26)}
    block = _recovered(tmp_path, key, objects["DF28"][1])
    groups = (("DF22", "DF23", "DF24"), ("DF25", "DF26"), ("DF27",))
    digests = b"".join(
        hashlib.sha256(b"".join(objects[tag][0] for tag in group)).digest() for group in groups
    )
    assert block[:19] == bytes.fromhex("3071300D060960864801650304020105000460")
    assert block[19:] == digests
    assert len(block) == 115


def test_age_record_and_number_image_are_signed(face_transmit: Transmit, tmp_path: Path) -> None:
    key = _signer(face_transmit, tmp_path)
    image = _file(face_transmit, 5)
    birth = bytes.fromhex(face_transmit("00B0820000"))  # the birth date stands in the face record too
    number = _objects(image, 5)
    assert [tag for tag, *_ in number] == ["DF41", "DF42", "DF43"]
    assert _verifies(tmp_path, key, number[2][3], number[0][2] + number[1][2])
    day = birth[birth.index(bytes.fromhex("DF2208")) + 3 :][:8]
    assert face_transmit("00B0810000") == "6982"
    era = _era_digits(day.decode())
    assert face_transmit("0020009106" + era.encode().hex()) == "9000"
    age = _file(face_transmit, 1)
    assert age[:5] == bytes.fromhex("FF1082021E")
    assert age[5:16] == bytes.fromhex("DF1108") + day
    parts = _objects(age, 5)
    assert _verifies(tmp_path, key, parts[2][3], parts[0][2] + parts[1][2])


def _era_digits(day: str) -> str:
    """YYMMDD with the year of the era, for people born between 1926 and 2019."""
    year = int(day[:4]) - (1988 if day >= "19890108" else 1925)
    return f"{year:02d}{day[4:]}"


def test_the_key_without_pin_is_the_signed_one(face_transmit: Transmit, tmp_path: Path) -> None:
    objects = {tag: value for tag, _, _, value in _objects(_file(face_transmit, 2), 26)}
    key = _public_pem(tmp_path, objects["DF24"])
    answer = bytes.fromhex(face_transmit("802A0000" + "04" + "CAFEBABE" + "00"))
    assert _recovered(tmp_path, key, answer[:-2]) == bytes.fromhex("CAFEBABE")


def test_images(face_transmit: Transmit) -> None:
    objects = {tag: value for tag, _, _, value in _objects(_file(face_transmit, 2), 26)}
    number = _objects(_file(face_transmit, 5), 5)[0][3]
    expected = {"DF25": ("PNG", "1"), "DF26": ("PNG", "1"), "DF27": ("JPEG2000", "L"), "DF2A": ("PNG", "1")}
    for tag, (kind, mode) in expected.items():
        with Image.open(io.BytesIO(objects[tag])) as image:
            image.load()
            assert (image.format, image.mode) == (kind, mode), tag
    with Image.open(io.BytesIO(objects["DF2A"])) as image:
        assert image.size == (24, 12)
    with Image.open(io.BytesIO(number)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "1", (72, 12))


def test_basic_info_and_filler(transmit: Transmit, my_number_memory: dict[str, bytes]) -> None:
    transmit(SELECT_VISUAL)
    info = _file(transmit, 3)
    parts = {tag: value for tag, _, _, value in _objects(info, 5)}
    assert info[:2] == bytes.fromhex("FF30")
    assert parts["DF31"] == bytes.fromhex("06030E01")
    assert len(parts["DF32"]) == 16 and len(parts["DF35"]) == 272
    assert parts["DF34"] == my_number_memory["app/a0000001510000/do/00f0"]
    assert transmit("00B0860000") == "FF" * 16 + "9000"
    assert transmit("0CB0860000") == "66F1"


def test_check_number_b_opens_the_face_and_not_the_number(
    transmit: Transmit, my_number_memory: dict[str, bytes]
) -> None:
    transmit(SELECT_VISUAL)
    assert transmit("00200092") == "63CA"
    assert transmit("00B0820010") == "6982"
    assert transmit("002000920E" + my_number_memory[PINS + "0012"].hex()) == "9000"
    assert transmit("00B0820010").startswith("FF2082")
    assert transmit("00B0850010") == "6982"


def test_a_long_address_moves_the_offsets() -> None:
    """DF23 of more than 127 bytes needs one length byte more, and all offsets after it follow."""
    card = memory("my-number-card-foreign-resident", seed=1)
    raw = card["app/d3921000310001010408/ef/0002"]
    assert raw[:3] == bytes.fromhex("FF2082")
    objects = _objects(raw, 5)
    assert [tag for tag, *_ in objects] == ["DF21", "DF22", "DF23", "DF24", "DF25"]
    table = objects[0][3]
    assert [int.from_bytes(table[at : at + 2], "big") for at in range(0, 8, 2)] == [
        start for _, start, *_ in objects[1:]
    ]
    assert objects[2][2][2] == 0x81
    assert objects[4][3] == b"9"
