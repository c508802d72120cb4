"""Simulated My Number Cards for tests: one installation, two made-once memories, a fresh card per test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.presets import memory

USER_ID = bytes(range(16))


@pytest.fixture(scope="session", autouse=True)
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A data folder of this test run's own: the test hierarchy is made in it."""
    before = os.environ.get("TEGATA_HOME")
    os.environ["TEGATA_HOME"] = str(tmp_path_factory.mktemp("home"))
    yield
    if before is None:
        del os.environ["TEGATA_HOME"]
    else:
        os.environ["TEGATA_HOME"] = before


@pytest.fixture(scope="session")
def my_number_memory(installation: None) -> dict[str, bytes]:
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
