"""A simulated card with power: applies the writes of each step one by one, and may lose power at any."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from .clock import VirtualClock
from .kernel import Outcome, Ram, Write, power_up, step

__all__ = ["PowerCut", "PowerLost", "SimulatedCard", "Store", "seeded"]


class Store(Protocol):
    """Non-volatile memory: see ``journal``."""

    content: dict[str, bytes]

    def apply(self, write: Write) -> None: ...
    def tear(self, write: Write) -> None: ...
    def recover(self) -> None: ...
    def close(self) -> None: ...


class PowerLost(Exception):
    """The card left the field in the middle of a command."""


@dataclass(frozen=True, slots=True)
class PowerCut:
    """Cut the power at write number ``write``, counted from 0 over the card's life in this object.

    ``before``: nothing of that write happens; ``inside``: a part of it; ``after``: all of it, but no response
    leaves the card.
    """

    write: int
    phase: Literal["before", "inside", "after"]


def seeded(seed: bytes) -> Callable[[int], bytes]:
    """A repeatable source of entropy for tests (ChaCha20 key stream)."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
    from cryptography.hazmat.primitives.hashes import SHA256, Hash

    digest = Hash(SHA256())
    digest.update(seed)
    stream = Cipher(algorithms.ChaCha20(digest.finalize(), bytes(16)), mode=None).encryptor()
    return lambda count: stream.update(bytes(count))


class SimulatedCard:
    """One card: store, volatile memory, clock. Not safe for two threads at once, :meth:`tear` apart."""

    def __init__(
        self,
        store: Store,
        *,
        entropy: Callable[[int], bytes] = os.urandom,
        contactless: bool = True,
        clock: VirtualClock | None = None,
        cut: PowerCut | None = None,
    ) -> None:
        self.store = store
        self.entropy = entropy
        self.contactless = contactless
        self.clock = clock or VirtualClock()
        self.cut = cut
        self.writes_done = 0
        self._ram: Ram | None = None
        self._torn = False
        self.atr = b""

    @property
    def powered(self) -> bool:
        return self._ram is not None and not self._torn

    def power_up(self) -> bytes:
        """Put the card into the field: recovery, fresh volatile memory; returns the ATR."""
        self.store.recover()
        self._torn = False
        self._ram, self.atr = power_up(self.store.content, contactless=self.contactless)
        return self.atr

    def power_down(self) -> None:
        self._ram = None

    def tear(self) -> None:
        """Take the power away now, from any thread: a command underway stops before its next write
        and is not answered."""
        self._torn = True

    def transmit(self, command: bytes) -> bytes:
        """One APDU. Raises PowerLost when the power was cut, or the card has none."""
        if self._ram is None or self._torn:
            self._ram = None
            raise PowerLost
        outcome = step(self.store.content, self._ram, command, self.entropy)
        # Without power until all is written, whatever keeps it from being: a cut, a full disk.
        self._ram = None
        self._apply(outcome)
        if self._torn:
            raise PowerLost
        self._ram = outcome.ram
        self.clock.exchange(len(command), len(outcome.response), outcome.cost)
        return outcome.response

    def _apply(self, outcome: Outcome) -> None:
        for write in outcome.writes:
            if self._torn:
                raise PowerLost
            cut = self.cut if self.cut and self.cut.write == self.writes_done else None
            if cut is not None and cut.phase != "after":
                if cut.phase == "inside":
                    self.store.tear(write)
                self._lose_power()
            self.store.apply(write)
            self.writes_done += 1
            if cut is not None:
                self._lose_power()

    def _lose_power(self) -> None:
        self.cut = None
        raise PowerLost
