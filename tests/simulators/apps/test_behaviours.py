"""Names, files and contents of the My Number Card that the reference page lists, in literal bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tegata.apdu.atr import Atr
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.presets import memory, persona_memory
from tegata.simulators.presets.persona import parse

Transmit = Callable[[str], str]
MANAGER = "00A4040C07A0000001510000"
JPKI = "00A4040C0AD392F000260100000001"
TEXT = "00A4040C0AD3921000310001010408"
VISUAL = "00A4040C0AD3921000310001010402"
JUKI = "00A4040C0AD3921000310001010401"
COMMON = "00A4040C0AD3921000310001010100"
APPLICATIONS = [JPKI, TEXT, VISUAL, JUKI, COMMON]
AUTHENTICATION_PIN, PASSWORD = "002000980431323334", "0020009B06414243313233"
PERSONA = """
name = "試験　花子"
address = "東京都千代田区霞が関１丁目２番３号"
birth = 1990-04-01
sex = "female"
municipality = "13101"
my_number = "123456789010"
[card]
expiry = 2035-04-01
issued_days_ago = 1
serial = "123456789012345"
security_code = "2285"
atr_contact = "3BDA13FF8131FB468012392F31C173C601C03B"
atr_contactless = "3B888001004B51FFB381D1000F"
lower_certificate = false
applications = ["OTHER"]
"""


@pytest.fixture(scope="module")
def known_memory(installation: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A card whose every personal byte is given here."""
    path = tmp_path_factory.mktemp("persona") / "known.toml"
    path.write_text(PERSONA, encoding="utf-8")
    return persona_memory(path, seed=1)


@pytest.fixture
def known(known_memory: dict[str, bytes]) -> Transmit:
    return _card(known_memory)


def _card(content: dict[str, bytes]) -> Transmit:
    card = SimulatedCard(MemoryStore(content))
    card.power_up()
    return lambda command: card.transmit(bytes.fromhex(command)).hex().upper()


# applications and their selection


@pytest.mark.parametrize("select", [MANAGER, *APPLICATIONS])
def test_each_name_is_answered_without_data(transmit: Transmit, select: str) -> None:
    assert transmit(select) == "9000"
    assert transmit(select.replace("00A4040C", "00A40400") + "00") == "9000"


def test_the_card_manager_is_current_after_power_on_and_can_be_selected(transmit: Transmit) -> None:
    assert transmit("00CA00F000").endswith("9000")
    transmit(JPKI)
    assert transmit("00CA00F000") == "6A88"
    assert transmit(MANAGER) == "9000"
    assert transmit("00CA00F000").endswith("9000")


@pytest.mark.parametrize("select", APPLICATIONS)
def test_an_internal_file_in_every_application(transmit: Transmit, select: str) -> None:
    transmit(select)
    assert transmit("00A4020C02001E") == "9000"
    assert transmit("00B0000000") == "6981"
    assert transmit("00A4000C023F00") == "6A82"
    assert [transmit(f"00A4020C022F{end}") for end in ("10", "11")] == ["6A82", "6A82"]


@pytest.mark.parametrize(
    ("select", "file", "answer"),
    [
        (JPKI, "0005", "6981"),
        (JPKI, "0009", "6982"),
        (JPKI, "0010", "6981"),
        (JPKI, "0016", "6981"),
        (JPKI, "0019", "6981"),
        (JPKI, "001C", "6981"),
        (TEXT, "0010", "6981"),
        (TEXT, "001C", "6981"),
        (VISUAL, "001C", "6981"),
    ],
)
def test_files_of_unknown_content_are_there_and_closed(
    transmit: Transmit, select: str, file: str, answer: str
) -> None:
    transmit(select)
    assert transmit("00A4020C02" + file) == "9000"
    assert transmit("00B0000000") == answer
    transmit(AUTHENTICATION_PIN if select == JPKI else "002000910431323334")
    transmit("00A4020C02" + file)
    assert transmit("00B0000000") == answer


# contents


