"""The card face: layout, access, photo, and whether it is genuine."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tegata.apdu import CardError, InputError, MalformedResponse, PinError, Secret, StatusError
from tegata.apdu.authenticity import Anchors, Verdict
from tegata.apdu.cvc import RsaPublicKey, key_id
from tegata.applets.mynumber_text.model import KeyRecord
from tegata.applets.mynumber_visual import model
from tegata.applets.mynumber_visual.host import VisualApplication
from tegata.applets.mynumber_visual.model import AgeRecord, BasicInfo, CardFace, Ef, NumberImage

from ..lying import (
    TEXT,
    VISUAL,
    Forger,
    Lie,
    LyingLink,
    Memory,
    new_key,
    pkcs8,
    put_in,
    raw_signature,
    simulated_anchors,
)

KEY = RsaPublicKey((1 << 2047) + 1)
KEY_VALUE = bytes.fromhex("9003010001 91820100") + b"\x80" + bytes(254) + b"\x01"
images = st.binary(max_size=400)


def check_numbers(memory: Memory) -> tuple[bytes, bytes]:
    return memory[f"{VISUAL}/pin/0013"], memory[f"{VISUAL}/pin/0012"]


def opened(memory: Memory, lie: Lie | None = None) -> tuple[VisualApplication, LyingLink]:
    """Opened by 照合番号 B, as at a counter."""
    card, link = put_in(memory, lie)
    application = VisualApplication(card)
    application.select()
    application.pins.verify(model.CHECK_NUMBER_B, Secret(check_numbers(memory)[1]))
    return application, link


def test_the_layout_byte_by_byte() -> None:
    face = CardFace(
        "19900401", "2", KEY, b"N" * 3, b"A" * 4, b"P" * 300, b"S" * 256, date(2035, 4, 1), b"C" * 5
    )
    parts = [
        bytes.fromhex("DF2208") + b"19900401",
        bytes.fromhex("DF230132"),
        bytes.fromhex("DF24820109") + KEY_VALUE,
        bytes.fromhex("DF2503") + b"NNN",
        bytes.fromhex("DF2604") + b"AAAA",
        bytes.fromhex("DF2782012C") + b"P" * 300,
        bytes.fromhex("DF28820100") + b"S" * 256,
        bytes.fromhex("DF2908") + b"20350401",
        bytes.fromhex("DF2A05") + b"CCCCC",
    ]
    at, offsets = 6 + 3 + 18, b""
    for part in parts:
        offsets += at.to_bytes(2, "big")
        at += len(part)
    inside = bytes.fromhex("DF2112") + offsets + b"".join(parts)
    raw = bytes.fromhex("FF2082") + len(inside).to_bytes(2, "big") + inside
    # the outer header has five bytes
    shifted = bytes(face)
    assert shifted[:5] == raw[:5]
    assert shifted[8:10] == (5 + 3 + 18).to_bytes(2, "big")
    assert shifted[26:] == b"".join(parts)
    assert CardFace.parse(shifted + b"\xff" * 9) == face


@settings(max_examples=30)
@given(name=images, address=images, photo=images, code=images)
def test_round_trip(name: bytes, address: bytes, photo: bytes, code: bytes) -> None:
    face = CardFace("19900401", "1", KEY, name, address, photo, bytes(256), date(2030, 1, 1), code)
    assert CardFace.parse(bytes(face)) == face
    assert model.face_digests(model.face_objects(bytes(face))) == face.digests


@given(st.binary(max_size=900))
def test_noise_is_a_value_error(raw: bytes) -> None:
    for kind in (CardFace, AgeRecord, BasicInfo, NumberImage):
        with pytest.raises(ValueError, match=r".+"):
            kind.parse(raw)


def test_the_other_records() -> None:
    age = AgeRecord(date(1990, 4, 1), KEY, b"S" * 256)
    by_hand = bytes.fromhex("FF1082021E DF1108") + b"19900401" + bytes.fromhex("DF12820109") + KEY_VALUE
    assert bytes(age) == by_hand + bytes.fromhex("DF13820100") + b"S" * 256
    assert AgeRecord.parse(bytes(age)) == age
    info = BasicInfo(key_id("5000023", "001"), "13221", bytes(272))
    assert bytes(info)[:12].hex() == "ff3082013bdf310406030e01"
    assert BasicInfo.parse(bytes(info)) == info


def test_a_genuine_face(my_number_memory: Memory) -> None:
    application, link = opened(my_number_memory)
    face = application.card_face()
    assert len(link.commands) == 4
    assert bytes(face) == my_number_memory[f"{VISUAL}/ef/0002"]
    found = [application.check_face(simulated_anchors()), application.check_key(simulated_anchors())]
    assert [(check.what, check.verdict, check.anchor) for check in found] == [
        ("face", Verdict.ANCHORED, "TEST root"),
        ("key", Verdict.ANCHORED, "TEST root"),
    ]
    assert len(link.commands) == 6
    assert application.check_face().verdict is Verdict.CONSISTENT


def test_the_photo_is_a_picture(my_number_memory: Memory) -> None:
    face = opened(my_number_memory)[0].card_face()
    with Image.open(io.BytesIO(face.photo)) as photo:
        assert (photo.format, photo.mode) == ("JPEG2000", "L")
        photo.load()
    for image in (face.name_image, face.address_image, face.security_code_image):
        with Image.open(io.BytesIO(image)) as shown:
            assert shown.format == "PNG"
            shown.load()


def test_who_may_read_what(my_number_memory: Memory) -> None:
    a, b = check_numbers(my_number_memory)
    application, _ = opened(my_number_memory)
    with pytest.raises(StatusError) as caught:
        application.number_image("tax")
    assert caught.value.code == "mynumber.locked_file"
    with pytest.raises(StatusError):
        application.age_record()
    application.pins.verify(model.BIRTH_PIN, Secret(model.birth_pin(b.decode()).encode()))
    assert f"{application.age_record().birth:%Y%m%d}" == application.card_face().birth
    assert application.check_age(simulated_anchors()).verdict is Verdict.ANCHORED
    application.pins.verify(model.CHECK_NUMBER_A, Secret(a))
    with pytest.raises(InputError):
        application.number_image(" ")
    with Image.open(io.BytesIO(application.number_image("tax").image)) as image:
        assert image.format == "PNG"
    assert application.check_number_image(simulated_anchors()).verdict is Verdict.ANCHORED


def test_what_anybody_may_read(my_number_memory: Memory) -> None:
    application = VisualApplication(put_in(my_number_memory)[0])
    application.select()
    assert len(application.basic_info().municipality) == 5
    assert application.certificate().subject != application.certificate().issuer
    with pytest.raises(StatusError):
        application.card_face()


def test_another_photo_is_not_genuine(my_number_memory: Memory) -> None:
    name = f"{VISUAL}/ef/0002"
    face = CardFace.parse(my_number_memory[name])
    for change in (
        {"photo": face.photo + b"\x00"},
        {"birth": "20000101"},
        {"name_image": b"x"},
        {"sex": "9"},
    ):
        values = {key: getattr(face, key) for key in CardFace.__slots__} | change
        application, _ = opened(my_number_memory | {name: bytes(CardFace(**values))})
        assert application.check_face(simulated_anchors()).verdict is Verdict.INVALID
        assert application.check_key(simulated_anchors()).verdict is Verdict.INVALID


def test_objects_that_changed_places_inside_a_digest(my_number_memory: Memory) -> None:
    """The digests cover complete objects, so that no byte can move from one to the next."""
    name = f"{VISUAL}/ef/0002"
    face = CardFace.parse(my_number_memory[name])
    values = {key: getattr(face, key) for key in CardFace.__slots__}
    values |= {"name_image": face.name_image[:-1], "address_image": face.name_image[-1:] + face.address_image}
    application, _ = opened(my_number_memory | {name: bytes(CardFace(**values))})
    assert application.check_face(simulated_anchors()).verdict is Verdict.INVALID


def test_a_fake_that_is_consistent_in_itself(my_number_memory: Memory) -> None:
    application, _ = opened(Forger().face(my_number_memory, photo=b"another face"))
    for anchors in (Anchors(), simulated_anchors()):
        assert application.check_face(anchors).verdict is Verdict.CONSISTENT
        assert application.check_key(anchors).verdict is Verdict.CONSISTENT


def test_a_signature_over_an_ordinary_hash(my_number_memory: Memory) -> None:
    """The issuer's form is a DigestInfo with 96 bytes; the same digests in another form are refused."""
    forger = Forger()
    memory = forger.face(my_number_memory)
    name = f"{VISUAL}/ef/0002"
    face = CardFace.parse(memory[name])
    values = {key: getattr(face, key) for key in CardFace.__slots__}
    for block in (face.digests, model.FACE_DIGEST_INFO + face.digests[:-1], face.digests[:32]):
        values["signature"] = raw_signature(forger.key, block)
        application, _ = opened(memory | {name: bytes(CardFace(**values))})
        assert application.check_face().verdict is Verdict.INVALID


