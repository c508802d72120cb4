"""The conversation at a check-in desk: card after card, one line typed for each.

A line is a 照合番号 B from the face of the card, ``p`` for the holder's PIN, ``u`` to take the last arrival
back, ``q`` to end. Lines come from a terminal or from a pipe. A mistake is said and the desk goes on.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from ...apdu.authenticity import Anchors, Verdict
from ...apdu.errors import CardError, InputError, TegataError, Words
from ...apdu.pin import PinReference
from ...apdu.ports import Reader
from ...apdu.secret import Secret
from ...applets.mynumber_text.host import TextApplication
from ...applets.mynumber_text.model import CHECK_NUMBER_B, PIN, Attributes
from .checkin import Arrival, CheckinDesk
from .holder import Ask, Place, unlocked
from .terminal import typed

__all__ = ["Arrived", "Event", "Failed", "Session", "Undone"]


@dataclass(frozen=True, slots=True, repr=False)
class Arrived:
    """A card was read. ``person`` is for the operator's eyes and kept nowhere."""

    arrival: Arrival
    person: Attributes
    count: int


@dataclass(frozen=True, slots=True)
class Undone:
    """The last arrival was taken back; None when there was none."""

    number: int | None


@dataclass(frozen=True, slots=True)
class Failed:
    """A card was not taken, and why."""

    error: TegataError


Event = Arrived | Undone | Failed


class Session:
    """``places``: readers whose cards are taken in turn. ``anchors``: whom to believe; without any, a card
    that is consistent in itself is taken."""

    def __init__(
        self, desk: CheckinDesk, places: tuple[Place, ...], anchors: Anchors, lines: Iterator[str]
    ) -> None:
        self._desk = desk
        self._places = places
        self._anchors = anchors
        self._lines = lines

    def run(self, removed: Callable[[], None] = lambda: None) -> Iterator[Event]:
        """Until ``q`` or the end of the lines. ``removed`` is called before waiting for a card to be taken
        away."""
        with ExitStack() as stack:
            readers = [(place, stack.enter_context(place.reader())) for place in self._places]
            turn = itertools.cycle(readers)
            place, reader = next(turn)
            for line in self._lines:
                word = line.strip()
                if word == "q":
                    return
                if word == "u":
                    yield Undone(self._desk.undo())
                elif word:
                    event = self._take(place, reader, word)
                    yield event
                    if isinstance(event, Arrived):
                        _until_taken_away(place, reader, removed)
                        place, reader = next(turn)

    def _take(self, place: Place, reader: Reader, word: str) -> Event:
        pin = PIN if word == "p" else CHECK_NUMBER_B
        try:
            ask = self._holder(place) if pin is PIN else _given(word)
            with place.card_of(reader) as card:
                text = TextApplication(card)
                with unlocked(card, text, pin, ask):
                    person = text.attributes()
                    check = text.check_attributes(self._anchors)
            wanted = {Verdict.ANCHORED} if self._anchors.by_key_id else {Verdict.ANCHORED, Verdict.CONSISTENT}
            if check.verdict not in wanted:
                what = Words(check.sentence("en"), check.sentence("ja"))
                raise CardError("checkin.not_genuine", what=what)
            arrival = self._desk.register(person)
        except TegataError as error:
            return Failed(error)
        return Arrived(arrival, person, self._desk.count)

    def _holder(self, place: Place) -> Ask:
        """The holder types the PIN: at the terminal, or, for a simulated card, in the next line."""

        def ask(pin: PinReference, left: int) -> Secret:
            if sys.stdin.isatty() or not place.simulated:
                return typed(pin, left)
            return _secret(next(self._lines, "").strip(), pin)

        return ask


def _given(word: str) -> Ask:
    return lambda pin, left: _secret(word, pin)


def _secret(text: str, pin: PinReference) -> Secret:
    try:
        return Secret.from_text(text)
    except ValueError:
        raise InputError("pin.format", pin=pin.rule.name, rule=pin.rule.rule) from None


def _until_taken_away(place: Place, reader: Reader, removed: Callable[[], None]) -> None:
    """So that the next number is never tried on the card before. A simulated card lies there for ever."""
    if place.simulated:
        return
    removed()
    for event in reader.events(None):
        if not event.present:
            return
