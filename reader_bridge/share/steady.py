"""A reader that is opened anew whenever its line was lost: what a service shares for months."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from ...apdu.errors import ReaderError
from ...apdu.ports import CardEvent, Link, Reader

__all__ = ["SteadyReader"]

_PAUSE_FIRST, _PAUSE_MOST = 0.5, 5.0
_ABOUT_THE_CARD = {"reader.no_card", "gemcore.mute", "pn532.status"}


class SteadyReader:
    """Passes everything to the reader that ``opener`` opens; a reader that fails is closed and opened again.

    The first opening raises what ``opener`` raises: a wrong name shall be said at once. Later ones are tried
    again and again, and until one succeeds there is no card. ``report`` gets the error when the reader is
    lost, and None when it is back.
    """

    def __init__(self, opener: Callable[[], Reader], report: Callable[[ReaderError | None], None]) -> None:
        self._opener = opener
        self._report = report
        self._reader: Reader | None = opener()
        self._name, self._features = self._reader.name, self._reader.features
        self._pause = _PAUSE_FIRST
        self._closed = threading.Event()

    @property
    def name(self) -> str:
        return self._name

    @property
    def features(self) -> frozenset[str]:
        return self._features

    def wait_for_card(self, timeout: float | None = None) -> Link:
        """As the reader does; ReaderError ``reader.no_card`` also while the reader itself is away."""
        reader = self._reader or self._open_again(timeout)
        if reader is None:
            raise ReaderError("reader.no_card", seconds=f"{timeout or 0:g}", reader=self._name)
        try:
            return reader.wait_for_card(timeout)
        except ReaderError as error:
            if _is_lost(error):
                self._lose(reader, error)
            elif error.code != "reader.no_card":
                self._closed.wait(_PAUSE_FIRST if timeout is None else min(_PAUSE_FIRST, timeout))
            raise ReaderError("reader.no_card", seconds=f"{timeout or 0:g}", reader=self._name) from error

    def events(self, timeout: float | None = None) -> Iterator[CardEvent]:
        """As the reader does, as long as it is there."""
        if self._reader is not None:
            yield from self._reader.events(timeout)

    def close(self) -> None:
        self._closed.set()
        if self._reader is not None:
            self._reader.close()

    def _open_again(self, timeout: float | None) -> Reader | None:
        self._closed.wait(self._pause if timeout is None else min(self._pause, timeout))
        if self._closed.is_set():
            return None
        try:
            self._reader = self._opener()
        except ReaderError:  # said when it was lost
            self._pause = min(self._pause * 2, _PAUSE_MOST)
            return None
        self._pause = _PAUSE_FIRST
        self._report(None)
        return self._reader

    def _lose(self, reader: Reader, error: ReaderError) -> None:
        self._reader = None
        reader.close()
        self._report(error)


def _is_lost(error: ReaderError) -> bool:
    """Whether the error is the line's or the reader's; a card that is mute or lies is no reason to open the
    reader again, and counts as none."""
    return error.code not in _ABOUT_THE_CARD
