"""One line about each command and answer; secrets are never in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import Command, Response, Tlv
from tegata.apdu.decode import describe_command, describe_objects, describe_response

SAID = {
    "00A4040C0AD392F000260100000001": "SELECT JPKI",
    "01A404000BA00000030800001000010000": "[channel 1] SELECT PIV",
    "00A4020C020018": "SELECT EF 0018",
    "00A40000": "SELECT master file",
    "00200080": "VERIFY reference 80, asks for the tries left",
    "002000800431323334": "VERIFY reference 80, data hidden",
    "00B0000A04": "READ BINARY from 10",
    "00B0850004": "READ BINARY SFI 05 from 0",
    "00CB3FFF055C035FC10200": "GET DATA 5FC102",
    "80CA9F7F00": "GET DATA 9F7F",
    "00DB3FFF085C035FC1025301AA": "PUT DATA 5FC102, 8 bytes",
    "84E40080124F07A0000000010101" + "00" * 9: "DELETE A0000000010101 and what belongs to it, secured",
    "80E60C00050102030405": "INSTALL [for install and make selectable]",
    "80E62000050102030405": "INSTALL [for personalization]",
    "80E8800302C482": "LOAD block 3, last, 2 bytes",
    "80E2880501AA": "STORE DATA block 5, last, 1 bytes",
    "80D8008101AA": "PUT KEY adds a key set, key 01, data hidden",
    "84F24002024F00": "GET STATUS applications, secured",
    "8050300008B13E5F938FC108C400": "INITIALIZE UPDATE key version 30",
    "84823300108C36F96BCC00724A4E13AD591D7DA3F0": "EXTERNAL AUTHENTICATE level 33",
    "0087039B04AABBCCDD": "GENERAL AUTHENTICATE algorithm 03, key 9B",
    "0070000001": "MANAGE CHANNEL open",
    "00708002": "MANAGE CHANNEL close 2",
    "00C0000010": "GET RESPONSE 16 bytes",
    "10DB3FFF01AA": "PUT DATA 1 bytes, more follows",
    "0013010203AABBCC": "INS 13 P1=01 P2=02, 3 bytes",
}


@pytest.mark.parametrize(("text", "said"), SAID.items(), ids=SAID.values())
def test_commands(text: str, said: str) -> None:
    assert describe_command(Command.parse(bytes.fromhex(text))) == said


@given(
    st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=30)
)
def test_every_command_has_a_line(cla: int, ins: int, p1: int, p2: int, data: bytes) -> None:
    said = describe_command(Command(cla, ins, p1, p2, data))
    assert said.isprintable()
    assert "\n" not in said


def test_answers() -> None:
    verify = Command(0x00, 0x20, 0x00, 0x80, b"1234")
    assert describe_response(verify, Response(sw=0x63C1)) == "63C1 wrong value, 1 tries left"
    read = Command(0x00, 0xB0, le=1)
    assert describe_response(read, Response(b"\x01")) == "9000 done, 1 byte"
    assert describe_response(read, Response(bytes(5))) == "9000 done, 5 bytes"


def test_the_answer_of_a_security_domain_is_taken_apart() -> None:
    assert describe_objects(bytes.fromhex("6F108408A000000151000000A5049F6501FF")) == [
        "6F file control information",
        "  84 DF name: A000000151000000  (ISD)",
        "  A5 proprietary information",
        "    9F65 longest command data: FF",
    ]


@pytest.mark.parametrize(
    "data", ["", "3082010A", "FF100C313233", "6F05", "6F108408", "00", "6F00" + "30820000"]
)
def test_what_is_no_template_is_left_alone(data: str) -> None:
    assert describe_objects(bytes.fromhex(data)) == []


def test_a_card_that_nests_without_end_does_not_exhaust_us() -> None:
    nested = b""
    for _ in range(2000):
        nested = bytes(Tlv(0x6F, nested)) if nested else bytes(Tlv(0x84, b"\x00"))
    assert len(describe_objects(nested)) < 20
