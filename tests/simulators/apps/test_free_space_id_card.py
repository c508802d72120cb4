"""The free-space ID application of the simulated card: what it answers; nothing writes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tegata.simulators.card import MemoryStore, SimulatedCard

Transmit = Callable[[str], str]
SELECT = "00A4040C0BF05445474154412D494401"


def test_identity_is_read_by_everybody(transmit: Transmit) -> None:
    assert transmit("00CA010100") == "6A88"  # not before it is selected
    assert transmit(SELECT) == "9000"
    answer = transmit("00CA010100")
    assert answer.startswith("E165800101810B5445474154412D44454D4F8210000102030405060708090A0B0C0D0E0F834104")
    assert answer.endswith("9000")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("00CA010200", "6A88"),
        ("00CA0101", "6700"),
        ("0088000021" + "00" * 33 + "00", "6700"),
        ("008800001F" + "00" * 31 + "00", "6700"),
        ("0088010020" + "00" * 32 + "00", "6A86"),
        ("80CA010100", "6E00"),
        ("00200080", "6D00"),
        ("00D6000001AA", "6D00"),
        ("00DA010101AA", "6D00"),
        ("00E2000001AA", "6D00"),
    ],
)
def test_everything_else_is_refused(transmit: Transmit, command: str, answer: str) -> None:
    transmit(SELECT)
    assert transmit(command) == answer


def test_reading_and_challenging_write_nothing(my_number_memory: dict[str, bytes]) -> None:
    store = MemoryStore(my_number_memory)
    card = SimulatedCard(store)
    card.power_up()
    for command in (SELECT, "00CA010100", "0088000020" + "11" * 32 + "00"):
        assert card.transmit(bytes.fromhex(command))[-2:] == b"\x90\x00"
    assert card.writes_done == 0
    assert store.content == my_number_memory
