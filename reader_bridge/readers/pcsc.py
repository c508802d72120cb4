"""``pcsc:NAME``: readers behind PC/SC (PC/SC Workgroup specifications part 5; ``winscard.h``).

Written on the plain functions of winscard rather than on pyscard's classes: transactions and the closing
reset must be exact. NAME is a reader's name or an unambiguous part of it; without it the first reader is
taken.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

from ...apdu.errors import EXCHANGE, CardRemoved, MalformedResponse, ReaderError, TegataError, Words
from ...apdu.ports import CardEvent, LinkInfo, TransmissionProtocol
from .lockfile import FileLock

__all__ = ["PcscLink", "PcscReader", "list_readers", "open_reader"]

SLICE = 1.0
"""Seconds of one blocking wait: a longer one could not be interrupted."""
MAX_RESPONSE = 65538
"""PC/SC takes any answer; a reader that cannot bring an extended one refuses the command that asks for it."""


def _scard() -> ModuleType:
    """pyscard's winscard module. Raises ReaderError ``reader.driver`` when it is not installed."""
    try:
        from smartcard import scard
    except ImportError as error:
        how = "Install it with: uv tool install 'tegata[pcsc]' (or pipx install 'tegata[pcsc]')."
        raise ReaderError("reader.driver", scheme="pcsc", what=str(error), how=how) from error
    found: ModuleType = scard
    return found


class _Context:
    """One connection to the PC/SC service."""

    def __init__(self) -> None:
        self.api = _scard()
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
        error: TegataError
        if result in gone:
            error = CardRemoved(what=what)
        elif result in none:
            error = ReaderError("reader.none")
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

    def changes(self, reader: str, state: int, milliseconds: int) -> tuple[int, bytes] | None:
        """The reader's new state and ATR, or None when nothing changed in that time."""
        query = [(reader, state)]
        result, states = self.api.SCardGetStatusChange(self.handle, milliseconds, query)
        if result == self.api.SCARD_E_TIMEOUT:
            return None
        self.check(result, reader, Words("waiting for a card", "カード待ち"))
        _, event, atr = states[0]
        return event, bytes(atr)

    def release(self) -> None:
        self.api.SCardReleaseContext(self.handle)


class PcscLink:
    """A card in a PC/SC reader."""

    def __init__(self, context: _Context, reader: str) -> None:
        self._context = context
        self._api: Any = context.api
        api = self._api
        protocols = api.SCARD_PROTOCOL_T0 | api.SCARD_PROTOCOL_T1
        result, self._card, self._protocol = api.SCardConnect(
            context.handle, reader, api.SCARD_SHARE_SHARED, protocols
        )
        context.check(result, reader, Words("connecting", "接続"))
        self._open = True
        self._reader = reader
        self._atr = self._read_atr()
        self._info = LinkInfo(f"pcsc:{reader}", self._transmission(), max_response=MAX_RESPONSE)

    @property
    def atr(self) -> bytes:
        return self._atr

    @property
    def info(self) -> LinkInfo:
        return self._info

    def transmit(self, command: bytes) -> bytes:
        """One APDU. Raises CardRemoved, MalformedResponse or ReaderError."""
        if not self._open:
            raise CardRemoved(what=EXCHANGE)
        api = self._api
        pci = api.SCARD_PCI_T0 if self._protocol == api.SCARD_PROTOCOL_T0 else api.SCARD_PCI_T1
        result, answer = api.SCardTransmit(self._card, pci, list(command))
        self._context.check(result, self._reader)
        if len(answer) < 2:
            # The service reports success with nothing when a card is torn away in the middle.
            if not self._present():
                raise CardRemoved(what=EXCHANGE)
            raise MalformedResponse("fewer than two bytes", f"the answer to {command[:4].hex(' ').upper()}")
        return bytes(answer)

    def reset(self) -> None:
        """Warm reset; the card forgets every PIN."""
        api = self._api
        result, self._protocol = api.SCardReconnect(
            self._card,
            api.SCARD_SHARE_SHARED,
            api.SCARD_PROTOCOL_T0 | api.SCARD_PROTOCOL_T1,
            api.SCARD_RESET_CARD,
        )
        self._context.check(result, self._reader, Words("a reset", "リセット"))
        self._atr = self._read_atr()

    def close(self, reset: bool = True) -> None:
        """Let the card go; with ``reset`` (the default) nothing stays unlocked in it."""
        if self._open:
            self._open = False
            api = self._api
            api.SCardDisconnect(self._card, api.SCARD_RESET_CARD if reset else api.SCARD_LEAVE_CARD)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """A PC/SC transaction: no other program's APDU comes between. The link may be closed inside."""
        self._context.check(
            self._api.SCardBeginTransaction(self._card), self._reader, Words("a transaction", "占有の開始")
        )
        try:
            yield
        finally:
            if self._open:
                self._api.SCardEndTransaction(self._card, self._api.SCARD_LEAVE_CARD)

    def _present(self) -> bool:
        result, *_ = self._api.SCardStatus(self._card)
        return bool(result == self._api.SCARD_S_SUCCESS)

    def _read_atr(self) -> bytes:
        result, _, _, _, atr = self._api.SCardStatus(self._card)
        self._context.check(result, self._reader, Words("reading the ATR", "ATR の読み取り"))
        return bytes(atr)

    def _transmission(self) -> TransmissionProtocol:
        if self._protocol == self._api.SCARD_PROTOCOL_T0:
            return TransmissionProtocol.T0
        # PC/SC part 3 §3.1.3.2.3: the ATR that a reader makes up for a contactless card.
        contactless = self._atr[:1] == b"\x3b" and self._atr[2:4] == b"\x80\x01"
        return TransmissionProtocol.TCL if contactless else TransmissionProtocol.T1


