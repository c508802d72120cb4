"""Whatever bytes a host sends, a simulated card answers with a status word of its own: never 6F00, never an
exception.

The bytes are real commands (those of the applets' own conversations), mutated. A slice runs always,
``campaign`` for minutes (``TEGATA_CAMPAIGN_SEEDS``).
"""

from __future__ import annotations

import os
import random

import pytest

from tegata.apdu.card import Card
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.presets import memory

from ..applets.desk import Desk, key_ring
from ..applets.test_lying_cards import CONVERSATIONS, Stage

SEEDS = 25
COMMANDS = 120
FAULT = b"\x6f\x00"
CLASSES = bytes.fromhex("00 01 04 08 0C 10 14 40 60 80 81 84 8C 90 94 C0 FF")
PARAMETERS = bytes.fromhex("00 01 02 04 08 0C 0E 10 20 80 81 82 97 9A 9B FF")
FURTHER = (
    "802A048020" + "11" * 32 + "00",
    "802A058005112233445500",
    "802A000005010203040500",
    "0088009908112233445566778800",
    "00B2010C00",
    "0070000001",
    "00708001",
    "00C0000000",
    "0084000010",
    "002401800434333231",
    "80A200C1",
    "00A40400",
    "00CB3FFF035C017E00",
    "0047009A05AC03800114",
    "0087119D047C02850000",
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, my_number_memory: dict[str, bytes]) -> Stage:
    desk = Desk(key_ring(tmp_path_factory.mktemp("ring")))
    desk.issue_piv()
    desk.issue_badge()
    assert isinstance(desk.store, MemoryStore)
    return Stage(my_number_memory, dict(desk.store.content), desk)


@pytest.fixture(scope="module")
def corpus(stage: Stage) -> list[bytes]:
    """The commands of all conversations, and some that no applet of ours sends."""
    sent: list[bytes] = []
    for name, talk in CONVERSATIONS.items():
        link = stage.link(name, random.Random(0), None)  # noqa: S311 - never used
        talk(Card(link), stage.desk)
        sent += link.sent
    return list(dict.fromkeys([*sent, *map(bytes.fromhex, FURTHER)]))


def mutated(rng: random.Random, command: bytes) -> bytes:
    raw = bytearray(command)
    data = raw[5 : 5 + raw[4]] if len(raw) > 5 else bytearray()
    match rng.randrange(9):
        case 0:
            raw[0] = rng.choice((*CLASSES, rng.randrange(256)))
        case 1:
            raw[1] = rng.randrange(256)
        case 2 | 3 as place:
            raw[place] = rng.choice((*PARAMETERS, rng.randrange(256)))
        case 4 if data:
            raw[5 + rng.randrange(len(data))] = rng.choice((0x00, 0x01, 0x7F, 0x80, 0x84, 0xFF, 0x1F))
        case 5:
            kinds = (
                data[: rng.randrange(len(data) + 1)],
                data * 2,
                rng.randbytes(rng.choice((1, 8, 16, 32))),
            )
            data = bytearray(rng.choice(kinds)[:255])
            raw = raw[:4] + (bytes((len(data),)) + data if data else b"") + rng.choice((b"", b"\0", b"\x10"))
        case 6:
            raw = raw[: rng.randrange(len(raw) + 1)]
        case 7:
            length = b"\0" + len(data).to_bytes(2, "big") if data else b""
            raw = raw[:4] + length + data + rng.choice((b"", b"\0\0"))
        case 8 if len(raw) > 4:
            raw[4] = rng.randrange(256)
    return bytes(raw)


def batter(memory_of_card: dict[str, bytes], corpus: list[bytes], seed: int) -> None:
    """Stretches of real conversations, half of their commands mutated."""
    rng = random.Random(seed)  # noqa: S311 - to be repeated
    card = SimulatedCard(MemoryStore(memory_of_card), entropy=seeded(b"any"), contactless=bool(seed % 2))
    card.power_up()
    sent = 0
    while sent < COMMANDS:
        start = rng.randrange(len(corpus))
        for command in corpus[start : start + rng.choice((1, 1, 3, 6))]:
            tried = mutated(rng, command) if rng.random() < 0.5 else command
            answer = card.transmit(tried)
            assert len(answer) >= 2, tried.hex()
            assert answer[-2:] != FAULT, (seed, tried.hex())
            sent += 1


CARDS = ("finished badge", "blank company card", "My Number Card")


@pytest.fixture
def memory_of_card(request: pytest.FixtureRequest, stage: Stage) -> dict[str, bytes]:
    name: str = request.param
    if name == CARDS[0]:
        return stage.company
    return memory("company-card", seed=1) if name == CARDS[1] else stage.my_number


@pytest.mark.parametrize("memory_of_card", CARDS, indirect=True)
def test_any_bytes_get_a_status_word(memory_of_card: dict[str, bytes], corpus: list[bytes]) -> None:
    for seed in range(SEEDS):
        batter(memory_of_card, corpus, seed)


@pytest.mark.campaign
@pytest.mark.parametrize("memory_of_card", CARDS, indirect=True)
def test_any_bytes_for_long(memory_of_card: dict[str, bytes], corpus: list[bytes]) -> None:
    for seed in range(1000, 1000 + int(os.environ.get("TEGATA_CAMPAIGN_SEEDS", "2000"))):
        batter(memory_of_card, corpus, seed)
