"""The watcher through libpcsclite, before a service of ours in which readers are plugged in and out."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tegata.reader_bridge.share.pcsclite import PcscliteServer
from tegata.reader_bridge.share.slot import Slot
from tegata.simulators import presets
from tegata.simulators.card import FileStore, SimulatedCard
from tegata.simulators.link import SimulatedLink

pytestmark = pytest.mark.foreign

ONE, TWO = "tegata one 00 00", "tegata two 01 00"
WATCH = [sys.executable, "-m", "tegata.cli", "readers", "watch", "--json"]
SECONDS = 15


@dataclass
class Watching:
    """The command, and what it has told so far."""

    process: subprocess.Popen[str]
    told: list[dict[str, str]] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.news:
                self.told.append(json.loads(line))
                self.news.notify_all()

    def next(self, count: int) -> list[tuple[str, str]]:
        """The next ``count`` changes: event and reader."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.told) >= count, SECONDS), self.told
            taken, self.told = self.told[:count], self.told[count:]
        return [(item["event"], item.get("reader", "")) for item in taken]


@contextmanager
def watching(path: Path) -> Iterator[Watching]:
    environment = {**os.environ, "PCSCLITE_CSOCK_NAME": str(path)}
    with subprocess.Popen(WATCH, env=environment, stdout=subprocess.PIPE, text=True) as process:
        watch = Watching(process)
        reader = threading.Thread(target=watch.read, daemon=True)
        reader.start()
        try:
            yield watch
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            process.wait(SECONDS)
            assert time.monotonic() - began < 2
            reader.join(SECONDS)
            assert watch.told == []
        finally:
            process.kill()


@pytest.fixture
def card(tmp_path: Path) -> Iterator[SimulatedLink]:
    presets.create("company-card", tmp_path / "card.sim")
    store = FileStore(tmp_path / "card.sim")
    yield SimulatedLink(SimulatedCard(store))
    store.close()


@pytest.fixture
def slots() -> Iterator[tuple[Slot, Slot]]:
    found = Slot(ONE), Slot(TWO)
    yield found
    for slot in found:
        slot.close()


def test_readers_cards_and_the_service_come_and_go(
    tmp_path: Path, card: SimulatedLink, slots: tuple[Slot, Slot]
) -> None:
    one, two = slots
    path = tmp_path / "pcscd.comm"
    with watching(path) as watch:
        assert watch.next(1) == [("service-went", "")]
        with PcscliteServer([one], path) as server:
            assert watch.next(2) == [("service-came", ""), ("reader-came", ONE)]
            server.plug(two)
            assert watch.next(1) == [("reader-came", TWO)]
            two.insert(card)
            assert watch.next(1) == [("card-came", TWO)]
            server.unplug(two)
            assert watch.next(2) == [("card-went", TWO), ("reader-went", TWO)]
            server.unplug(one)
            assert watch.next(1) == [("reader-went", ONE)]
            server.plug(two)
            assert watch.next(2) == [("reader-came", TWO), ("card-came", TWO)]
        assert watch.next(3) == [("card-went", TWO), ("reader-went", TWO), ("service-went", "")]
        with PcscliteServer([two], path):
            assert watch.next(3) == [("service-came", ""), ("reader-came", TWO), ("card-came", TWO)]
            two.remove()
            assert watch.next(1) == [("card-went", TWO)]
        assert watch.next(2) == [("reader-went", TWO), ("service-went", "")]


def test_a_card_that_is_moved_quickly_is_never_told_wrongly(
    tmp_path: Path, card: SimulatedLink, slots: tuple[Slot, Slot]
) -> None:
    one, _ = slots
    path = tmp_path / "pcscd.comm"
    with PcscliteServer([one], path), watching(path) as watch:
        assert watch.next(2) == [("service-came", ""), ("reader-came", ONE)]
        for _ in range(20):
            one.insert(card)
            one.remove()
        one.insert(card)
        told = [("card-went", ONE)]
        with watch.news:
            # It ends with the card there, and every coming follows a going.
            watch.news.wait_for(lambda: len(watch.told) >= 41, 1)
            told += [(item["event"], item["reader"]) for item in watch.told]
            watch.told.clear()
        assert told[-1] == ("card-came", ONE)
        assert all(before != after for before, after in itertools.pairwise(told))