class PcscReader:
    """One reader of the PC/SC service, locked against other tegata processes while open."""

    features: frozenset[str] = frozenset()

    def __init__(self, name: str) -> None:
        self._context = _Context()
        try:
            self._name = self._choose(name)
            self._lock = _lock(self._name)
        except TegataError:
            self._context.release()
            raise

    @property
    def name(self) -> str:
        return f"pcsc:{self._name}"

    def wait_for_card(self, timeout: float | None = None) -> PcscLink:
        """The card that lies there or is put there within ``timeout`` seconds (None: however long).

        Raises ReaderError ``reader.no_card`` when none came.
        """
        for event in self.events(timeout):
            if event.present:
                return PcscLink(self._context, self._name)
        raise ReaderError("reader.no_card", seconds=f"{timeout or 0:g}", reader=self.name)

    def events(self, timeout: float | None = None) -> Iterator[CardEvent]:
        """The present state, then every change, until ``timeout`` seconds have passed."""
        until = None if timeout is None else time.monotonic() + timeout
        state, seen = self._context.api.SCARD_STATE_UNAWARE, None
        while True:
            left = SLICE if until is None else max(0.0, min(SLICE, until - time.monotonic()))
            change = self._context.changes(self._name, state, int(left * 1000))
            if change is not None:
                state, atr = change
                present = bool(state & self._context.api.SCARD_STATE_PRESENT)
                if present != seen:
                    seen = present
                    yield CardEvent(self.name, present, atr if present else b"")
            if until is not None and time.monotonic() >= until:
                return

    def close(self) -> None:
        self._lock.release()
        self._context.release()

    def _choose(self, wanted: str) -> str:
        names = self._context.names()
        if not names:
            raise ReaderError("reader.none")
        fitting = [name for name in names if name == wanted] or [name for name in names if wanted in name]
        if not fitting or (wanted and len(fitting) > 1):
            raise ReaderError("reader.unknown", reader=wanted, known=", ".join(names))
        return fitting[0]


def _lock(name: str) -> FileLock:
    try:
        return FileLock(f"pcsc:{name}")
    except BlockingIOError as error:
        raise ReaderError("reader.busy", reader=f"pcsc:{name}") from error


def list_readers() -> list[CardEvent]:
    """Every PC/SC reader and whether a card lies on it. Raises ReaderError ``reader.none`` without PC/SC."""
    context = _Context()
    try:
        states = [
            (name, context.changes(name, context.api.SCARD_STATE_UNAWARE, 0)) for name in context.names()
        ]
        present = context.api.SCARD_STATE_PRESENT
        return [
            CardEvent(name, bool(change and change[0] & present), change[1] if change else b"")
            for name, change in states
        ]
    finally:
        context.release()


def open_reader(rest: str) -> PcscReader:
    """The reader that ``rest`` names: a name, an unambiguous part of one, or nothing for the first.

    Raises ReaderError ``reader.driver``, ``reader.none``, ``reader.unknown`` or ``reader.busy``.
    """
    return PcscReader(rest)
