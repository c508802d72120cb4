"""Reading the four attributes from the text application (券面事項入力補助 AP); the 個人番号 is never read."""

from __future__ import annotations

from ...apdu.binary import read_object
from ...apdu.card import Card
from ...apdu.command import Command
from ...apdu.errors import InputError, MalformedResponse, PinBlocked, PinError
from ...apdu.secret import Secret
from ...apdu.status import status_error
from .model import (
    AID,
    MAX_ATTRIBUTES_BYTES,
    PIN,
    PIN_TRIES,
    Attributes,
    Ef,
)

__all__ = ["TextApplication"]

BLOCKED = (0x6983, 0x6984)
CURRENT_FILE = 0x80


class TextApplication:
    """The text application of one card. Call :meth:`select` first."""

    def __init__(self, card: Card) -> None:
        self._card = card

    def select(self) -> None:
        """Select the application. Raises StatusError for a card without it."""
        self._card.select(AID, p2=0x0C)

    def tries(self) -> int:
        """How many tries its PIN has left; asking spends none."""
        self._select_file(Ef.PIN)
        command = Command(0x00, 0x20, 0x00, CURRENT_FILE)
        response = self._card.send(command)
        if response.ok:
            return PIN_TRIES
        if response.sw in BLOCKED:
            return 0
        if response.sw & 0xFFF0 != 0x63C0:
            raise status_error(command, response, self._card.application)
        return response.sw & 0x0F

    def verify(self, pin: Secret, *, allow_last_try: bool = False) -> None:
        """Present the PIN. Raises InputError ``pin.format``, PinError (``pin.last_try`` too), PinBlocked."""
        value = pin.reveal() if len(pin) else b""
        if not PIN.rule.allows(value):
            raise InputError("pin.format", pin=PIN.rule.name, rule=PIN.rule.rule)
        left = self.tries()
        if left == 0:
            raise PinBlocked(PIN.rule.name)
        if left == 1 and not allow_last_try:
            raise PinError(1, PIN.rule.name, code="pin.last_try")
        command = Command(0x00, 0x20, 0x00, CURRENT_FILE, value, secret=((0, None),))
        response = self._card.send(command)
        if response.sw in BLOCKED or response.sw == 0x63C0:
            raise PinBlocked(PIN.rule.name)
        if response.sw & 0xFFF0 == 0x63C0:
            raise PinError(response.sw & 0x0F, PIN.rule.name)
        if not response.ok:
            raise status_error(command, response, self._card.application)

    def attributes(self) -> Attributes:
        """Name, address, birth date and sex; needs the PIN. Raises StatusError 6982 without it."""
        self._select_file(Ef.ATTRIBUTES)
        raw = read_object(self._card, limit=MAX_ATTRIBUTES_BYTES, secret=True)
        try:
            return Attributes.parse(raw)
        except ValueError as error:
            raise MalformedResponse("the four attributes", "EF 0002") from error

    def _select_file(self, file: Ef) -> None:
        self._card.expect(Command(0x00, 0xA4, 0x02, 0x0C, file.to_bytes(2, "big")))
