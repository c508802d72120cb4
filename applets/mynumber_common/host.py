"""Asking a card whether it is a My Number Card, for its serial, and to answer a challenge (common
application)."""

from __future__ import annotations

import os

from ...apdu.authenticity import Check, Verdict
from ...apdu.card import Card
from ...apdu.command import Command
from ...apdu.errors import MalformedResponse, Words
from ...apdu.files import ABSENT, CardFile, FileApplication
from ...apdu.names import application_name
from ...apdu.status import status_error
from .model import AID, INTERNAL_KEY_REFERENCE, KEY_REFERENCE_BYTES, CardSerial, Ef

__all__ = ["CommonApplication", "card_serial", "is_my_number_card"]

SIGNATURE_BYTES = 256
CHALLENGE_BYTES = 32
KEY_REFERENCE = CardFile(
    Ef.KEY_REFERENCE, Words("the key reference", "鍵の識別子"), bytes, length=KEY_REFERENCE_BYTES
)


def is_my_number_card(card: Card) -> bool:
    """Whether the common application answers. Asked before anything is written to an unknown card.

    A warning (62xx, 63xx) or more data (61xx) counts as an answer: in doubt the card is the holder's own.
    Raises StatusError for a refusal that does not say that the application is not there.
    """
    command = Command(0x00, 0xA4, 0x04, 0x0C, AID)
    response = card.send(command)
    if response.ok or response.sw1 in (0x61, 0x62, 0x63):
        return True
    if response.sw in ABSENT:
        return False
    raise status_error(command, response, application_name(AID))


def card_serial(card: Card) -> CardSerial:
    """Record 1 of the common application, which :func:`is_my_number_card` selected.

    It tells one card from another for ever: show it to nobody and store it nowhere without need.
    """
    command = Command(0x00, 0xB2, 0x01, Ef.SERIAL << 3 | 0x04, le=256, secret_answer=((0, None),))
    try:
        return CardSerial.parse(card.expect(command).data)
    except ValueError as error:
        raise MalformedResponse("record 1", "the common application") from error


class CommonApplication(FileApplication):
    """The common application of one card. Call :meth:`select` first."""

    aid = AID
    name = Words("common", "共通")

    def serial(self) -> CardSerial:
        """Serial (製造番号), municipality and expiry; see :func:`card_serial`."""
        return card_serial(self.card)

    def key_reference(self) -> bytes:
        """Sixteen bytes that name the card's key."""
        return self.read(KEY_REFERENCE).value

    def check_key(self) -> Check:
        """INTERNAL AUTHENTICATE with key 0019 over a fresh challenge (ISO/IEC 7816-4:2020 §11.5.2).

        The public half is not on the card and not published: the answer can be taken and not checked, so the
        verdict is at best "no public key known".
        """
        challenge = os.urandom(CHALLENGE_BYTES)
        command = Command(0x00, 0x88, 0x00, INTERNAL_KEY_REFERENCE, challenge, le=SIGNATURE_BYTES)
        response = self.card.send(command)
        if not response.ok or len(response.data) != SIGNATURE_BYTES:
            return Check.invalid(
                "common key",
                f"the card did not answer the challenge (status {response.sw:04X})",
                f"カードが乱数に署名しませんでした (ステータス {response.sw:04X})",
            )
        return Check("common key", Verdict.UNKNOWN)
