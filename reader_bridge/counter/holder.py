"""A card in the holder's hands: opened, asked for its tries, unlocked by what a person types, reset.

The two rules that protect the holder are kept by ``apdu.pin``; here the person is told how many tries are
left *before* typing, so that nobody spends the last one unknowingly. From VERIFY to the closing reset the
card is held exclusively.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from ...apdu.card import Card
from ...apdu.errors import InputError, PinBlocked, PinError
from ...apdu.files import FileApplication
from ...apdu.pin import PinReference, holder_session
from ...apdu.ports import Reader, open_reader
from ...apdu.secret import Secret
from ...apdu.trace import Trace

__all__ = ["Announcer", "Ask", "Place", "ask_for", "unlocked"]

Ask = Callable[[PinReference, int], Secret]
"""How a PIN is got from a person: which one, and how many tries it has left."""


@runtime_checkable
class Announcer(Protocol):
    """An :data:`Ask` that can also send the person to the reader's own PIN pad."""

    def announce(self, pin: PinReference, left: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where the card lies: reader URL, seconds to wait for it, and a file for the recording, if any."""

    url: str
    timeout: float = 30.0
    trace: Path | None = None

    @property
    def simulated(self) -> bool:
        return self.url.startswith("sim:")

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """The reader, held for this program. Raises ReaderError."""
        found = open_reader(self.url)
        try:
            yield found
        finally:
            found.close()

    @contextmanager
    def card(self) -> Iterator[Card]:
        """The card that lies there; it is reset at the end. Raises ReaderError and InputError."""
        with self.reader() as reader, self.card_of(reader) as card:
            yield card

    @contextmanager
    def card_of(self, reader: Reader) -> Iterator[Card]:
        """As :meth:`card`, at a reader that is open already."""
        with ExitStack() as stack:
            link = reader.wait_for_card(self.timeout)
            stack.callback(link.close, True)
            recorder = None
            if self.trace is not None:
                try:
                    stream = stack.enter_context(self.trace.open("a", encoding="utf-8"))
                except OSError as error:
                    raise InputError("counter.write", path=self.trace, what=error.strerror) from error
                recorder = Trace(stream, link)
            yield Card(link, recorder=recorder)


def ask_for(application: FileApplication, pin: PinReference, ask: Ask, *, last_try: bool = False) -> Secret:
    """What the person types for ``pin`` of the selected application, who is told the tries left before.

    Raises PinBlocked, and PinError ``pin.last_try`` unless ``last_try``, without asking anybody.
    """
    return ask(pin, _left(application, pin, last_try))


def _left(application: FileApplication, pin: PinReference, last_try: bool) -> int:
    left = application.pins.tries(pin)
    if left == 0:
        raise PinBlocked(pin.rule.name)
    if left == 1 and not last_try:
        raise PinError(1, pin.rule.name, code="pin.last_try")
    return left


@contextmanager
def unlocked(
    card: Card, application: FileApplication, pin: PinReference, ask: Ask, *, last_try: bool = False
) -> Iterator[None]:
    """``application`` selected with ``pin`` verified, the card ours alone until the closing reset.

    A person who would type is sent to the reader's PIN pad where there is one that takes ``pin``: what is
    typed there never enters this machine. Raises as :func:`ask_for`, :meth:`~tegata.apdu.pin.Pins.verify`
    and :meth:`~tegata.apdu.pin.Pins.verify_on_pad`.
    """
    application.select()
    if isinstance(ask, Announcer) and application.pins.fits_pad(pin):
        ask.announce(pin, _left(application, pin, last_try))
        with holder_session(card):
            application.select()
            application.pins.verify_on_pad(pin, allow_last_try=last_try)
            yield
        return
    value = ask_for(application, pin, ask, last_try=last_try)
    try:
        with holder_session(card):
            application.select()
            application.pins.verify(pin, value, allow_last_try=last_try)
            yield
    finally:
        value.wipe()