@pytest.mark.parametrize(
    ("select", "short_id", "start"),
    [
        (JPKI, "82", "3082"),
        (JPKI, "86", "4A504B494150494343544F4B454E3220"),
        (JPKI, "88", "8F8F00"),
        (JPKI, "8A", "3082"),
        (JPKI, "8B", "3082"),
        (TEXT, "84", "7F218202335F4E820129"),
        (TEXT, "85", "FF4082009FDF410401030E01DF4210"),
        (TEXT, "87", "FF50820213DF51820109"),
        (TEXT, "88", "FF" * 16 + "9000"),
        (VISUAL, "83", "FF30"),
        (VISUAL, "84", "7F218202335F4E820129"),
        (VISUAL, "86", "FF" * 16 + "9000"),
        (COMMON, "82", "36303030303230"),
        (JUKI, "82", "36303030303230"),
    ],
)
def test_files_that_anybody_reads(transmit: Transmit, select: str, short_id: str, start: str) -> None:
    transmit(select)
    answer = transmit(f"00B0{short_id}0000")
    assert answer.startswith(start)
    assert answer.endswith("9000")


@pytest.mark.parametrize(
    ("select", "short_ids"),
    [(JPKI, ["81"]), (TEXT, ["81", "82", "83", "86"]), (VISUAL, ["81", "82", "85"])],
)
def test_files_that_want_a_pin(transmit: Transmit, select: str, short_ids: list[str]) -> None:
    transmit(select)
    assert {transmit(f"00B0{short_id}0000") for short_id in short_ids} == {"6982"}


def test_token_information_byte_for_byte(transmit: Transmit) -> None:
    transmit(JPKI)
    assert transmit("00B0860000") == (
        "4A504B494150494343544F4B454E32" + "20" * 17
        + "30" * 31 + "31"
        + "4531365230314E4A" + "20" * 8
        + "30303030303030303230353030303033"
        + "0000040D"
        + "00000001000000000000000100000000"
        + "0000001000000006"
        + "FFFFFFFF" * 4
        + "30333031"
        + "39" * 16
        + "9000"
    )  # fmt: skip


def test_number_and_attributes_byte_for_byte(known: Transmit) -> None:
    known(TEXT)
    known("002000910431323334")
    assert known("00B0810000") == "FF100C" + "313233343536373839303130" + "FFFF" + "9000"
    assert known("00B0820000") == (
        "FF2062DF2108000E002000560061"
        "DF220FE8A9A6E9A893E38080E88AB1E5AD90"
        "DF2333E69DB1E4BAACE983BDE58D83E4BBA3E794B0E58CBAE99C9EE3818CE996A2"
        "EFBC91E4B881E79BAEEFBC92E795AAEFBC93E58FB7"
        "DF24083139393030343031DF250132"
        "9000"
    )


def test_check_numbers_are_composed_of_what_is_printed(known: Transmit) -> None:
    """A: the number itself. B: birth date with the year of the era (Heisei 2), year of expiry, code."""
    number, b = "0C" + b"123456789010".hex(), "0E" + b"02040120352285".hex()
    known(TEXT)
    assert (known("00200094" + number), known("00200095" + b)) == ("9000", "9000")
    known(VISUAL)
    assert (known("00200093" + number), known("00200092" + b)) == ("9000", "9000")
    assert known("0020009106" + b"020401".hex()) == "9000"
    assert known("00B0810000").startswith("FF1082021EDF1108" + b"19900401".hex())


def test_the_session_key_is_behind_any_of_three(known: Transmit) -> None:
    openings = ("002000910431323334", "002000940C" + b"123456789010".hex())
    for opening in (*openings, "002000950E" + b"02040120352285".hex()):
        known(COMMON)
        known(TEXT)
        assert known("00B0860000") == "6982"
        assert known(opening) == "9000"
        assert known("00B0860000").startswith("A182")
        assert known("00B0830000").startswith("FF3082014BDF3120")


def test_record_of_the_common_application_byte_for_byte(known: Transmit) -> None:
    known(COMMON)
    assert known("00B2010C00") == "011C" + b"123456789012345".hex() + b"13101".hex() + (
        b"20350401".hex() + "9000"
    )


