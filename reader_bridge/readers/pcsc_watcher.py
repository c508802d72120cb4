"""A watcher over all PC/SC readers and their cards, in one thread (``SCardGetStatusChange``, PC/SC part 5).

Readers that are plugged in or out announce themselves through the service's notification reader. A service
that stops takes its readers with it; the watcher says so, tries again with growing pauses, and finds them
when it is back. Between two waits nothing is lost: the service counts events, and readers are listed anew.

The system's own ways differ in three points. Windows stops the service when the last reader is unplugged:
that reads as ``service-went``. macOS has no notification reader; new readers are then seen within a second
by listing them. With systemd, connecting to pcscd's socket starts pcscd again, and the watcher connects.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from ...apdu.errors import ReaderError
from .pcsc_states import UNKNOWN, Change, Kind, Places
from .winscard import PNP, Context, load

__all__ = ["Change", "Kind", "PcscWatcher"]

SLICE = 1.0
"""Seconds of one wait. It bounds what a notification that came a moment too early can cost."""
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to reach a service that is away; the last one over and over."""
QUIET = 0.02
"""Seconds after a wait that ended for nothing: a service that always does so must not burn the processor."""
CLOSING = 3.0
QUEUE = 1024


class PcscWatcher:
    """Watches from :meth:`start` to :meth:`close`; :meth:`events` gives what happened.

    The first changes tell what is there already. Whoever does not take them away for long loses some: then
    comes ``MISSED``, and everything that is there is told again. Raises ReaderError ``reader.driver``
    without pyscard.
    """

    def __init__(self, *, queue: int = QUEUE) -> None:
        load()
        self._places = Places()
        self._queue = _Queue(queue)
        self._stop = threading.Event()
        self._context: Context | None = None
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="pcsc-watcher", daemon=True)

    def start(self) -> None:
        """Begin to watch, and return."""
        self._thread.start()

    def close(self) -> None:
        """End the watching; a second time does no harm. A service that hangs is left behind after 3 s."""
        self._stop.set()
        until = time.monotonic() + CLOSING
        # A cancel that comes before the wait has begun ends nothing: hence again.
        while self._thread.is_alive() and time.monotonic() < until:
            context = self._context
            if context is not None:
                # A service that hangs does not answer this either.
                cancelling = threading.Thread(target=context.cancel, name="pcsc-cancel", daemon=True)
                cancelling.start()
                cancelling.join(until - time.monotonic())
            self._thread.join(0.05)
        self._queue.close()

    def events(self, timeout: float | None = None) -> Iterator[Change]:
        """Every change as it comes, until ``timeout`` seconds have passed or the watcher is closed."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            change = self._queue.get(left)
            if change is None:
                return
            yield change

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # The thread

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                context = Context()
            except ReaderError:
                self._without_service()
                continue
            self._context = context
            try:
                self._watch(context)
            except ReaderError:  # the service went; the next attempt shows whether it is back
                self._without_service()
            finally:
                self._context = None
                context.release()

    def _without_service(self) -> None:
        self._tell(self._places.service(there=False))
        self._stop.wait(PAUSES[min(self._failures, len(PAUSES) - 1)])
        self._failures += 1

    def _watch(self, context: Context) -> None:
        """Until we stop, or the service does (ReaderError)."""
        announces = _announces(context)
        while not self._stop.is_set():
            names = context.names()
            self._failures = 0
            self._tell(self._places.service(there=True))
            self._tell(self._places.readers(names))
            known = list(self._places.states.items())
            # Windows compares the number of readers in the high word with the number there is.
            asked = [*known, (PNP, len(names) << 16)] if announces else known
            if not asked:
                self._stop.wait(SLICE)
                continue
            try:
                found = context.states(asked, int(SLICE * 1000))
            except ReaderError as error:
                if error.code != "reader.unknown":
                    raise
                found = []  # one was unplugged between the list and the wait: it is listed anew
            if found is not None and not self._looked(found):
                self._stop.wait(QUIET)

    def _looked(self, found: Sequence[tuple[str, int, bytes]]) -> bool:
        changes: list[Change] = []
        for name, state, atr in found:
            if name != PNP:
                changes += self._places.look(name, state, atr)
        self._tell(changes)
        return bool(changes)

    def _tell(self, changes: Sequence[Change]) -> None:
        if changes and not self._queue.put(changes):
            self._queue.restart([Change(Kind.MISSED), *self._places.all()])


def _announces(context: Context) -> bool:
    """Whether this service knows the notification reader; one that does not calls it unknown."""
    try:
        found = context.states([(PNP, 0)], 0)
    except ReaderError:
        if context.lost:
            raise
        return False
    return found is None or not found[0][1] & UNKNOWN


class _Queue:
    """Changes on their way from the thread to whoever asks; never more than ``size``."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: deque[Change] = deque()
        self._closed = False
        self._something = threading.Condition()

    def put(self, changes: Sequence[Change]) -> bool:
        """False when there is no room for all of them; then none is taken."""
        with self._something:
            if len(self._waiting) + len(changes) > self._size:
                return False
            self._waiting.extend(changes)
            self._something.notify_all()
            return True

    def restart(self, changes: Sequence[Change]) -> None:
        """These in place of everything that waits."""
        with self._something:
            self._waiting = deque(changes)
            self._something.notify_all()

    def get(self, timeout: float | None) -> Change | None:
        """The next one; None when none came in time, or none will come."""
        with self._something:
            self._something.wait_for(lambda: bool(self._waiting) or self._closed, timeout)
            return self._waiting.popleft() if self._waiting else None

    def close(self) -> None:
        with self._something:
            self._closed = True
            self._something.notify_all()