def test_a_copy_of_all_files_has_no_key(my_number_memory: Memory) -> None:
    application, _ = opened(my_number_memory | {f"{VISUAL}/ef/001a": pkcs8(new_key())})
    assert application.check_face(simulated_anchors()).verdict is Verdict.ANCHORED
    assert application.check_key(simulated_anchors()).verdict is Verdict.UNKNOWN


SPOILS: list[Callable[[bytes], bytes]] = [
    lambda raw: raw[:-1],
    lambda raw: raw[:3],
    lambda raw: b"",
    lambda raw: raw[:2] + b"\x84\xff\xff\xff\xff" + raw[7:],
    lambda raw: raw[:8] + bytes(18) + raw[26:],
    lambda raw: b"\xff" * len(raw),
    lambda raw: raw[:9] + b"\x00" + raw[10:],
    lambda raw: raw[: len(raw) // 2] + bytes(len(raw) - len(raw) // 2),
]


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("file", [Ef.CARD_FACE, Ef.CERTIFICATE])
def test_files_that_lie_about_themselves(
    my_number_memory: Memory, file: Ef, spoil: Callable[[bytes], bytes]
) -> None:
    name = f"{VISUAL}/ef/{file:04x}"
    application, link = opened(my_number_memory | {name: spoil(my_number_memory[name])})
    try:
        verdict = application.check_face(simulated_anchors()).verdict
    except CardError:
        verdict = Verdict.INVALID
    assert verdict is Verdict.INVALID
    assert link.pins_sent == 1
    assert len(link.commands) < 300


def test_the_face_in_pieces_is_the_same(my_number_memory: Memory) -> None:
    card, link = put_in(my_number_memory, extended=False, sfi=False, reference_by_sfi=False)
    application = VisualApplication(card)
    application.select()
    application.pins.verify(model.CHECK_NUMBER_B, Secret(check_numbers(my_number_memory)[1]))
    raw = my_number_memory[f"{VISUAL}/ef/0002"]
    assert bytes(application.card_face()) == raw
    assert len(link.commands) == 5 + -(-len(raw) // 256)


def test_a_birth_date_that_never_blocks(my_number_memory: Memory) -> None:
    def lie(command: object, true: bytes) -> bytes:
        ask = getattr(command, "ins", 0) == 0x20
        return b"\x63\x00" if ask and true[-2] == 0x63 else true

    card, _ = put_in(my_number_memory, lie)
    application = VisualApplication(card)
    application.select()
    assert application.pins.tries(model.BIRTH_PIN) == 255
    with pytest.raises(PinError) as caught:
        application.pins.verify(model.BIRTH_PIN, Secret(b"999999"))
    assert caught.value.retries_left is None
    with pytest.raises(StatusError):
        application.pins.tries(model.CHECK_NUMBER_B)


def test_a_number_without_an_image_is_none(my_number_memory: dict[str, bytes]) -> None:
    """The issuer signs bare keys too (EF 0007 of the text application), and one key with an empty image
    before it is the same bytes: such a signature must not pass for one over an image."""
    record = KeyRecord.parse(my_number_memory[f"{TEXT}/ef/0007"])
    with pytest.raises(ValueError, match="no PNG"):
        NumberImage.parse(bytes(NumberImage(b"", record.key, record.signature)))
    memory = my_number_memory | {
        f"{VISUAL}/ef/0005": bytes(NumberImage(b"", record.key, record.signature)),
        f"{VISUAL}/ef/0004": my_number_memory[f"{TEXT}/ef/0004"],
    }
    card, _ = put_in(memory)
    application = VisualApplication(card)
    application.select()
    application.pins.verify(model.CHECK_NUMBER_A, Secret(check_numbers(memory)[0]))
    with pytest.raises(MalformedResponse):
        application.check_number_image(simulated_anchors())
