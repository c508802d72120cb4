"""MCUboot images, against files that imgtool made (tests/data/mcuboot): fields, signatures, every cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.reader_bridge.frames import mcuboot
from tegata.reader_bridge.frames.mcuboot import ImageFault, Tlv, TlvType, Version, parse_image
from tegata.reader_bridge.frames.mcuboot_signature import (
    PublicKey,
    SignatureCheck,
    check_signature,
    key_hash,
    load_public_key,
)
from tegata.reader_bridge.frames.mcuboot_trailer import (
    Flag,
    Magic,
    SwapState,
    SwapType,
    TrailerLayout,
    swap_type,
)

DATA = Path(__file__).parents[2] / "data" / "mcuboot"
KEYS = ["ecdsa-p256", "ed25519", "rsa-2048"]
DIGEST = "3c1d55e09cee120a167cf6f25c7af42c81d64921f32ead942a845f345f07a40f"  # imgtool verify prints it


def read(name: str) -> bytes:
    return (DATA / name).read_bytes()


@pytest.mark.parametrize("key", KEYS)
def test_what_imgtool_wrote_is_read(key: str) -> None:
    image = parse_image(read(f"{key}.bin"))
    assert image.version == Version(1, 2, 3, 4)
    assert str(image.version) == "1.2.3.4"
    assert image.digest.hex() == DIGEST
    assert image.digest_is_right
    assert image.payload == read("payload.bin")
    assert image.security_counter == 7
    assert image.hardware_id == "gate-reader-1"
    assert image.dependencies == (mcuboot.Dependency(1, Version(2, 3, 4, 5)),)
    assert image.size == len(read(f"{key}.bin"))
    assert image.tlvs[0] == Tlv(TlvType.SECURITY_COUNTER, bytes.fromhex("07000000"), 0x88, protected=True)


@pytest.mark.parametrize("key", KEYS)
def test_what_imgtool_signed_verifies(key: str) -> None:
    image = parse_image(read(f"{key}.bin"))
    own = load_public_key(read(f"{key}.pub.pem"))
    others = [load_public_key(read(f"{other}.pub.pem")) for other in KEYS if other != key]
    assert key_hash(own) == image.key_hash
    assert check_signature(image, [*others, own]) is SignatureCheck.GOOD
    assert check_signature(image, others) is SignatureCheck.WRONG_KEY
    assert check_signature(image, []) is SignatureCheck.WRONG_KEY


def verdict(raw: bytes, key: PublicKey) -> SignatureCheck | None:
    """None when it is no image at all; where that was seen lies inside."""
    try:
        return check_signature(parse_image(raw), [key])
    except ImageFault as fault:
        if not 0 <= fault.offset <= len(raw):
            raise
        return None


OWN = load_public_key(read("ecdsa-p256.pub.pem"))


@pytest.mark.parametrize("key", KEYS)
def test_any_changed_byte_is_seen(key: str) -> None:
    raw, own = read(f"{key}.bin"), load_public_key(read(f"{key}.pub.pem"))
    for place in range(len(raw)):
        spoiled = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        assert verdict(spoiled, own) is not SignatureCheck.GOOD, place


@pytest.mark.parametrize("name", [f"{key}.bin" for key in KEYS] + ["plain.bin"])
def test_every_truncation_says_where_the_file_ends(name: str) -> None:
    raw = read(name)
    for length in range(len(raw)):
        with pytest.raises(ImageFault, match="the file ends inside the") as caught:
            parse_image(raw[:length])
        assert caught.value.offset == length


def test_a_padded_signature_and_a_long_header() -> None:
    image = parse_image(read("pad-sig.bin"))
    assert image.header_size == 0x200
    assert str(image.version) == "0.0.0"
    assert check_signature(image, [load_public_key(read("ecdsa-p256.pub.pem"))]) is SignatureCheck.GOOD


def test_an_image_that_says_little() -> None:
    image = parse_image(read("plain.bin"))
    assert (image.security_counter, image.hardware_id, image.dependencies) == (None, "", ())
    unsigned = parse_image(read("unsigned.bin"))
    assert check_signature(unsigned, []) is SignatureCheck.NOT_SIGNED


def test_what_follows_an_image_is_not_its_own() -> None:
    raw = read("ed25519.bin")
    assert parse_image(raw + b"\xff" * 100).size == len(raw)


AREA = 0x84  # of the protected TLVs in ecdsa-p256.bin


@pytest.mark.parametrize(
    ("place", "value", "offset", "what"),
    [
        (0, "3cb8f396", 0, "magic"),
        (8, "1f00", 8, "header is too short"),
        (12, "ffffffff", 329, "ends inside the payload"),
        (10, "2c00", AREA + 2, "wrong length"),
        (10, "0000", AREA, "begins with 6908"),
        (AREA, "0769", AREA, "begins with 6907"),
        (AREA + 6, "0300", AREA + 11, "TLV is longer"),
        (AREA + 6, "2800", AREA + 4, "TLV is longer"),
        (AREA + 4, "5100", None, ""),
        (AREA + 4, "1000", AREA + 6, "TLV 10 has a wrong length"),
        (AREA + 28, "5000", AREA + 30, "TLV 50 has a wrong length"),
        (AREA + 32, "ff", AREA + 32, "TLV A0 is not a hardware id"),
        (AREA + 45 + 4 + 36, "1000", AREA + 85, "TLV 10 stands twice"),
        (AREA + 45 + 4 + 72, "a000", AREA + 121, "TLV A0 stands twice"),
    ],
)
def test_a_fault_names_what_and_where(place: int, value: str, offset: int | None, what: str) -> None:
    raw = bytearray(read("ecdsa-p256.bin"))
    new = bytes.fromhex(value)
    raw[place : place + len(new)] = new
    if offset is None:
        assert parse_image(bytes(raw)).security_counter is None
        return
    with pytest.raises(ImageFault, match=what) as caught:
        parse_image(bytes(raw))
    assert caught.value.offset == offset
    assert caught.value.ja != caught.value.en


def test_a_guard_that_nobody_signed_is_refused() -> None:
    raw = bytearray(read("plain.bin"))
    raw[raw.index(bytes.fromhex("01002000"))] = 0xA0  # the key hash becomes a hardware id
    with pytest.raises(ImageFault, match="TLV A0 is not protected"):
        parse_image(bytes(raw))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_image_or_a_fault(tail: bytes) -> None:
    raw = read("ecdsa-p256.bin")
    for cut in (0, 4, 32, AREA, AREA + 45, 200):
        assert verdict(raw[:cut] + tail, OWN) is not SignatureCheck.GOOD or tail.startswith(raw[cut:])


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.2.3", Version(1, 2, 3)),
        ("1.2.3+4", Version(1, 2, 3, 4)),
        ("1.2.3.4", Version(1, 2, 3, 4)),
        ("7", Version(7)),
    ],
)
def test_versions(text: str, version: Version) -> None:
    assert Version.parse(text) == version
    assert Version.parse(str(version)) == version


@pytest.mark.parametrize("text", ["", "1.2.3-4", "256", "1.2.65536", "1.2.3+4294967296", "1" * 5000, "１.2"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="version"):
        Version.parse(text)


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PUBLIC KEY-----\n", b"\xff"])
def test_what_is_no_key(pem: bytes) -> None:
    with pytest.raises(ValueError):
        load_public_key(pem)


def test_the_trailer_that_imgtool_wrote() -> None:
    layout = TrailerLayout(slot_size=0x400, write_size=8, max_sectors=8)
    slot = read("confirmed.bin")
    assert layout.read(slot) == SwapState(magic=Magic.GOOD, image_ok=Flag.SET)
    assert (layout.magic, layout.image_ok, layout.copy_done) == (0x3F0, 0x3E8, 0x3E0)
    assert (layout.swap_info, layout.swap_size, layout.status) == (0x3D8, 0x3D0, 0x310)
    assert swap_type(SwapState(), layout.read(slot)) is SwapType.PERMANENT
    with pytest.raises(ValueError, match="1024"):
        layout.read(slot[1:])


@pytest.mark.parametrize(
    ("primary", "secondary", "expected"),
    [
        (SwapState(), SwapState(), SwapType.NONE),
        (SwapState(), SwapState(magic=Magic.GOOD), SwapType.TEST),
        (SwapState(), SwapState(magic=Magic.GOOD, image_ok=Flag.SET), SwapType.PERMANENT),
        (SwapState(), SwapState(magic=Magic.GOOD, image_ok=Flag.BAD), SwapType.NONE),
        (SwapState(magic=Magic.GOOD, copy_done=Flag.SET), SwapState(), SwapType.REVERT),
        (SwapState(magic=Magic.GOOD, copy_done=Flag.SET), SwapState(magic=Magic.BAD), SwapType.REVERT),
        (SwapState(magic=Magic.GOOD, copy_done=Flag.SET), SwapState(magic=Magic.GOOD), SwapType.TEST),
        (SwapState(magic=Magic.GOOD, copy_done=Flag.SET, image_ok=Flag.SET), SwapState(), SwapType.NONE),
        (SwapState(magic=Magic.GOOD, copy_done=Flag.BAD), SwapState(), SwapType.NONE),
        (SwapState(magic=Magic.BAD, copy_done=Flag.SET), SwapState(), SwapType.NONE),
    ],
)
def test_the_table_of_swap_types(primary: SwapState, secondary: SwapState, expected: SwapType) -> None:
    assert swap_type(primary, secondary) is expected
