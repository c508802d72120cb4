"""One slot of the reader: a card or none, and the thread that alone touches it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from ....apdu.ports import Link, TransmissionProtocol
from ...frames.ccid import Error, IccStatus
from .card import Card, Gone
from .refusal import Refused

__all__ = ["Slot"]


class Slot:
    """``insert`` and ``remove`` are the hand from outside; the other methods serve the host's commands."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"slot {number}")
        self._lock = threading.Lock()
        self._card: Card | None = None
        self._active = False
        self._moves: list[bool] = []

    def insert(self, link: Link, protocol: TransmissionProtocol | None = None) -> None:
        """A card comes. Raises ValueError when there is one already."""
        with self._lock:
            if self._card is not None:
                raise ValueError("there is a card in this slot")
            self._card, self._active = Card(link, protocol), False
            self._moves = [*self._moves[-1:], True]

    def remove(self) -> None:
        """The card goes, if there is one; a command that it is executing is not answered any more."""
        with self._lock:
            card, self._card, self._active = self._card, None, False
            if card is None:
                return
            self._moves = [*self._moves[-1:], False]
        self._worker.submit(card.close)

    def close(self) -> None:
        """Take the card out and end the thread that owned it."""
        self.remove()
        self._worker.shutdown()

    @property
    def icc(self) -> IccStatus:
        """What bStatus says of the slot now."""
        with self._lock:
            if self._card is None:
                return IccStatus.ABSENT
            return IccStatus.ACTIVE if self._active else IccStatus.INACTIVE

    def moves(self) -> list[bool]:
        """Insertions (True) and removals since the last call; of many, the last two."""
        with self._lock:
            moves, self._moves = self._moves, []
            return moves

    def power_on(self) -> Future[bytes]:
        """The ATR."""
        return self._worker.submit(self._power_on)

    def power_off(self) -> Future[bytes]:
        """Nothing, once the card is reset."""
        return self._worker.submit(self._power_off)

    def work(self, task: Callable[[Card], bytes]) -> Future[bytes]:
        """What ``task`` returns for the active card. The future raises Refused."""
        return self._worker.submit(self._on_card, task, needs_power=True)

    def _power_on(self) -> bytes:
        atr = self._on_card(Card.power_on, needs_power=False)
        self._switch(True)
        return atr

    def _power_off(self) -> bytes:
        def off(card: Card) -> bytes:
            card.power_off()
            return b""

        self._switch(False)
        return self._on_card(off, needs_power=False) if self.icc is not IccStatus.ABSENT else b""

    def _switch(self, active: bool) -> None:
        with self._lock:
            self._active = active and self._card is not None

    def _on_card(self, task: Callable[[Card], bytes], *, needs_power: bool) -> bytes:
        with self._lock:
            card = self._card
            if card is None or (needs_power and not self._active):
                raise Refused(Error.ICC_MUTE)
        try:
            answer = task(card)
        except Gone:
            if self._card is card:
                self.remove()
            raise Refused(Error.ICC_MUTE) from None
        if self._card is not card:
            raise Refused(Error.ICC_MUTE)
        return answer
