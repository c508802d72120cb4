"""Images checked before they go out: made by imgtool, spoiled here."""

from __future__ import annotations

import contextlib
import itertools
import json
import struct
import sys
from pathlib import Path

import pytest

from tegata.apdu.errors import InputError
from tegata.cli import main
from tegata.reader_bridge.firmware.image import Keys, parse_firmware, read_image

from .maker import HARDWARE, Maker

DATA = Path(__file__).resolve().parents[2] / "data" / "mcuboot"


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ed25519", "rsa-2048"])
def test_an_image_signed_by_the_maker_passes(kind: str) -> None:
    image = read_image(DATA / f"{kind}.bin")
    assert Keys.load([DATA / f"{kind}.pub.pem"]).check(image) == DATA / f"{kind}.pub.pem"
    assert (str(image.version), image.hardware_id, image.security_counter) == ("1.2.3.4", HARDWARE, 7)


def test_any_of_several_keys_counts() -> None:
    keys = Keys.load([DATA / "ed25519.pub.pem", DATA / "ecdsa-p256.pub.pem"])
    assert keys.check(read_image(DATA / "plain.bin")) == DATA / "ecdsa-p256.pub.pem"


def test_padding_and_trailer_of_a_programmers_file_are_not_uploaded() -> None:
    whole = (DATA / "confirmed.bin").read_bytes()
    image = parse_firmware(whole, "confirmed.bin")
    assert len(image.data) == image.parsed.size < len(whole)
    assert Keys.load([DATA / "ed25519.pub.pem"]).check(image)


@pytest.mark.parametrize("cut", [0, 10, 31, 32, 200, -1, -70])
def test_a_truncated_file_is_refused(cut: int) -> None:
    with pytest.raises(InputError) as refused:
        parse_firmware((DATA / "ed25519.bin").read_bytes()[:cut], "x.bin")
    assert refused.value.code == "firmware.image"
    assert "x.bin" in refused.value.sentence("en")


def test_every_flipped_byte_is_refused() -> None:
    whole = (DATA / "ed25519.bin").read_bytes()
    keys = Keys.load([DATA / "ed25519.pub.pem"])
    for place in range(len(whole)):
        spoiled = bytearray(whole)
        spoiled[place] ^= 0x01
        with pytest.raises(InputError) as refused:
            keys.check(parse_firmware(bytes(spoiled), "x.bin"))
        assert refused.value.code in ("firmware.image", "firmware.signature")


@pytest.mark.parametrize(
    ("file", "key", "reason"),
    [
        ("unsigned.bin", "ed25519", "it is not signed"),
        ("ecdsa-p256.bin", "ed25519", "another key signed it"),
    ],
)
def test_who_signed_is_named(file: str, key: str, reason: str) -> None:
    with pytest.raises(InputError) as refused:
        Keys.load([DATA / f"{key}.pub.pem"]).check(read_image(DATA / file))
    assert (refused.value.code, refused.value.details["what"]) == ("firmware.signature", reason)


def test_without_a_key_nothing_counts() -> None:
    with pytest.raises(InputError) as refused:
        Keys.load([]).check(read_image(DATA / "plain.bin"))
    assert refused.value.code == "firmware.no_key"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"-----BEGIN PUBLIC KEY-----\nAAAA\n"])
def test_a_file_without_a_key_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "k.pem").write_bytes(content)
    with pytest.raises(InputError) as refused:
        Keys.load([tmp_path / "k.pem"])
    assert refused.value.code == "firmware.key"


def test_verify_prints_what_it_found(maker: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    path = maker.image("1.4.0", counter=3)
    assert main(["firmware", "verify", str(path), "--key", str(maker.key), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["version"], shown["hardware_id"], shown["security_counter"]) == ("1.4.0", HARDWARE, 3)
    assert shown["signed_by"] == str(maker.key)
    assert main(["firmware", "verify", str(path), "--key", str(maker.key)]) == 0
    assert "1.4.0" in capsys.readouterr().out


def test_verify_takes_the_installations_keys(
    maker: Maker, stranger: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = maker.image("1.4.0")
    assert main(["firmware", "verify", str(path)]) == 105
    assert "no key" in capsys.readouterr().err
    folder = tmp_path / "home" / "firmware" / "keys"
    folder.mkdir(parents=True)
    (folder / "other.pem").write_bytes(stranger.key.read_bytes())
    assert main(["firmware", "verify", str(path)]) == 105
    assert "another key signed it" in capsys.readouterr().err
    (folder / "own.pem").write_bytes(maker.key.read_bytes())
    assert main(["firmware", "verify", str(path)]) == 0


def test_the_form_alone_can_be_checked(maker: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    path = maker.image("1.4.0", signed=False)
    assert main(["firmware", "verify", str(path), "--unsigned", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signed_by"] == ""


def test_without_imgtool_the_sentence_says_what_to_install(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, key = maker.image("1.4.0"), maker.key
    monkeypatch.setitem(sys.modules, "imgtool.image", None)
    assert main(["--lang", "ja", "firmware", "verify", str(path), "--key", str(key)]) == 36
    assert "uv tool install '.[firmware]'" in capsys.readouterr().err


def test_a_missing_file_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["firmware", "verify", "nothing.bin", "--unsigned"]) == 105
    assert "nothing.bin cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["ed25519", "rsa-2048", "ecdsa-p256"])
@pytest.mark.parametrize("added", [b"", b"\x25\0\1\0\1", b"\x22\0\0\0", b"\x22\0\1\0\0"])
def test_unprotected_tlvs_in_any_order_are_judged_and_never_a_traceback(kind: str, added: bytes) -> None:
    """Nothing guards the order of the unprotected TLVs: whoever carries a good image may change it."""
    image = read_image(DATA / f"{kind}.bin").parsed
    tlvs = [
        struct.pack("<HH", tlv.type, len(tlv.value)) + tlv.value for tlv in image.tlvs if not tlv.protected
    ]
    keys = Keys.load([DATA / "ecdsa-p256.pub.pem", DATA / f"{kind}.pub.pem"])
    for order in itertools.permutations(filter(None, [*tlvs, added])):
        area = b"".join(order)
        data = image.digest_input + struct.pack("<HH", 0x6907, 4 + len(area)) + area
        with contextlib.suppress(InputError):
            assert keys.check(parse_firmware(data, "x.bin")) == DATA / f"{kind}.pub.pem"
