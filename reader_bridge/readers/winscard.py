"""The PC/SC service through the plain functions of winscard (PC/SC part 5; ``winscard.h``), by pyscard.

One :class:`Context` is one connection to the service. It does not outlive the service: whoever waits for
long makes a new one when :attr:`Context.lost` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from ...apdu.errors import EXCHANGE, CardRemoved, ReaderError, TegataError, Words, with_extra

__all__ = ["PNP", "Context", "StateQuery", "load"]

PNP = r"\\?PnP?\Notification"
"""The reader that is none: its state changes when readers come or go."""

StateQuery = tuple[str, int, bytes]
"""A reader, its state (event counter in the high word), its ATR."""

WAITING = Words("waiting for a card", "カード待ち")
CONNECTING = Words("connecting", "接続")


def load() -> ModuleType:
    """pyscard's winscard module. Raises ReaderError ``reader.driver`` when it is not installed."""
    try:
        from smartcard import scard
    except ImportError as error:
        raise ReaderError("reader.driver", scheme="pcsc", what=str(error), how=with_extra("pcsc")) from error
    found: ModuleType = scard
    return found


class Context:
    """One connection to the PC/SC service. Raises ReaderError ``reader.none`` where there is none."""

    def __init__(self) -> None:
        self.api = load()
        self.lost = False
        result, self.handle = self.api.SCardEstablishContext(self.api.SCARD_SCOPE_USER)
        self.check(result, "PC/SC")

    def check(self, result: int, reader: str, what: Words = EXCHANGE) -> None:
        """Turn a result of winscard into our errors."""
        if result != self.api.SCARD_S_SUCCESS:
            self._fail(result, reader, what)

    def _fail(self, result: int, reader: str, what: Words) -> NoReturn:
        api = self.api
        gone = (
            api.SCARD_W_REMOVED_CARD,
            api.SCARD_W_RESET_CARD,
            api.SCARD_W_UNPOWERED_CARD,
            api.SCARD_E_NO_SMARTCARD,
        )
        none = (api.SCARD_E_NO_SERVICE, api.SCARD_E_NO_READERS_AVAILABLE, api.SCARD_E_SERVICE_STOPPED)
        # What a call says when the service ended under it: the context, and every handle in it, is worth
        # nothing any more.
        ended = (
            api.SCARD_E_NO_SERVICE,
            api.SCARD_E_SERVICE_STOPPED,
            api.SCARD_E_INVALID_HANDLE,
            api.SCARD_F_COMM_ERROR,
        )
        self.lost = self.lost or result in ended
        error: TegataError
        if result in gone:
            error = CardRemoved(what=what)
        elif result in none:
            error = ReaderError("reader.none")
        elif result in ended:
            error = ReaderError("reader.service", reader=reader)
        elif result == api.SCARD_E_SHARING_VIOLATION:
            error = ReaderError("reader.busy", reader=reader)
        elif result == api.SCARD_E_UNKNOWN_READER:
            error = ReaderError("reader.unknown", reader=reader, known=", ".join(self.names()))
        else:
            error = ReaderError(reader=reader, what=str(api.SCardGetErrorMessage(result)).strip().rstrip("."))
        raise error

    def names(self) -> list[str]:
        """The readers' names; none is an empty list."""
        result, names = self.api.SCardListReaders(self.handle, [])
        if result == self.api.SCARD_E_NO_READERS_AVAILABLE:
            return []
        self.check(result, "PC/SC")
        return list(names)

    def states(self, known: Sequence[tuple[str, int]], milliseconds: int) -> list[StateQuery] | None:
        """Wait until the state of one of ``known`` is another one than given: the state of each, in their
        order, or None when nothing changed in that time or :meth:`cancel` ended the wait.

        Raises ReaderError ``reader.unknown`` when one of the readers has gone.
        """
        result, states = self.api.SCardGetStatusChange(self.handle, milliseconds, list(known))
        if result in (self.api.SCARD_E_TIMEOUT, self.api.SCARD_E_CANCELLED):
            return None
        self.check(result, ", ".join(name for name, _ in known if name != PNP), WAITING)
        return [(name, state, bytes(atr)) for name, state, atr in states]

    def changes(self, reader: str, state: int, milliseconds: int) -> tuple[int, bytes] | None:
        """The reader's new state and ATR, or None when nothing changed in that time."""
        found = self.states([(reader, state)], milliseconds)
        return found[0][1:] if found else None

    def cancel(self) -> None:
        """End the wait of another thread in :meth:`states`. One that has not begun yet is not ended."""
        self.api.SCardCancel(self.handle)

    def release(self) -> None:
        """Give the connection back. A service that has ended cannot take it, which is as well."""
        self.api.SCardReleaseContext(self.handle)