def test_objects_at_card_level(known: Transmit) -> None:
    assert known("00CA004500").endswith("9000") and bytes.fromhex(known("00CA004500"))[:-2].isalnum()
    assert known("00CA00F000") == b"13101".hex() + "9000"
    assert known("00CA00F200") == b"20350401".hex() + "9000"
    assert len(known("00CA00F700")) == 2 * (16 + 2)
    assert known("00CA00F8000000").startswith("7F218202335F4E820129")
    assert known("00CA7F21000000") == "6A88"  # a card without the lower certificate
    assert known("00CA5F5100") == "DA13FF8131FB468012392F31C173C601C03B9000"
    assert known("00CA004400") == "6A88"


def test_other_applications_have_invented_names(known: Transmit) -> None:
    assert known("00A4040C0C" + "F0" + b"OPAQUEOTHER".hex()) == "9000"
    assert known("00B0810000") == "6982"


def test_basic_information_of_the_visual_application(known: Transmit) -> None:
    known(VISUAL)
    info = known("00B08300000000")
    key_id = "36303030303333" + "0805" + "303031" + "00000000"
    assert info.startswith("FF3082013B" + "DF310406030E01" + "DF3210" + key_id + "DF3301")
    assert info[2 * 35 : 2 * 64] == "DF3405" + b"13101".hex() + "DF35820110" + key_id


# answer to reset


@pytest.mark.parametrize(
    "atr",
    [
        "3BE000FF8131FE4514",
        "3BDA13FF8131FB468012392F31C173C601C03B",
        "3BC5FF8131FB458073C6010000",
        "3B888001000005E0B381A1007F",
        "3B888001000041E0B381A1003B",
        "3B888001004B51FFB381D1000F",
        "3B888001004B51FF0081D100BC",
        "3BF59100FF918171FE4000420001B3A115",
        "3BF59100FF918171FE400042000100D1D6",
        "3B888001000014E0B38191005E",
    ],
)
def test_every_published_atr_can_be_given_to_a_card(atr: str) -> None:
    text = PERSONA.replace("3B888001004B51FFB381D1000F", atr)
    assert parse(text, Path("persona.toml")).card.atr_contactless == atr
    assert bytes(Atr.parse(bytes.fromhex(atr))).hex().upper() == atr


def test_both_atrs_are_the_personas(known_memory: dict[str, bytes]) -> None:
    card = SimulatedCard(MemoryStore(known_memory), contactless=False)
    assert card.power_up().hex().upper() == "3BDA13FF8131FB468012392F31C173C601C03B"
    card = SimulatedCard(MemoryStore(known_memory), contactless=True)
    assert card.power_up().hex().upper() == "3B888001004B51FFB381D1000F"


def test_a_contactless_atr_is_made_of_seven_bytes_of_the_card() -> None:
    """PC/SC part 3: 3B 88 80 01, application data, protocol data, the nibble MBLI, check byte."""
    atr = bytes.fromhex("3B888001000041E0B381A1003B")
    check = 0
    for byte in atr[1:]:
        check ^= byte
    assert check == 0
    assert (atr[:4].hex(), atr[4:8].hex(), atr[8:11].hex(), atr[11] & 0x0F) == (
        "3b888001",
        "000041e0",
        "b381a1",
        0,
    )
    with pytest.raises(ValueError, match=r"."):
        Atr.parse(atr[:-1] + b"\x00")


# what a card without a certificate answers


@pytest.mark.parametrize("read", ["00B08A0000", "00B08100000000"])
def test_a_certificate_that_was_never_made(
    installation: Path, tmp_path: Path, read: str, known_memory: dict[str, bytes]
) -> None:
    """The file is there and empty, whoever may read it: 6B00, and no failure of the card."""
    own = "app/d392f000260100000001/ef/"
    content = {key: value for key, value in known_memory.items() if key not in (own + "000a", own + "0001")}
    send = _card(content)
    send(JPKI)
    send(PASSWORD)
    assert send(read) == "6B00"


def test_phones_name_themselves(installation: Path) -> None:
    for preset, label in (("jpki-android", b"JPKIAPGPSETOKEN"), ("jpki-iphone", b"JPKIAPIOSTOKEN")):
        send = _card(memory(preset, seed=1))
        send(JPKI)
        assert send("00B0860020") == label.ljust(32).hex().upper() + "9000"
