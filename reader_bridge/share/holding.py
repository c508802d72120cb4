"""The thread that touches a shared card: it finds the card, holds it exclusively, and lets it go.

Whoever shows the card to programs gives it jobs and goes on listening; what it holds is opened, used and
closed in this one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from threading import Event
from typing import TypeVar

from ...apdu.errors import CardRemoved, MalformedResponse, ReaderError, TegataError
from ...apdu.ports import Link, Presence, Reader

__all__ = ["LOST", "CardThread"]

LOST = (CardRemoved, MalformedResponse, ReaderError)
"""What a job raises when the card, or the reader under it, is gone: for programs the slot is empty then."""

UNUSABLE = (CardRemoved, MalformedResponse)
"""What looking for a card raises when one lies there that cannot be shown, though the reader is well."""

FIND_SECONDS = 0.5
"""One look for a card; a longer one could not be stopped."""

Result = TypeVar("Result")


class CardThread:
    """Holds at most one card of ``reader``. ``submit`` and ``find`` return at once; jobs run in order.

    ``done`` is called, in that thread, whenever something has finished: it should wake whoever waits.
    """

    def __init__(self, reader: Reader, done: Callable[[], None]) -> None:
        self._reader = reader
        self._done = done
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"card in {reader.name}")
        self._held = ExitStack()
        self._ended = Event()

    def find(self) -> Future[Link | None]:
        """Look for a card for half a second. The future has the Link, held exclusively, or None: no card, one
        that left again, or one that talks nonsense about itself.

        It raises what the reader raises otherwise.
        """
        return self._start(self._find)

    def submit(self, job: Callable[[], Result]) -> Future[Result]:
        """Queue a job that uses the Link."""
        return self._start(job)

    def present(self, link: Link) -> Future[bool]:
        """Is the card still there, as far as its reader can tell without an APDU?"""
        return self._start(lambda: not isinstance(link, Presence) or link.present())

    def let_go(self) -> None:
        """Close the Link after what runs now; jobs that wait are dropped by whoever cancels them."""
        self._thread.submit(self._release).result()

    def close(self) -> None:
        """End the thread, after the job that runs now."""
        self._ended.set()
        self.let_go()
        self._thread.shutdown()

    def _start(self, job: Callable[[], Result]) -> Future[Result]:
        future = self._thread.submit(job)
        future.add_done_callback(lambda _: self._done())
        return future

    def _find(self) -> Link | None:
        try:
            link = self._reader.wait_for_card(FIND_SECONDS)
        except ReaderError as error:
            if error.code == "reader.no_card":
                return None
            raise
        except UNUSABLE:
            self._ended.wait(FIND_SECONDS)
            return None
        self._held.callback(link.close)
        try:
            self._held.enter_context(link.exclusive())
        except UNUSABLE:
            self._release()
            self._ended.wait(FIND_SECONDS)
            return None
        except TegataError:
            self._release()
            raise
        return link

    def _release(self) -> None:
        # A card or a reader that is already gone cannot be closed any better.
        with suppress(*LOST):
            self._held.close()
