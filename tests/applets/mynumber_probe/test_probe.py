"""The probe: what it sends, what it keeps, and that it harms nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tegata.apdu import Command, ReaderError
from tegata.apdu.card import Card
from tegata.applets.jpki import model as jpki
from tegata.applets.juki import model as juki
from tegata.applets.mynumber_probe import plan, probe
from tegata.applets.mynumber_text import model as text
from tegata.applets.mynumber_visual import model as visual
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.policy import MY_NUMBER_CARD

from ..lying import LyingLink, Memory, put_in

STEPS = plan((*jpki.PINS, *text.PINS, *visual.PINS, *juki.PINS))
READS = {0xA4, 0xB0, 0xB2, 0xCA, 0x84, 0x20}


def test_it_sends_only_what_reads() -> None:
    for step in STEPS:
        command = step.command
        harmless = command.ins in READS or step.name.startswith("odd/unknown")
        assert harmless, str(step)
        assert command.ins != 0x20 or command.case == 1, str(step)
        assert command.ins in (0xA4, 0x20) or not command.data, str(step)
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert str(STEPS[2]).startswith("card/file-without-application: 00A4020C020006")


def test_it_sends_what_it_said(my_number_memory: Memory) -> None:
    card, link = put_in(my_number_memory)
    announced = {bytes(step.command) for step in STEPS}
    told: list[str] = []
    result = probe(card, STEPS, progress=lambda number, step: told.append(step.name))
    assert {bytes(command) for command in link.commands} <= announced
    assert told == list(result["steps"])
    assert (link.resets, link.held) == (2, 0)


def test_it_changes_nothing_on_the_card(my_number_memory: Memory) -> None:
    store = MemoryStore(dict(my_number_memory))
    probe(Card(LyingLink(SimulatedCard(store))), STEPS)
    assert store.content == my_number_memory


def test_nothing_of_the_holder_is_kept(my_number_memory: Memory) -> None:
    shown = json.dumps(list(probe(put_in(my_number_memory)[0], STEPS)["steps"].values()))
    allowed = ("card/", "registry")
    for name, content in my_number_memory.items():
        if name.startswith(allowed) or ("/ef/" not in name and "/pin/" not in name and "/do/" not in name):
            continue
        pieces = {content[at : at + 8] for at in range(max(1, len(content) - 8))}
        for piece in pieces - {b"\xff" * 8, b" " * 8, bytes(8)}:
            if len(piece) == 8 and piece.hex().upper() in shown:
                assert name.endswith(("d392f000260100000001/ef/0006", "0408/ef/0005", "0402/ef/0003")), name
            printable = piece.isascii() and piece.isalnum() and len(piece) == 8
            assert not printable or piece.decode() not in shown, name


def test_what_it_finds_makes_an_equal_card(my_number_memory: Memory) -> None:
    quirks = probe(put_in(my_number_memory)[0], STEPS)["quirks"]
    assert MY_NUMBER_CARD.with_quirks(quirks) == MY_NUMBER_CARD


@pytest.mark.parametrize(
    "change",
    [
        {"short_ids": False},
        {"extended_length": False},
        {"no_application_sw": 0x6986},
        {"missed_select_keeps_application": False},
        {"get_data_in_application_sw": 0x6D00},
        {"signature_certificate_free": True},
        {"bare_select_sw": 0x6A82},
    ],
)
def test_switches_are_seen(my_number_memory: Memory, change: dict[str, bool | int]) -> None:
    policy = replace(MY_NUMBER_CARD, **change)  # type: ignore[arg-type] # names and kinds are those of the policy
    memory = my_number_memory | {"card/policy": policy.to_bytes()}
    quirks = probe(put_in(memory)[0], STEPS)["quirks"]
    assert {name: quirks[name] for name in change} == change
    assert MY_NUMBER_CARD.with_quirks(quirks) == policy


def test_a_card_without_anything(my_number_memory: Memory) -> None:
    result = probe(
        put_in({key: my_number_memory[key] for key in my_number_memory if "d392" not in key})[0], STEPS
    )
    assert result["steps"]["JPKI/select"]["sw"] == "6A82"
    assert not [name for name in result["steps"] if name.startswith("JPKI/0")]
    json.dumps(result)


def test_a_reader_that_refuses_extended_commands(my_number_memory: Memory) -> None:
    class PlainReader(LyingLink):
        def transmit(self, command: bytes) -> bytes:
            if Command.parse(command).extended:
                raise ReaderError(reader="plain", what="too long")
            return super().transmit(command)

    link = PlainReader(SimulatedCard(MemoryStore(dict(my_number_memory))))
    result = probe(Card(link), STEPS)
    assert result["steps"]["JPKI/0002/read-extended"] == {"refused": "by the reader"}
    assert result["quirks"]["short_ids"] is True


@pytest.mark.parametrize("answer", [b"", b"\x90", b"\xff" * 70000 + b"\x90\x00"])
def test_answers_that_make_no_sense(my_number_memory: Memory, answer: bytes) -> None:
    card, _ = put_in(my_number_memory, lambda command, true: answer if command.ins == 0xB0 else true)
    json.dumps(probe(card, STEPS))
