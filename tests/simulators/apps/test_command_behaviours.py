"""PINs, commands and status words of the My Number Card that the reference page lists, in literal bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

Transmit = Callable[[str], str]
MANAGER = "00A4040C07A0000001510000"
JPKI = "00A4040C0AD392F000260100000001"
TEXT = "00A4040C0AD3921000310001010408"
VISUAL = "00A4040C0AD3921000310001010402"
JUKI = "00A4040C0AD3921000310001010401"
COMMON = "00A4040C0AD3921000310001010100"
APPLICATIONS = [JPKI, TEXT, VISUAL, JUKI, COMMON]
AUTHENTICATION_PIN, PASSWORD = "002000980431323334", "0020009B06414243313233"


# PINs and commands


@pytest.mark.parametrize(
    ("select", "query", "answer"),
    [
        (JPKI, "00200098", "63C3"),
        (JPKI, "0020009B", "63C5"),
        (TEXT, "00200091", "63C3"),
        (TEXT, "00200092", "63C0"),
        (TEXT, "00200094", "63CA"),
        (TEXT, "00200095", "63CA"),
        (VISUAL, "00200091", "63CA"),
        (VISUAL, "00200092", "63CA"),
        (VISUAL, "00200093", "63CA"),
        (JUKI, "0020009C", "63C3"),
        (COMMON, "0020009C", "63C3"),
    ],
)
def test_tries_of_every_pin_and_asking_spends_none(
    transmit: Transmit, select: str, query: str, answer: str
) -> None:
    transmit(select)
    assert [transmit(query) for _ in range(12)] == [answer] * 12


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("0020009B05" + "41" * 5, "6700"),
        ("0020009B06" + "41" * 6, "63C4"),
        ("0020009B10" + "41" * 16, "63C4"),
        ("0020009B11" + "41" * 17, "6700"),
        ("0020009806313233340000", "6700"),  # no padding
        ("0020009808" + "31323334FFFFFFFF", "6700"),
        (AUTHENTICATION_PIN, "9000"),
    ],
)
def test_lengths_of_pins(transmit: Transmit, command: str, answer: str) -> None:
    transmit(JPKI)
    assert transmit(command) == answer


def test_each_pin_has_its_own_counter(transmit: Transmit) -> None:
    transmit(JPKI)
    assert transmit("002000980430303030") == "63C2"
    transmit(TEXT)
    assert transmit("00200091") == "63C3"
    assert transmit("002000910430303030") == "63C2"
    transmit(JUKI)
    assert transmit("0020009C") == "63C3"
    transmit(JPKI)
    assert (transmit("00200098"), transmit("0020009B")) == ("63C2", "63C5")


def test_several_signatures_after_one_verify(transmit: Transmit) -> None:
    transmit(JPKI)
    transmit(AUTHENTICATION_PIN)
    transmit(PASSWORD)
    for key in ("97", "9A"):
        answers = [transmit(f"802A00{key}0411223344" + "00") for _ in range(3)]
        assert len(set(answers)) == 1
        assert len(answers[0]) == 2 * 258


@pytest.mark.parametrize("bits", [160, 384, 512])
def test_the_card_takes_a_digest_info_of_any_hash(transmit: Transmit, bits: int) -> None:
    prefixes = {
        160: "3021300906052B0E03021A05000414",
        384: "3041300D060960864801650304020205000430",
        512: "3051300D060960864801650304020305000440",
    }
    data = prefixes[bits] + "5A" * (bits // 8)
    transmit(JPKI)
    transmit(AUTHENTICATION_PIN)
    answer = transmit(f"802A0097{len(data) // 2:02X}{data}00")
    assert len(answer) == 2 * 258
    assert answer.endswith("9000")


def test_the_text_pin_changes_after_verify_alone(transmit: Transmit) -> None:
    transmit(TEXT)
    assert transmit("002401910435363738") == "6982"
    transmit("002000910431323334")
    assert transmit("002401910435363738") == "9000"
    assert transmit("002000910435363738") == "9000"
    transmit("00A4020C020014")
    assert transmit("002401800435363738") == "6985"  # a check number is printed and stays


def test_the_pin_of_the_common_application_changes_by_its_own_command(transmit: Transmit) -> None:
    transmit(COMMON)
    assert transmit("8032009C0435363738") == "6982"
    transmit("0020009C0431323334")
    assert transmit("0024019C0435363738") == "6D00"
    assert transmit("8032009C0435363738") == "9000"
    assert transmit("0020009C0435363738") == "9000"


@pytest.mark.parametrize("select", APPLICATIONS)
@pytest.mark.parametrize("command", ["002C0098", "002C00980431323334", "002241B603840117", "80E2000000"])
def test_commands_that_holders_do_not_have(transmit: Transmit, select: str, command: str) -> None:
    """No unblocking, no choosing of a key beforehand, no writing."""
    transmit(select)
    assert transmit(command) in ("6D00", "6E00")


@pytest.mark.parametrize(
    ("select", "answer"),
    [("", "6882"), (JPKI, "6982"), (TEXT, "69FC"), (VISUAL, "66F1"), (JUKI, "6982"), (COMMON, "66F1")],
)
def test_a_class_with_secure_messaging(transmit: Transmit, select: str, answer: str) -> None:
    if select:
        transmit(select)
    assert transmit("08B0810003960101") == answer
    assert transmit("0CB0810003960101") == answer


def test_no_session_of_secure_messaging_begins(transmit: Transmit) -> None:
    """With the PIN, and with as many bytes as the opening has: the instruction is not known."""
    transmit(TEXT)
    transmit("002000910431323334")
    assert transmit("80AE0000" + "000100" + "5A" * 256 + "0000") == "6D00"
    assert transmit("08B0810003960100") == "69FC"


@pytest.mark.parametrize("way", [TEXT, MANAGER])
def test_another_selection_ends_the_verified_state(transmit: Transmit, way: str) -> None:
    transmit(JPKI)
    transmit(AUTHENTICATION_PIN)
    assert transmit("802A00970411223344" + "00").endswith("9000")
    transmit(way)
    transmit(JPKI)
    assert transmit("802A00970411223344" + "00") == "6982"


# status words


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        ([JPKI], "9000"),
        ([JPKI, "002000980430303030"], "63C2"),
        ([TEXT, "00200092"], "63C0"),
        ([COMMON, "08B2010C00"], "66F1"),
        (["00CA00F8" + "00"], "6700"),
        (["0070000001"], "6881"),
        (["08CA004200"], "6882"),
        ([JPKI, "00B0970000"], "6981"),
        ([JPKI, "00B0810000"], "6982"),
        ([TEXT, "002000920431323334"], "6984"),
        (["00840000000008"], "6985"),
        ([JPKI, "00B0000000"], "6986"),
        ([TEXT, "08B0810000"], "69FC"),
        ([JPKI, "80A200C1" + "000238" + "00" * 568], "6A80"),
        ([JPKI, "00A4020C020007"], "6A82"),
        ([COMMON, "00B2020C00"], "6A83"),
        ([JPKI, "00A4090C020001"], "6A86"),
        (["00CA004400"], "6A88"),
        ([JPKI, "00B0860000", "00B000A000"], "6B00"),
        ([JPKI, "00EE0000"], "6D00"),
        ([JPKI, "A0B0000000"], "6E00"),
    ],
)
def test_status_words(transmit: Transmit, commands: list[str], answer: str) -> None:
    for command in commands[:-1]:
        transmit(command)
    assert transmit(commands[-1]) == answer


# details


def test_offsets_have_fifteen_bits(transmit: Transmit) -> None:
    transmit(JPKI)
    whole = transmit("00B08A00000000")[:-4]
    transmit("00A4020C02000A")
    assert transmit("00B0010000")[:-4] == whole[512:1024]
    assert transmit("00B0050110")[:-4] == whole[2 * 0x501 : 2 * 0x511]
    assert transmit("00B07FFF00") == "6B00"


@pytest.mark.parametrize(
    ("select", "answer"), [(JPKI, "6A86"), (TEXT, "9000"), (VISUAL, "9000"), (JUKI, "6D00"), (COMMON, "6D00")]
)
def test_keys_that_need_no_naming(transmit: Transmit, select: str, answer: str) -> None:
    transmit(select)
    assert transmit("802A00000411223344" + "00").endswith(answer)


@pytest.mark.parametrize("reference", ["0000", "00AE", "8000", "00B6"])
def test_references_that_no_terminal_uses(transmit: Transmit, reference: str) -> None:
    transmit(JPKI)
    assert transmit("80A2" + reference) == "6A86"


def test_lengths_of_challenges(transmit: Transmit) -> None:
    transmit(COMMON)
    assert transmit("00880099") == "6700"
    assert transmit("0088009901AA00").endswith("9000")
    assert len(transmit("00880099FF" + "AA" * 255 + "00")) == 2 * (256 + 2)
    assert transmit("00880099000100" + "AA" * 256 + "0000") == "6700"


def test_the_public_half_of_the_common_key_is_nowhere(my_number_memory: dict[str, bytes]) -> None:
    place = "app/d3921000310001010100/ef/0019"
    key = load_der_private_key(my_number_memory[place], None)
    assert isinstance(key, rsa.RSAPrivateKey)
    modulus = key.public_key().public_numbers().n.to_bytes(256, "big")
    assert [name for name, value in my_number_memory.items() if modulus in value] == [place]


def test_a_password_of_letters_alone_is_the_hosts_business(transmit: Transmit) -> None:
    transmit(JPKI)
    transmit(PASSWORD)
    assert transmit("0024019B06" + b"ABCDEF".hex()) == "9000"
    assert transmit("0020009B06" + b"ABCDEF".hex()) == "9000"
