"""A card as readers find it: type by its ATR, states of ISO/IEC 14443-3, the ATR that a host makes."""

from __future__ import annotations

import pytest

from tegata.reader_bridge.frames.contactless_atr import atr_of_type_a, atr_of_type_b
from tegata.reader_bridge.frames.iso_dep_activation import Atqb, Ats
from tegata.simulators.devices.picc_activation import Modulation, TypeA, TypeB, face_of

MY_NUMBER = "3B888001000041E0B381A1003B"
COMPANY = "3B8580018073C821D3CD"

ATRS_OF_TYPE_B = [  # facts of the card: contactless ATRs seen of My Number Cards and of the card before it
    "3B888001000005E0B381A1007F",
    MY_NUMBER,
    "3B888001004B51FFB381D1000F",
    "3B888001004B51FF0081D100BC",
    "3B888001000014E0B38191005E",
]


def say(face: TypeA | TypeB, frame: str) -> str | None:
    data = face.receive(bytes.fromhex(frame)).data
    return None if data is None else data.hex().upper()


@pytest.mark.parametrize("atr", ATRS_OF_TYPE_B)
def test_the_atr_of_a_my_number_card_is_that_of_type_b_and_comes_back(atr: str) -> None:
    face = face_of(bytes.fromhex(atr), identifier=bytes.fromhex("01020304"))
    assert isinstance(face, TypeB)
    atqb = say(face, "050008")
    assert atqb is not None
    assert atqb.startswith("5001020304")
    answer = say(face, "1D0102030400080100")
    assert answer is not None
    assert atr_of_type_b(Atqb.parse(bytes.fromhex(atqb)), int(answer, 16) >> 4).hex().upper() == atr


@pytest.mark.parametrize(
    "atr",
    [
        COMPANY,
        "3B80800101",
        "3B8880018073C821D3112233C0",  # eight historical bytes that are no ATQB
        "3B8F8001804F0CA000000306030001000000006A",
    ],
)
def test_any_other_atr_is_that_of_type_a_and_comes_back(atr: str) -> None:
    face = face_of(bytes.fromhex(atr))
    assert isinstance(face, TypeA)
    assert atr_of_type_a(Ats.parse(bytes(face.ats))).hex().upper() == atr


def test_the_type_can_be_chosen_against_the_atr() -> None:
    as_a = face_of(bytes.fromhex(MY_NUMBER), Modulation.A)
    assert isinstance(as_a, TypeA)
    assert bytes(as_a.ats).hex().upper() == "0D7880A002000041E0B381A100"
    as_b = face_of(bytes.fromhex(COMPANY), Modulation.B, bytes(4))
    assert isinstance(as_b, TypeB)
    assert bytes(as_b.atqb).hex().upper() == "5000000000000000000081A1"


@pytest.mark.parametrize(("kind", "length"), [("a", 5), ("a", 0), ("b", 3), ("b", 7)])
def test_an_identifier_of_another_length_is_refused(kind: str, length: int) -> None:
    with pytest.raises(ValueError, match="bytes, got"):
        face_of(bytes.fromhex(MY_NUMBER), Modulation(kind), bytes(length))


# Type A: UIDs of one, two and three cascade levels; SENS_RES low byte first, check byte by hand.
LEVELS = {
    "01020304": ("0400", [("93", "0102030404", "20")]),
    "04112233445566": ("4400", [("93", "88041122BF", "04"), ("95", "3344556644", "20")]),
    "04112233445566778899": (
        "8400",
        [("93", "88041122BF", "04"), ("95", "88334455AA", "04"), ("97", "6677889900", "20")],
    ),
}


@pytest.mark.parametrize("uid", LEVELS)
def test_anticollision_of_type_a(uid: str) -> None:
    face = face_of(bytes.fromhex(COMPANY), identifier=bytes.fromhex(uid))
    sens_res, levels = LEVELS[uid]
    assert say(face, "26") == sens_res
    for level, part, sak in levels:
        assert say(face, level + "20") == part
        assert say(face, level + "70" + part) == sak
    assert say(face, "E080") == "0A7880A0028073C821D3"


def test_a_halted_card_of_type_a_hears_only_its_wake_up() -> None:
    face = face_of(bytes.fromhex(COMPANY), identifier=bytes.fromhex("01020304"))
    for frame in ("26", "9370" + "0102030404", "5000", "26", "E080"):
        say(face, frame)
    assert say(face, "26") is None
    assert say(face, "52") == "0400"
    assert say(face, "9320") == "0102030404"
    assert say(face, "9370FFFFFFFF00") is None  # another card is meant: back to where it came from
    assert say(face, "26") is None
    assert say(face, "52") == "0400"
    face.power_up(bytes)
    assert say(face, "26") == "0400"


def test_requests_of_type_b() -> None:
    face = TypeB(bytes.fromhex("000041E0"), bytes.fromhex("B381A1"), pupi=bytes.fromhex("01020304"), afi=0x11)
    atqb = "5001020304000041E0B381A1"
    assert say(face, "050000") == atqb
    assert say(face, "051100") == atqb  # its own application family
    assert say(face, "051000") == atqb  # all of its family
    assert say(face, "052000") is None  # another
    assert say(face, "1D0102030500080100") is None  # another card
    assert say(face, "1D0102030400180100") is None  # a speed that it does not have
    assert say(face, "1D010203040008010F") is None  # a reserved CID
    assert say(face, "5001020304") == "00"
    assert say(face, "050000") is None  # halted
    assert say(face, "050008") == atqb
    reply = face.receive(bytes.fromhex("1D0102030400050101"))
    assert reply.data == b"\x01"
    assert reply.activation is not None
    assert (reply.activation.fsd, reply.activation.fsc, reply.activation.cid) == (64, 256, 1)
    assert reply.activation.fwt == pytest.approx(0.3093, abs=1e-4)


def test_identifiers_are_random_where_none_is_given() -> None:
    face_a, face_b = face_of(bytes.fromhex(COMPANY)), face_of(bytes.fromhex(MY_NUMBER))
    entropy = iter([b"\xaa\xbb\xcc", b"\x11\x22\x33\x44", b"\x55\x66\x77\x88"])
    face_a.power_up(lambda count: next(entropy))
    say(face_a, "26")
    assert str(say(face_a, "9320")).startswith("08AABBCC")
    for pupi in ("11223344", "55667788"):
        face_b.power_up(lambda count: next(entropy))
        assert str(say(face_b, "050000"))[2:10] == pupi
