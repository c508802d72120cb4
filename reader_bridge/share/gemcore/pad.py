"""The keys of a PIN pad: asks a person for digits and puts them into the APDU of a Secure message.

The PIN is held as a Secret until it stands in the APDU, and appears in no trace, error or repr.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic

from ....apdu.secret import Secret
from ...frames.ccid import Error, MessageError
from ...frames.ccid_pin import PinModify, PinVerify
from .refusal import Refused

__all__ = ["Pad", "PinCancelled", "PinRequest", "PinSource", "PinTimeout", "Prompt"]

_DEFAULT_SECONDS = 30
_TRIES = 3
_CONFIRM_NEW, _ASK_OLD = 0x01, 0x02
_APDU_OFFSET = 25  # of a verification: where bError points when the APDU is at fault


class Prompt(enum.Enum):
    """Which PIN the pad asks for; the texts on its display are those of the host's language strings."""

    PIN = "PIN"
    NEW = "new PIN"
    CONFIRM = "new PIN again"


class PinCancelled(Exception):
    """The person pressed cancel."""


class PinTimeout(Exception):
    """Nobody typed in time."""


@dataclass(frozen=True, slots=True)
class PinRequest:
    """What the pad shows and accepts. A source ends within ``seconds``, and once ``cancelled`` is set."""

    prompt: Prompt
    least: int
    most: int
    seconds: float
    slot: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event, repr=False)


PinSource = Callable[[PinRequest], Secret]
"""Returns the digits as ASCII. Raises PinCancelled or PinTimeout."""


class Pad:
    """One pad of a reader; one entry at a time."""

    def __init__(self, source: PinSource) -> None:
        self._source = source
        self._hand = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pin pad")
        self._cancelled = threading.Event()

    def open(self) -> None:
        """An entry is about to begin; only a :meth:`cancel` after this one ends it."""
        self._cancelled = threading.Event()

    def fill(self, entry: PinVerify | PinModify, slot: int) -> bytes:
        """The APDU with what was typed. Raises Refused: PIN_CANCELLED, PIN_TIMEOUT, or an offset."""
        if entry.most == 0 or entry.least > entry.most:
            raise Refused(15)
        until = monotonic() + (entry.timeout or _DEFAULT_SECONDS)
        try:
            if isinstance(entry, PinVerify):
                with self._ask(Prompt.PIN, entry, slot, until) as pin:
                    return entry.format.insert(entry.apdu, pin.reveal())
            return self._modified(entry, slot, until)
        except PinCancelled:
            raise Refused(Error.PIN_CANCELLED) from None
        except PinTimeout:
            raise Refused(Error.PIN_TIMEOUT) from None
        except MessageError:
            raise Refused(_APDU_OFFSET) from None

    def cancel(self) -> None:
        """End an entry that is under way: the reader lost its power."""
        self._cancelled.set()

    def close(self) -> None:
        self.cancel()
        self._hand.shutdown(wait=False, cancel_futures=True)

    def _modified(self, entry: PinModify, slot: int, until: float) -> bytes:
        apdu, shift = entry.apdu, 0
        if entry.confirm & _ASK_OLD:
            with self._ask(Prompt.PIN, entry, slot, until) as old:
                apdu = entry.format.insert(apdu, old.reveal(), entry.old_offset)
                if not entry.format.block_size and entry.new_offset >= entry.old_offset:
                    shift = len(entry.format.digits(old.reveal()))  # the offsets are those of the template
        with self._new_pin(entry, slot, until) as new:
            return entry.format.insert(apdu, new.reveal(), entry.new_offset + shift)

    def _new_pin(self, entry: PinModify, slot: int, until: float) -> Secret:
        for _ in range(_TRIES):
            new = self._ask(Prompt.NEW, entry, slot, until)
            if not entry.confirm & _CONFIRM_NEW:
                return new
            with self._ask(Prompt.CONFIRM, entry, slot, until) as again:
                if new == again:
                    return new
            new.wipe()
        raise PinCancelled

    def _ask(self, prompt: Prompt, entry: PinVerify | PinModify, slot: int, until: float) -> Secret:
        """Digits of a length that the entry allows; what is not is not accepted, as by the pad's OK key."""
        for _ in range(_TRIES):
            seconds = until - monotonic()
            if seconds <= 0:
                raise PinTimeout
            request = PinRequest(prompt, entry.least, entry.most, seconds, slot, self._cancelled)
            pin = self._typed(request)
            if entry.least <= len(pin) <= entry.most and pin.reveal().isdigit():
                return pin
            pin.wipe()
        raise PinCancelled

    def _typed(self, request: PinRequest) -> Secret:
        """What the source says in time; one that is late is not waited for, and what it says is wiped."""
        entry = self._hand.submit(self._source, request)
        try:
            return entry.result(request.seconds)
        except TimeoutError:
            if not entry.cancel():
                entry.add_done_callback(_wipe)
            raise PinTimeout from None


def _wipe(entry: Future[Secret]) -> None:
    if not entry.cancelled() and entry.exception() is None:
        entry.result().wipe()
