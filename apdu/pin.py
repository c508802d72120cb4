"""PINs of a card: what they look like, where they lie, and the two rules that protect their holder.

VERIFY and CHANGE REFERENCE DATA (ISO/IEC 7816-4:2020 §11.5.6, §11.5.7). The rules: no try is spent without
:meth:`Pins.verify` being called, and the last one is not spent unless the caller says so after being told.
Length and alphabet are checked before the card is asked to compare.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .binary import select_file
from .card import Card
from .command import Command, Response
from .errors import CardError, CardRemoved, InputError, PinBlocked, PinError, StatusError, Words
from .pad import CANCELLED, TIMED_OUT, PadTemplate
from .ports import PinPad
from .secret import Secret
from .status import status_error

__all__ = [
    "UNLIMITED",
    "PinChange",
    "PinReference",
    "PinRule",
    "PinStatus",
    "Pins",
    "holder_session",
    "pin_status",
]

CURRENT_FILE = 0x80
UNLIMITED = 255
"""Tries of a PIN that never blocks."""
NO_COUNT = 0x6300
BLOCKED = (0x6983, 0x6984)
ABSENT = (0x6A81, 0x6A82, 0x6A88, 0x6999)
PAD_DIGITS = 8
"""What every PIN pad takes; more may be more than one has places for."""
NOT_TYPED = {
    TIMED_OUT: Words("nobody typed on the reader's PIN pad in time", "時間内に入力されませんでした"),
    CANCELLED: Words("it was cancelled on the reader's PIN pad", "リーダーで取り消されました"),
}


NO_WORDS = Words("", "")


@dataclass(frozen=True, slots=True)
class PinRule:
    """How a PIN looks and how often it may be wrong. ``name`` fills ``{pin}`` of the error sentences.

    ``may_be_unlimited``: a card may say 6300 about it, which means that it never blocks (else that answer is
    refused). ``new_pattern`` and ``new_rule`` are for a value that replaces the old one, where they are
    stricter.
    """

    name: Words
    pattern: str
    rule: Words
    tries: int
    shortest: int
    longest: int
    new_pattern: str = ""
    new_rule: Words = NO_WORDS
    may_be_unlimited: bool = False

    def allows(self, value: bytes) -> bool:
        return re.fullmatch(self.pattern.encode("ascii"), value) is not None

    @property
    def digits(self) -> int:
        """How many digits the PIN has, where that is its whole form; 0 otherwise."""
        zeros, letters = b"0" * self.longest, b"A" * self.longest
        fixed = self.shortest == self.longest
        return self.longest if fixed and self.allows(zeros) and not self.allows(letters) else 0

    def allows_new(self, value: bytes) -> bool:
        pattern = self.new_pattern or self.pattern
        return self.allows(value) and re.fullmatch(pattern.encode("ascii"), value) is not None


class PinChange(enum.Enum):
    """The command that gives a PIN a new value after VERIFY of the old one: CLA, INS, P1."""

    CHANGE_REFERENCE_DATA = (0x00, 0x24, 0x01)
    PROPRIETARY = (0x80, 0x32, 0x00)


@dataclass(frozen=True, slots=True)
class PinReference:
    """One PIN of one application. ``key`` is its short name; ``change`` None means that only the issuer's
    system gives it a new value."""

    key: str
    application: bytes
    file: int
    rule: PinRule
    change: PinChange | None = None

    @property
    def place(self) -> tuple[bytes, int]:
        """Application and file: what tells one PIN of a card from another."""
        return self.application, self.file

    @property
    def by_short_id(self) -> int:
        """P2 that names the file by its short id (ISO/IEC 7816-4:2020 §7.2.1)."""
        return 0x80 | self.file & 0x1F


@dataclass(frozen=True, slots=True)
class PinStatus:
    """What a card says about one PIN: ``tries`` left, 0 for a blocked one, None when the card has no such
    PIN."""

    reference: PinReference
    tries: int | None

    @property
    def blocked(self) -> bool:
        return self.tries == 0


class Pins:
    """The PINs of the application that is selected on ``card``."""

    def __init__(self, card: Card) -> None:
        self._card = card

    def tries(self, pin: PinReference) -> int:
        """How many tries ``pin`` has left (UNLIMITED when it never blocks); asking spends none.

        Raises StatusError.

        A card that answers 9000 (the PIN is verified already) has all of them, since a right PIN resets them,
        or what a wrong one left since then.
        """
        return self._ask(pin)[0]

    def verify(self, pin: PinReference, value: Secret, *, allow_last_try: bool = False) -> None:
        """Present ``value`` (letters in either case).

        Raises, before the card is asked to compare: InputError ``pin.format``, PinBlocked, and PinError
        ``pin.last_try`` when one try is left and ``allow_last_try`` is not said. After a wrong PIN: PinError
        with the tries left, or PinBlocked.
        """
        _checked(pin, value)
        p2 = self._allowed(pin, allow_last_try)
        command = Command(0x00, 0x20, 0x00, p2, _upper(value), secret=((0, None),))
        self._judge(pin, command, self._card.send(command))

    def fits_pad(self, pin: PinReference) -> bool:
        """Whether ``pin`` can be typed on the reader: it has a PIN pad, and only digits are to be typed."""
        pad = isinstance(self._card.link, PinPad) and self._card.secure_channel is None
        return pad and 0 < pin.rule.digits <= PAD_DIGITS

    def verify_on_pad(self, pin: PinReference, *, allow_last_try: bool = False) -> None:
        """As :meth:`verify`, with the value that a person types on the reader; it never enters this machine.

        Raises as :meth:`verify`; CardError ``card.pin_pad`` where :meth:`fits_pad` says no, and
        ``card.pin_not_typed`` when nobody typed, or cancelled it: then no try was spent.
        """
        if not self.fits_pad(pin):
            raise CardError("card.pin_pad", what="it cannot take this PIN")
        p2 = self._allowed(pin, allow_last_try)
        command = PadTemplate.command(p2, pin.rule.digits, pin.rule.digits)
        response = self._card.verify_on_pad(command)
        if response.sw in NOT_TYPED:
            raise CardError("card.pin_not_typed", pin=pin.rule.name, what=NOT_TYPED[response.sw])
        self._judge(pin, command, response)

    def _allowed(self, pin: PinReference, allow_last_try: bool) -> int:
        """The P2 of ``pin`` when a try may be spent on it."""
        left, p2 = self._ask(pin)
        if left == 0:
            raise PinBlocked(pin.rule.name)
        if left == 1 and not allow_last_try:
            raise PinError(1, pin.rule.name, code="pin.last_try")
        return p2

    def change(self, pin: PinReference, old: Secret, new: Secret, *, allow_last_try: bool = False) -> None:
        """Verify ``old``, then put ``new`` in its place; both are checked before the card is asked.

        Raises as :meth:`verify`; CardError ``mynumber.pin_fixed`` for a PIN that only the issuer changes.
        """
        if pin.change is None:
            raise CardError("mynumber.pin_fixed", pin=pin.rule.name)
        if not pin.rule.allows_new(_upper(new)):
            raise InputError("pin.format", pin=pin.rule.name, rule=pin.rule.new_rule or pin.rule.rule)
        self.verify(pin, old, allow_last_try=allow_last_try)
        select_file(self._card, pin.file)
        cla, ins, p1 = pin.change.value
        self._card.expect(Command(cla, ins, p1, CURRENT_FILE, _upper(new), secret=((0, None),)))

    def _ask(self, pin: PinReference) -> tuple[int, int]:
        """Tries left, and the P2 under which the card knows the PIN."""
        profile = self._card.profile
        asked = False
        if profile.reference_by_sfi is not False:
            response = self._card.send(Command(0x00, 0x20, 0x00, pin.by_short_id))
            left = self._left(pin, response)
            if left is not None:
                profile.reference_by_sfi = True
                return left, pin.by_short_id
            asked = True
        select_file(self._card, pin.file)
        command = Command(0x00, 0x20, 0x00, CURRENT_FILE)
        response = self._card.send(command)
        left = self._left(pin, response)
        if left is None:
            raise status_error(command, response, self._card.application)
        if asked:
            profile.reference_by_sfi = False
        return left, CURRENT_FILE

    def _left(self, pin: PinReference, response: Response) -> int | None:
        if response.ok:
            return self._card.profile.wrong.get(pin.place, pin.rule.tries)
        if response.sw in BLOCKED:
            return 0
        if response.sw == NO_COUNT and pin.rule.may_be_unlimited:
            return UNLIMITED
        return response.sw & 0x0F if response.sw & 0xFFF0 == 0x63C0 else None

    def _judge(self, pin: PinReference, command: Command, response: Response) -> None:
        name = pin.rule.name
        if response.ok:
            self._card.profile.wrong.pop(pin.place, None)
            return
        if response.sw in BLOCKED or response.sw == 0x63C0:
            self._card.profile.wrong[pin.place] = 0
            raise PinBlocked(name)
        if response.sw & 0xFFF0 == 0x63C0:
            self._card.profile.wrong[pin.place] = response.sw & 0x0F
            raise PinError(response.sw & 0x0F, name)
        if response.sw == NO_COUNT:
            raise PinError(None, name)
        raise status_error(command, response, self._card.application)


def pin_status(card: Card, pins: Iterable[PinReference]) -> tuple[PinStatus, ...]:
    """What the card says about each of ``pins``, selecting their applications; no try is spent.

    Selecting another application ends what was verified. Raises StatusError for an answer that means neither
    tries nor absence.
    """
    found = []
    here: bytes | None = None
    present = False
    asking = Pins(card)
    for pin in pins:
        if pin.application != here:
            here = pin.application
            response = card.send(Command(0x00, 0xA4, 0x04, 0x0C, here))
            present = response.ok
        found.append(PinStatus(pin, _tries_or_none(asking, pin) if present else None))
    return tuple(found)


def _tries_or_none(asking: Pins, pin: PinReference) -> int | None:
    try:
        return asking.tries(pin)
    except StatusError as error:
        if error.sw in ABSENT:
            return None
        raise


@contextmanager
def holder_session(card: Card) -> Iterator[Card]:
    """The card for this program alone, from here to a closing reset: no PIN stays verified for the next
    program, whatever happens in between."""
    with card.exclusive():
        try:
            yield card
        finally:
            try:
                card.reset()
            except CardRemoved:
                # A card without power has forgotten every PIN.
                card.application = ""


def _upper(value: Secret) -> bytes:
    return value.reveal().upper() if len(value) else b""


def _checked(pin: PinReference, value: Secret) -> None:
    if not pin.rule.allows(_upper(value)):
        raise InputError("pin.format", pin=pin.rule.name, rule=pin.rule.rule)
