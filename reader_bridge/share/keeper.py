"""Keeps a slot of a shared reader as full as the reader behind it: cards come, go, and stay away a while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import TypeVar

from ...apdu.errors import EXCHANGE, CardRemoved
from ...apdu.ports import Link, LinkInfo, Reader
from .holding import LOST, CardThread

__all__ = ["AWAY_SECONDS", "Keeper"]

AWAY_SECONDS = 1.2
"""A card that comes back sooner is not seen as removed: hosts poll every 0.4 s."""
_POLL_SECONDS = 0.3

Result = TypeVar("Result")


class _HeldLink:
    """The card as whoever shows it sees it: every call is carried out in the thread that holds the card."""

    def __init__(self, link: Link, thread: CardThread) -> None:
        self._link = link
        self._thread = thread

    @property
    def atr(self) -> bytes:
        return self._do(lambda: self._link.atr)

    @property
    def info(self) -> LinkInfo:
        return self._link.info

    def transmit(self, command: bytes) -> bytes:
        return self._do(lambda: self._link.transmit(command))

    def reset(self) -> None:
        self._do(self._link.reset)

    def close(self, reset: bool = True) -> None:
        """Nothing: the keeper lets the card go, reset as always."""

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """The card is held exclusively anyhow."""
        yield

    def _do(self, job: Callable[[], Result]) -> Result:
        try:
            return self._thread.submit(job).result()
        except (CancelledError, RuntimeError):  # the thread has ended: so has the holding of its card
            raise CardRemoved(what=EXCHANGE) from None


class Keeper:
    """Puts the card of ``reader`` in by ``insert`` and takes it out by ``remove``, in a thread of its own.

    ``occupied`` says whether it still lies there; whoever shows the card may throw it out after a failure.
    ``failed`` gets what the reader raises other than a missing card, after which the keeper has ended.
    """

    def __init__(
        self,
        reader: Reader,
        insert: Callable[[Link], None],
        remove: Callable[[], None],
        occupied: Callable[[], bool],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._reader = reader
        self._insert, self._remove, self._occupied = insert, remove, occupied
        self._failed = failed
        self._changed = threading.Condition()
        self._stopped = False
        self._out = False
        self._thread = threading.Thread(target=self._run, name=f"keeper of {reader.name}", daemon=True)

    def start(self) -> None:
        """Begin to look for a card."""
        self._thread.start()

    def take_out(self) -> None:
        """The card leaves, in the middle of whatever it does, and stays away."""
        self._set(out=True)

    def put_back(self) -> None:
        """The card comes back, a second after it left at the earliest."""
        self._set(out=False)

    def close(self) -> None:
        """Take the card out and end, after the command that runs now."""
        self._set(stopped=True)
        self._thread.join()

    def _set(self, *, out: bool | None = None, stopped: bool = False) -> None:
        with self._changed:
            self._out = self._out if out is None else out
            self._stopped = self._stopped or stopped
            self._changed.notify_all()

    def _run(self) -> None:
        thread = CardThread(self._reader, lambda: None)
        try:
            while not self._stopped:
                self._turn(thread)
        except BaseException as error:  # whatever it is, it belongs to whoever waits for this keeper
            self._failed(error)
        finally:
            thread.close()

    def _turn(self, thread: CardThread) -> None:
        """One card, from its coming to its going."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not self._out)
        link = None if self._stopped else thread.find().result()
        if link is None:
            return
        self._insert(_HeldLink(link, thread))
        try:
            while not self._sleep(_POLL_SECONDS) and self._occupied() and self._there(thread, link):
                pass
        finally:
            self._remove()
            thread.let_go()
        self._sleep(AWAY_SECONDS, also_out=False)

    def _there(self, thread: CardThread, link: Link) -> bool:
        try:
            return thread.present(link).result()
        except LOST:
            return False

    def _sleep(self, seconds: float, *, also_out: bool = True) -> bool:
        """Whether the card shall leave before these seconds are over."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stopped or (also_out and self._out), seconds)
