"""The ports Reader, Link, Presence and PinPad on a slot of a GemCore reader."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qsl, urlencode

from ....apdu.errors import CardRemoved, InputError, ReaderError
from ....apdu.pad import PadTemplate
from ....apdu.ports import CardEvent, LinkInfo, TransmissionProtocol
from ...frames.ccid import IccStatus
from .line import Line
from .models import MODELS
from .session import Session, state
from .transport import Timing

__all__ = ["GemCoreLink", "GemCorePadLink", "GemCoreReader", "open_reader", "parse_url"]

POLL_SECONDS = 0.25
PIN_PAD = "pin-pad"
MAX_COMMAND = {0: 261, 1: 4 + 3 + 65535 + 2}
MAX_RESPONSE = {0: 258, 1: 65538}


class GemCoreLink:
    """A powered card in a slot. Raises CardRemoved once the card was away, or has lost its power."""

    def __init__(self, line: Line, slot: int, name: str) -> None:
        self._line = line
        self._slot = slot
        self._name = name
        self._lock = threading.RLock()
        self._session = Session(line, slot)
        self._open = True

    @property
    def atr(self) -> bytes:
        return self._session.atr

    @property
    def info(self) -> LinkInfo:
        number = self._session.agreement.protocol
        protocol = TransmissionProtocol.T1 if number else TransmissionProtocol.T0
        return LinkInfo(self._name, protocol, MAX_COMMAND[number], MAX_RESPONSE[number])

    def transmit(self, command: bytes) -> bytes:
        """One APDU. Raises CardRemoved, MalformedResponse, ReaderError ``gemcore.*`` or ``line.*``; CardError
        ``card.too_long`` for one in the extended form over T=0."""
        with self._lock:
            self._check()
            return self._session.transmit(command)

    def reset(self) -> None:
        """Cold reset; the card forgets every PIN. Raises CardRemoved when it is not the same card."""
        with self._lock:
            self._check()
            if state(self._line, self._slot) is not IccStatus.ACTIVE:
                raise CardRemoved
            self._session.power_on()

    def present(self) -> bool:
        """Whether the card is still there that was powered; another one that was put in since is not."""
        with self._lock:
            return self._open and state(self._line, self._slot) is IccStatus.ACTIVE

    def close(self, reset: bool = True) -> None:
        """Let the card go; with ``reset`` (the default) it loses its power, and nothing stays unlocked."""
        with self._lock:
            if self._open and reset:
                # Without line or card there is nothing to switch off; the reader does it when a card goes.
                with suppress(ReaderError):
                    self._session.power_off()
            self._open = False

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """No other thread's APDU comes between; other processes have no way to this line."""
        with self._lock:
            yield

    def _check(self) -> None:
        if not self._open:
            raise CardRemoved


class GemCorePadLink(GemCoreLink):
    """A card in a reader with a PIN pad."""

    def verify_on_pad(self, template: bytes) -> bytes:
        """The reader asks for the PIN, puts it into ``template`` (:mod:`tegata.apdu.pad`) and sends it to the
        card: the card's answer, 6401 when the entry was cancelled, 6400 when nothing was typed in time.

        The PIN is sent once. Raises ReaderError ``gemcore.unanswered`` when its answer was lost, ValueError
        for a template of another form.
        """
        asked = PadTemplate.parse(template)
        with self._lock:
            self._check()
            pad = self._line.pad
            least = max(asked.shortest, pad.least) if pad else asked.shortest
            most = min(asked.longest, pad.most) if pad and pad.most >= least else asked.longest
            return self._session.verify_on_pad(asked.apdu, least, most)


class GemCoreReader:
    """One slot of a GemCore reader. Slots of one line may be open in one process at the same time."""

    def __init__(self, device: str, slot: int = 0, model: str = "", timing: Timing | None = None) -> None:
        self._line = Line.open(device, model, timing)
        try:
            self._line.take(slot)
        except ReaderError:
            self._line.release()
            raise
        self._slot = slot
        self._name = f"gemcore:{device}" + (f"?slot={slot}" if slot else "")
        self._link: GemCoreLink | None = None
        self._open = True

    @property
    def name(self) -> str:
        return self._name

    @property
    def features(self) -> frozenset[str]:
        """``pin-pad`` for a reader that asks for the PIN itself."""
        return frozenset({PIN_PAD} if self._line.model.pin_pad else ())

    def wait_for_card(self, timeout: float | None = None) -> GemCoreLink:
        """The card that is in the slot or is put there within ``timeout`` seconds (None: however long).

        Raises ReaderError ``reader.no_card`` when none came, ``gemcore.mute`` when it does not answer.
        """
        for event in self.events(timeout):
            if event.present:
                kind = GemCorePadLink if self._line.model.pin_pad else GemCoreLink
                with suppress(CardRemoved):  # it was there for a moment only
                    self._link = kind(self._line, self._slot, self._name)
                    return self._link
        raise ReaderError("reader.no_card", seconds=f"{timeout or 0:g}", reader=self._name)

    def events(self, timeout: float | None = None) -> Iterator[CardEvent]:
        """The present state, then every change, until ``timeout`` seconds have passed. The ATR stands there
        while a link is open: to learn it, a card must be powered."""
        until = None if timeout is None else time.monotonic() + timeout
        seen = None
        pause = threading.Event()
        while True:
            present = state(self._line, self._slot) is not IccStatus.ABSENT
            if present != seen:
                seen = present
                yield CardEvent(self._name, present, self._known_atr() if present else b"")
            left = POLL_SECONDS if until is None else min(POLL_SECONDS, until - time.monotonic())
            if left <= 0:
                return
            pause.wait(left)

    def close(self) -> None:
        """Free the slot; a card that is still powered loses its power. More than once does no harm."""
        if self._open:
            self._open = False
            if self._link is not None:
                self._link.close()
            self._line.give(self._slot)
            self._line.release()

    def _known_atr(self) -> bytes:
        return self._link.atr if self._link is not None and self._link.present() else b""


def parse_url(rest: str) -> tuple[str, int, str]:
    """Device, slot and model of ``DEVICE[?slot=N&model=…]``. What a URL of pyserial asks for itself stays
    with it. Raises InputError ``gemcore.option``."""
    device, _, query = rest.partition("?")
    known = ", ".join(model.name for model in MODELS)
    options = dict(parse_qsl(query, keep_blank_values=True))
    slot, model = options.pop("slot", "0"), options.pop("model", "")
    if options and "://" in device:
        device = f"{device}?{urlencode(options)}"
        options = {}
    if not device or options or not (slot.isdecimal() and len(slot) < 3):
        raise InputError("gemcore.option", option=query or rest, known=known)
    if model and model not in {one.name for one in MODELS}:
        raise InputError("gemcore.option", option=f"model={model}", known=known)
    return device, int(slot), model


def open_reader(rest: str) -> GemCoreReader:
    """The slot that ``DEVICE[?slot=N&model=…]`` names.

    Raises InputError ``gemcore.option``; ReaderError ``reader.busy``, ``line.open``, ``line.silent`` or
    ``gemcore.slot``.
    """
    device, slot, model = parse_url(rest)
    return GemCoreReader(device, slot, model)
