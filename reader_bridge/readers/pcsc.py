"""``pcsc:NAME``: readers behind PC/SC (PC/SC Workgroup specifications part 5; ``winscard.h``).

Written on the plain functions of winscard rather than on pyscard's classes: transactions and the closing
reset must be exact. NAME is a reader's name or an unambiguous part of it; without it the first reader is
taken.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...apdu.contactless import ContactlessAtr
from ...apdu.errors import EXCHANGE, CardRemoved, MalformedResponse, ReaderError, TegataError, Words
from ...apdu.pad import PadTemplate
from ...apdu.ports import CardEvent, LinkInfo, TransmissionProtocol
from .lockfile import FileLock
from .pcsc_control import Abilities, abilities, direct
from .pcsc_features import Feature, names_of, pin_verify
from .winscard import CONNECTING, Context

__all__ = ["PcscLink", "PcscPinPadLink", "PcscReader", "choose", "list_readers", "open_reader"]

SLICE = 1.0
"""Seconds of one blocking wait: a longer one could not be interrupted."""
AWAY = 0.2
"""Seconds between looks for a service or reader that has gone."""
MAX_RESPONSE = 65538
"""PC/SC takes any answer; a reader that cannot bring an extended one refuses the command that asks for it."""
AWAY_CODES = ("reader.none", "reader.service", "reader.unknown")
SHORT_DATA, EXTENDED_OVERHEAD, STATUS_BYTES = 256, 9, 2
PIN_ENTRY = Words("PIN entry on the reader", "リーダーでの暗証番号入力")


def _connect(context: Context, reader: str) -> PcscLink:
    """The card in ``reader``, with a PIN pad when the reader has one.

    Raises CardRemoved when there is none, ReaderError when it cannot be had.
    """
    api = context.api
    protocols = api.SCARD_PROTOCOL_T0 | api.SCARD_PROTOCOL_T1
    result, handle, protocol = api.SCardConnect(context.handle, reader, api.SCARD_SHARE_SHARED, protocols)
    context.check(result, reader, CONNECTING)
    able = abilities(api, handle)
    kind = PcscPinPadLink if Feature.VERIFY_PIN_DIRECT in able.features else PcscLink
    return kind(context, reader, handle, protocol, able)


class PcscLink:
    """A card in a PC/SC reader, by an open handle of ``SCardConnect``."""

    def __init__(self, context: Context, reader: str, handle: int, protocol: int, able: Abilities) -> None:
        self._context = context
        self._api: Any = context.api
        self._card, self._protocol = handle, protocol
        self._able = able
        self._open = True
        self._reader = reader
        self._atr = self._read_atr()
        self._info = self._described()

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

    def _described(self) -> LinkInfo:
        """Sizes as the reader states them (dwMaxAPDUDataSize, PC/SC part 10 §2.6.14); T=0 has short ones."""
        name, protocol = f"pcsc:{self._reader}", self._transmission()
        most = self._able.properties.max_apdu_data
        if protocol is TransmissionProtocol.T0 or 0 < most <= SHORT_DATA:
            return LinkInfo(name, protocol)
        if most:
            most = min(most, 0xFFFF)
            return LinkInfo(name, protocol, most + EXTENDED_OVERHEAD, MAX_RESPONSE)
        return LinkInfo(name, protocol, max_response=MAX_RESPONSE)

    def _transmission(self) -> TransmissionProtocol:
        if self._protocol == self._api.SCARD_PROTOCOL_T0:
            return TransmissionProtocol.T0
        contactless = ContactlessAtr.parse(self._atr) is not None
        return TransmissionProtocol.TCL if contactless else TransmissionProtocol.T1


class PcscPinPadLink(PcscLink):
    """A card in a reader with a PIN pad: the reader asks for the PIN, which never enters this machine."""

    def verify_on_pad(self, template: bytes) -> bytes:
        """VERIFY with the PIN that a person types on the reader; ``template`` as in :mod:`tegata.apdu.pad`.

        The answer is the card's, or the reader's 6400 (nobody typed) or 6401 (cancelled). Raises ValueError
        for a template of another form, CardRemoved, MalformedResponse and ReaderError.
        """
        if not self._open:
            raise CardRemoved(what=EXCHANGE)
        code = self._able.features[Feature.VERIFY_PIN_DIRECT]
        request = pin_verify(PadTemplate.parse(template))
        result, answer = self._api.SCardControl(self._card, code, list(request))
        self._context.check(result, self._reader, PIN_ENTRY)
        if len(answer) < STATUS_BYTES:
            raise MalformedResponse("fewer than two bytes", "VERIFY")
        return bytes(value & 0xFF for value in answer)


class PcscReader:
    """One reader of the PC/SC service, locked against other tegata processes while open.

    It outlives the service: while that is away, or the reader unplugged, it waits.
    """

    def __init__(self, name: str) -> None:
        self._context = Context()
        self._features: frozenset[str] | None = None
        try:
            self._name = choose(self._context.names(), name)
            self._lock = _lock(self._name)
        except TegataError:
            self._context.release()
            raise

    @property
    def name(self) -> str:
        return f"pcsc:{self._name}"

    @property
    def features(self) -> frozenset[str]:
        """``pin-pad`` and others of part 10, asked of the reader once. While another program has the reader
        for itself they are not known, and none is named."""
        if self._features is None:
            try:
                with direct(self._context, self._name) as handle:
                    self._features = names_of(abilities(self._context.api, handle).features)
            except TegataError:
                return frozenset()
        return self._features

    def wait_for_card(self, timeout: float | None = None) -> PcscLink:
        """The card that lies there or is put there within ``timeout`` seconds (None: however long).

        Raises ReaderError ``reader.no_card`` when none came, ``reader.none`` or ``reader.unknown`` when the
        service or the reader was away at the end.
        """
        for event in self.events(timeout):
            if event.present:
                try:
                    return _connect(self._context, self._name)
                except CardRemoved:  # taken away again at once: its going is the next event
                    continue
        if self._context.lost or self._name not in self._context.names():
            raise ReaderError("reader.none")
        raise ReaderError("reader.no_card", seconds=f"{timeout or 0:g}", reader=self.name)

    def events(self, timeout: float | None = None) -> Iterator[CardEvent]:
        """The present state, then every change, until ``timeout`` seconds have passed.

        A service or reader that goes takes the card with it; when it is back, its card comes.
        """
        until = None if timeout is None else time.monotonic() + timeout
        state, seen = self._context.api.SCARD_STATE_UNAWARE, None
        while True:
            left = SLICE if until is None else max(0.0, min(SLICE, until - time.monotonic()))
            change = self._look(state, left)
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

    def _look(self, state: int, seconds: float) -> tuple[int, bytes] | None:
        """As :meth:`Context.changes`; a reader that is away has no card, and is looked for again."""
        try:
            if self._context.lost:
                renewed = Context()
                self._context.release()
                self._context = renewed
            return self._context.changes(self._name, state, int(seconds * 1000))
        except ReaderError as error:
            if error.code not in AWAY_CODES:
                raise
            time.sleep(min(seconds, AWAY))
            return self._context.api.SCARD_STATE_UNAWARE, b""


def choose(names: Sequence[str], wanted: str) -> str:
    """The one of ``names`` that ``wanted`` is, or is an unambiguous part of; the first for nothing.

    Raises ReaderError ``reader.none`` or ``reader.unknown``.
    """
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
    context = Context()
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
