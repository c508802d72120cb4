"""Personas and the presets made of them: what the card then answers, and which files are refused."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from asn1crypto import x509
from PIL import Image

from tegata.apdu import InputError
from tegata.applets.mynumber_text.model import Attributes, my_number_check_digit
from tegata.applets.mynumber_visual.model import CardFace
from tegata.simulators import personas
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.pki import Family, hierarchy
from tegata.simulators.pki.revocation import revocations
from tegata.simulators.presets import memory, names, persona_memory, read_quirks, with_quirks
from tegata.simulators.presets.persona import parse

JPKI, TEXT = "app/d392f000260100000001/", "app/d3921000310001010408/"
VISUAL, MANAGER = "app/d3921000310001010402/", "app/a0000001510000/"
SELECT_JPKI = "00A4040C0AD392F000260100000001"
CARDS = [name for name in names() if name.startswith("my-number-card")]
MINIMAL = """
name = "見本　花子"
address = "東京都清瀬市見本町１"
birth = 1990-04-01
sex = "female"
municipality = "13221"
"""
Send = Callable[[str], str]


def _card(content: dict[str, bytes]) -> Send:
    card = SimulatedCard(MemoryStore(content))
    card.power_up()
    return lambda command: card.transmit(bytes.fromhex(command)).hex().upper()


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], dict[str, bytes]]:
    def made(text: str) -> dict[str, bytes]:
        path = tmp_path / "persona.toml"
        path.write_text(text, encoding="utf-8")
        return persona_memory(path, seed=1)

    return made


@pytest.mark.parametrize("preset", CARDS)
def test_every_preset_is_whole_and_fits_itself(installation: Path, preset: str) -> None:
    content = memory(preset, seed=5)
    attributes = Attributes.parse(content[TEXT + "ef/0002"])
    face = CardFace.parse(content[VISUAL + "ef/0002"])
    assert face.birth == f"{attributes.birth:%Y%m%d}"
    assert face.sex == attributes.sex
    assert f"{face.expiry:%Y%m%d}".encode() == content[MANAGER + "do/00f2"]
    number = content[TEXT + "ef/0001"][3:15].decode()
    assert my_number_check_digit(number[:11]) != int(number[11])
    assert content[TEXT + "pin/0014"] == content[VISUAL + "pin/0013"] == number.encode()
    b = content[TEXT + "pin/0015"]
    assert b == content[VISUAL + "pin/0012"]
    assert b[2:6].decode() == f"{attributes.birth:%m%d}"
    assert b[6:10].decode() == f"{face.expiry:%Y}"
    assert b[:6] == content[VISUAL + "pin/0011"]
    assert content["card/atr-contact"].hex().upper() == "3BE000FF8131FE4514"
    assert len(names()[preset]) < 200


@pytest.mark.parametrize(
    ("preset", "availability", "authentication", "signature"),
    [
        ("my-number-card", "8F8F00", "63C3", "63C5"),
        ("my-number-card-child", "008F00", "63C3", "63C0"),
        ("my-number-card-locked", "8F8F00", "63C3", "63C0"),
        ("my-number-card-without-pin", "008F00", "63C0", "63C0"),
        ("my-number-card-moved", "8F8F00", "63C3", "63C5"),
    ],
)
def test_what_opensc_sees(
    installation: Path, preset: str, availability: str, authentication: str, signature: str
) -> None:
    """It asks both PINs for their tries at every start: SW1 63 each time, or the card is not recognised."""
    send = _card(memory(preset, seed=1))
    assert send(SELECT_JPKI) == "9000"
    assert send("00B0880003") == availability + "9000"
    for file, template, answer in (
        ("18", "0431323334", authentication),
        ("1B", "06414243313233", signature),
    ):
        assert send(f"00A4020C0200{file}") == "9000"
        assert send("00200080") == answer
        assert send("00200080" + template) == ("6984" if answer == "63C0" else "9000")
    assert send("00B0810004")[:4] == ("6982" if signature == "63C0" else "3082")
    if signature == "63C0":
        assert send("802A009A0411223344" + "00") == "6982"


def test_a_card_without_pins_is_opened_by_check_number_b(installation: Path) -> None:
    content = memory("my-number-card-without-pin", seed=1)
    send = _card(content)
    send("00A4040C0AD3921000310001010408")
    assert (send("00200091"), send("002000910431323334")) == ("63C0", "6984")
    assert send("002000950E" + content[TEXT + "pin/0015"].hex()) == "9000"
    assert send("00B0820002").startswith("FF20")


def test_a_child_has_one_key(installation: Path) -> None:
    content = memory("my-number-card-child", seed=1)
    assert JPKI + "ef/0001" not in content and JPKI + "ef/001a" not in content
    assert JPKI + "ef/0002" in content  # the root is there all the same
    assert x509.Certificate.load(content[JPKI + "ef/000a"])


def test_who_moved_has_another_address_in_the_revoked_certificate(installation: Path) -> None:
    content = memory("my-number-card-moved")
    address = Attributes.parse(content[TEXT + "ef/0002"]).address
    certificate = x509.Certificate.load(content[JPKI + "ef/0001"])
    values = [general.chosen["value"].native for general in certificate.subject_alt_name_value]
    assert values[3] != address
    signature, authentication = (
        {entry.serial for entry in revocations(hierarchy().authority(family))}
        for family in (Family.SIGNATURE, Family.AUTHENTICATION)
    )
    assert certificate.serial_number in signature
    assert x509.Certificate.load(content[JPKI + "ef/000a"]).serial_number not in authentication


def test_a_revoked_card_is_in_both_lists(installation: Path) -> None:
    content = memory("my-number-card-revoked")
    for file, family in (("000a", Family.AUTHENTICATION), ("0001", Family.SIGNATURE)):
        serial = x509.Certificate.load(content[JPKI + "ef/" + file]).serial_number
        assert serial in {entry.serial for entry in revocations(hierarchy().authority(family))}


def test_applications_of_others_answer_select_alone(installation: Path) -> None:
    send = _card(memory("my-number-card-with-licence", seed=1))
    assert send("00A4040C0EF04F50415155454C4943454E4345") == "9000"
    assert [send(command) for command in ("00B0000010", "00B2010C00", "80CA000000")] == [
        "6982",
        "6982",
        "6D00",
    ]
    assert send("00A4040C07A0000002310100") == "6A82"  # the AID of a real licence is nobody's here
    assert send(SELECT_JPKI) == "9000"


def test_the_example_makes_a_card(make: Callable[[str], dict[str, bytes]]) -> None:
    text = personas.text("example")
    content = make(text)
    assert Attributes.parse(content[TEXT + "ef/0002"]).name == "見本　花子"
    whole = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line else line
        for line in text.splitlines()
    )
    whole = whole.replace('photo = "face.png"', "").replace('kind = "card"', "").replace("set = true", "")
    content = make(whole)
    assert content[VISUAL + "pin/0012"] == b"02040120362285"
    assert content[TEXT + "tries/0015"] == b"\x0a"
    assert content[JPKI + "tries/001b"] == b"\x00"
    assert json.loads(content["card/policy"])["blocked_pin_sw"] == 0x6983


def test_a_photo_of_any_kind_becomes_a_cards_photo(
    tmp_path: Path, make: Callable[[str], dict[str, bytes]]
) -> None:
    Image.new("RGB", (50, 80), (200, 10, 10)).save(tmp_path / "face.png")
    content = make('photo = "face.png"\n' + MINIMAL)
    with Image.open(io.BytesIO(CardFace.parse(content[VISUAL + "ef/0002"]).photo)) as photo:
        photo.load()
        assert (photo.format, photo.mode, photo.size) == ("JPEG2000", "L", (240, 300))


@pytest.mark.parametrize(
    ("addition", "code", "said"),
    [
        ("age = 3\n", "persona.invalid", "either birth or age"),
        ("colour = 1\n", "persona.invalid", "colour"),
        ('name_substitutes = "01"\n', "persona.invalid", "5 characters"),
        ('my_number = "123456789018"\n', "persona.real_number", "check digit"),
        ('my_number = "12345"\n', "persona.invalid", "my_number"),
        ('photo = "nothing.png"\n', "persona.invalid", "photo"),
        ('[pins]\nauthentication = "12345"\n', "persona.invalid", "pins.authentication"),
        ('[pins]\nsignature = "abc123"\n', "persona.invalid", "pins.signature"),
        ('[pins]\nlocked = ["front"]\n', "persona.invalid", "pins.locked"),
        ("[certificates]\ngeneration = 4\n", "persona.invalid", "certificates.generation"),
        ("[card]\nissued = 2026-01-01\nissued_days_ago = 3\n", "persona.invalid", "issued"),
        ('[card]\natr_contact = "3BE000FF8131FE4515"\n', "persona.invalid", "card.atr_contact"),
        ("[quirks]\nnonsense = true\n", "persona.invalid", "there is no quirk nonsense"),
        ("[quirks]\nblocked_pin_sw = true\n", "persona.invalid", "is a number"),
        ("[quirks]\nshort_ids = 1\n", "persona.invalid", "true or false"),
        ("[quirks\n", "persona.syntax", "TOML"),
    ],
)
def test_what_is_refused_is_named(
    make: Callable[[str], dict[str, bytes]], addition: str, code: str, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        make(MINIMAL + addition)
    assert caught.value.code == code
    assert said in str(caught.value)
    assert "123456789018" not in str(caught.value)


def test_a_picture_that_is_none_and_a_file_that_is_not_there(
    tmp_path: Path, make: Callable[[str], dict[str, bytes]]
) -> None:
    (tmp_path / "face.png").write_bytes(b"no picture")
    with pytest.raises(InputError) as caught:
        make('photo = "face.png"\n' + MINIMAL)
    assert caught.value.code == "persona.invalid"
    with pytest.raises(InputError) as caught:
        persona_memory(tmp_path / "nowhere.toml")
    assert caught.value.code == "persona.missing"


def test_a_municipality_that_is_not_known_needs_its_names(make: Callable[[str], dict[str, bytes]]) -> None:
    other = MINIMAL.replace("13221", "47201")
    with pytest.raises(InputError, match="Roman letters"):
        make(other)
    content = make(other + 'prefecture = "Okinawa-ken"\ncity = "Naha-shi"\n')
    subject = x509.Certificate.load(content[JPKI + "ef/0001"]).subject.native
    assert subject["locality_name"] == ["Okinawa-ken", "Naha-shi"]


def test_quirks_from_json(tmp_path: Path, my_number_memory: dict[str, bytes]) -> None:
    file = tmp_path / "probe.json"
    file.write_text('{"atr": "3B", "quirks": {"verified_query_answers_9000": true, "blocked_pin_sw": 27011}}')
    send = _card(with_quirks(my_number_memory, read_quirks(file)))
    send(SELECT_JPKI)
    assert [send("002000980431323334"), send("00200098")] == ["9000", "9000"]
    for content, code in (
        ("[1]", "persona.invalid"),
        ("{", "persona.syntax"),
        ('{"x": 1}', "persona.invalid"),
    ):
        file.write_text(content)
        with pytest.raises(InputError) as caught:
            read_quirks(file)
        assert caught.value.code == code


def test_files_that_are_nested_too_deeply_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        parse("a=" + "[" * 100_000, tmp_path / "deep.toml")
    assert caught.value.code == "persona.syntax"
    switches = tmp_path / "deep.json"
    switches.write_text("[" * 100_000)
    with pytest.raises(InputError) as caught:
        read_quirks(switches)
    assert caught.value.code == "persona.syntax"


def _png(chunk: bytes, width: int = 1) -> bytes:
    header = struct.pack(">IIBBBBB", width, 20_000, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (chunk, zlib.compress(bytes(8))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


@pytest.mark.parametrize("kind", ["broken", "bomb", "pipe", "folder"])
def test_a_photo_that_is_none_is_named(kind: str, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    if kind == "pipe":
        os.mkfifo(photo)
    elif kind == "folder":
        photo.mkdir()
    else:
        photo.write_bytes(_png(b"\x00\x01ab") if kind == "broken" else _png(b"IDAT", 4_000))
    with pytest.raises(InputError) as caught:
        parse(MINIMAL + 'photo = "photo.png"', tmp_path / "persona.toml")
    assert caught.value.code == "persona.invalid"
    assert caught.value.details["where"] == "photo"


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("entry", ["birth", "card.issued", "card.expiry"])
def test_days_that_no_certificate_could_hold_are_named(entry: str, day: str, tmp_path: Path) -> None:
    text = MINIMAL.replace("1990-04-01", day) if entry == "birth" else f"{MINIMAL}{entry} = {day}"
    with pytest.raises(InputError) as caught:
        parse(text, tmp_path / "persona.toml")
    assert caught.value.code == "persona.invalid"
    assert caught.value.details["where"] == entry
