"""What tests see of a desk at work: every APDU before it leaves, a card's memory, the ledger as SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from tegata.provisioning.ledger import Ledger
from tegata.simulators.card import SimulatedCard
from tegata.simulators.link import SimulatedLink

SELECT, INITIALIZE_UPDATE, EXTERNAL_AUTHENTICATE = 0xA4, 0x50, 0x82
PUT_KEY, DELETE, INSTALL, STORE_DATA = 0xD8, 0xE4, 0xE6, 0xE2
GENERATE, PUT_DATA, VERIFY = 0x47, 0xDB, 0x20


@dataclass
class Tap(SimulatedLink):
    """A card on a reader; ``before`` is told the instruction byte of each APDU before the card gets it."""

    card: SimulatedCard
    before: Callable[[int], None] = lambda ins: None
    sent: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.card.power_down()
        super().__init__(self.card)

    def transmit(self, command: bytes) -> bytes:
        self.before(command[1])
        self.sent.append(command[1])
        return super().transmit(command)


def memory_of(card: SimulatedCard) -> dict[str, bytes]:
    """All that the card holds, but for the counters of its INITIALIZE UPDATEs."""
    return {name: value for name, value in card.store.content.items() if "/sequence/" not in name}


def rows(ledger: Ledger) -> list[str]:
    """The ledger as SQL, through a connection of its own: what is durable."""
    path = str(ledger.engine.url.database)
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())
