"""Telling a My Number Card from others, and its serial."""

from __future__ import annotations

import pytest

from tegata.apdu import MalformedResponse
from tegata.apdu.card import Card
from tegata.apdu.errors import StatusError
from tegata.apdu.trace import Dump, ReplayLink
from tegata.applets.mynumber_common.host import card_serial, is_my_number_card
from tegata.applets.mynumber_common.model import CardSerial
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.link import SimulatedLink

RECORD = bytes.fromhex("011C") + b"000000000012345" + b"13221" + b"20350401"
PLACE = "app/d3921000310001010100/ef/0001"


def _card(content: dict[str, bytes]) -> Card:
    return Card(SimulatedLink(SimulatedCard(MemoryStore(content))))


def test_record_as_bytes() -> None:
    assert CardSerial.parse(RECORD) == CardSerial("000000000012345", "13221", "20350401")
    assert bytes(CardSerial("000000000012345", "13221", "20350401")) == RECORD
    for wrong in (b"", RECORD[:-1], RECORD + b"0", b"\x02" + RECORD[1:], RECORD[:-1] + b"x"):
        with pytest.raises(ValueError, match="record 1"):
            CardSerial.parse(wrong)


def test_a_my_number_card_says_so(my_number_memory: dict[str, bytes]) -> None:
    card = _card(my_number_memory)
    assert is_my_number_card(card)
    assert bytes(card_serial(card)) == my_number_memory[PLACE]


def test_another_card_does_not(my_number_memory: dict[str, bytes]) -> None:
    without = {key: value for key, value in my_number_memory.items() if "d3921000310001010100" not in key}
    assert not is_my_number_card(_card(without))


@pytest.mark.parametrize(("sw", "answer"), [("6283", True), ("6A82", False), ("6999", False), ("6F00", None)])
def test_in_doubt_a_card_is_not_taken_for_another(sw: str, answer: bool | None) -> None:
    """A company's keys go to a card after this question: a fault of the card is not a no."""
    card = Card(ReplayLink(Dump.parse(f"00A4040C0AD3921000310001010100\n{sw}")))
    if answer is not None:
        assert is_my_number_card(card) is answer
        return
    with pytest.raises(StatusError):
        is_my_number_card(card)


def test_a_record_that_makes_no_sense(my_number_memory: dict[str, bytes]) -> None:
    card = _card(my_number_memory | {PLACE: b"\x01\x1cnonsense"})
    assert is_my_number_card(card)
    with pytest.raises(MalformedResponse):
        card_serial(card)
