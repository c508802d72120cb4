"""Reading the four attributes from the text application (券面事項入力補助 AP); the 個人番号 is never read."""

from __future__ import annotations

from ...apdu.binary import read_object
from ...apdu.card import Card
from ...apdu.errors import InputError, MalformedResponse
from ...apdu.file_pin import FilePin, select_file
from ...apdu.secret import Secret
from .model import (
    AID,
    MAX_ATTRIBUTES_BYTES,
    PIN_DIGITS,
    PIN_NAME,
    PIN_RULE,
    PIN_TRIES,
    Attributes,
    Ef,
)

__all__ = ["TextApplication"]


class TextApplication:
    """The text application of one card. Call :meth:`select` first."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self._pin = FilePin(card, Ef.PIN, PIN_NAME, PIN_TRIES)

    def select(self) -> None:
        """Select the application. Raises StatusError for a card without it."""
        self._card.select(AID, p2=0x0C)

    def tries(self) -> int:
        """How many tries its PIN has left; asking spends none."""
        return self._pin.tries()

    def verify(self, pin: Secret, *, allow_last_try: bool = False) -> None:
        """Present the PIN. Raises InputError ``pin.format``, PinError (``pin.last_try`` too), PinBlocked."""
        value = pin.reveal() if len(pin) else b""
        if len(value) != PIN_DIGITS or not value.isdigit():
            raise InputError("pin.format", pin=PIN_NAME, rule=PIN_RULE)
        self._pin.verify(value, allow_last_try=allow_last_try)

    def attributes(self) -> Attributes:
        """Name, address, birth date and sex; needs the PIN. Raises StatusError 6982 without it."""
        select_file(self._card, Ef.ATTRIBUTES)
        raw = read_object(self._card, limit=MAX_ATTRIBUTES_BYTES, secret=True)
        try:
            return Attributes.parse(raw)
        except ValueError as error:
            raise MalformedResponse("the four attributes", "EF 0002") from error
