"""Objects of the card itself: GET DATA while the card manager is selected, as after power-up.

One author measured them on real cards (ISO/IEC 7816-4:2020 §11.4.3 for the command). Selecting the card
manager ends what was verified in an application.
"""

from __future__ import annotations

import enum
from datetime import date

from ...apdu.card import Card
from ...apdu.command import Command, Response
from ...apdu.cvc import CardVerifiableCertificate
from ...apdu.errors import CardError, MalformedResponse, Words
from ...apdu.status import status_error

__all__ = ["MANAGER_AID", "CardManager", "CardObject"]

MANAGER_AID = bytes.fromhex("A0000001510000")
ABSENT = (0x6A88, 0x6A82)
TOO_LONG = 0x6700
SHORT_LE, EXTENDED_LE = 256, 65536
MAX_OBJECT = 4096


class CardObject(enum.IntEnum):
    """Tags of the objects."""

    ISSUER = 0x0042
    CARD_NUMBER = 0x0045
    RECOGNITION = 0x0066
    MUNICIPALITY = 0x00F0
    EXPIRY = 0x00F2
    KEY_ID = 0x00F7
    UPPER_CERTIFICATE = 0x00F8
    LOWER_CERTIFICATE = 0x7F21
    CONTACT_ATR = 0x5F51


class CardManager:
    """The card manager of one card. Call :meth:`select` first."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def select(self) -> None:
        """Raises StatusError for a card without it."""
        self.card.select(MANAGER_AID, p2=0x0C)

    def read(self, tag: CardObject) -> bytes | None:
        """One object; None when the card has none. An object longer than 256 bytes needs an extended Le,
        which the card says by 6700. Raises StatusError and MalformedResponse."""
        command, response = self._get_data(tag, SHORT_LE, extended=False)
        if response.sw == TOO_LONG and self.card.profile.extended is not False:
            known, self.card.profile.extended = self.card.profile.extended, True
            command, response = self._get_data(tag, EXTENDED_LE, extended=True)
            if not response.ok:
                self.card.profile.extended = known
        if response.sw in ABSENT:
            return None
        if not response.ok:
            raise status_error(command, response, self.card.application)
        if len(response.data) > MAX_OBJECT:
            raise MalformedResponse(f"{len(response.data)} bytes", f"object {tag:04X}")
        return response.data

    def municipality(self) -> str:
        """Five digits. Raises CardError and MalformedResponse."""
        return self._digits(CardObject.MUNICIPALITY, 5)

    def expiry(self) -> date:
        """The day on which the card ends. Raises CardError and MalformedResponse."""
        text = self._digits(CardObject.EXPIRY, 8)
        try:
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError as error:
            raise MalformedResponse("no date", f"object {CardObject.EXPIRY:04X}") from error

    def certificates(self) -> tuple[CardVerifiableCertificate, ...]:
        """The upper and lower certificates of the card's own chain, as far as it has them: intermediates for
        the checks of the other applications, never anchors."""
        found = []
        for tag in (CardObject.UPPER_CERTIFICATE, CardObject.LOWER_CERTIFICATE):
            raw = self.read(tag)
            if raw is None:
                continue
            try:
                found.append(CardVerifiableCertificate.parse(raw))
            except ValueError as error:
                raise MalformedResponse("no card-verifiable certificate", f"object {tag:04X}") from error
        return tuple(found)

    def _digits(self, tag: CardObject, count: int) -> str:
        raw = self.read(tag)
        if raw is None:
            raise CardError("mynumber.file_absent", what=Words(f"object {tag:04X}", f"データ {tag:04X}"))
        if len(raw) != count or not raw.isdigit():
            raise MalformedResponse(f"something else than {count} digits", f"object {tag:04X}")
        return raw.decode("ascii")

    def _get_data(self, tag: int, le: int, *, extended: bool) -> tuple[Command, Response]:
        hidden = ((0, None),)
        command = Command(0x00, 0xCA, tag >> 8, tag & 0xFF, le=le, extended=extended, secret_answer=hidden)
        return command, self.card.send(command)
