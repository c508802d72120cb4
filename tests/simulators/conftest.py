"""Simulated My Number Cards for tests: one installation, two made-once memories, a fresh card per test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.presets import memory

USER_ID = bytes(range(16))


@pytest.fixture(scope="session")
def my_number_memory(installation: Path) -> dict[str, bytes]:
    return memory("my-number-card-with-free-space", seed=1, user_id=USER_ID)


@pytest.fixture
def my_number_card(my_number_memory: dict[str, bytes]) -> SimulatedCard:
    """A card just put into the field."""
    card = SimulatedCard(MemoryStore(my_number_memory))
    card.power_up()
    return card


Transmit = Callable[[str], str]


@pytest.fixture
def transmit(my_number_card: SimulatedCard) -> Transmit:
    """Hex in, hex out."""
    return lambda command: my_number_card.transmit(bytes.fromhex(command)).hex().upper()
