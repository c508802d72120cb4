"""Asking a card whether it is a My Number Card, and for its serial (common application)."""

from __future__ import annotations

from ...apdu.card import Card
from ...apdu.command import Command
from ...apdu.errors import MalformedResponse
from ...apdu.names import application_name
from ...apdu.status import status_error
from .model import AID, CardSerial, Ef

__all__ = ["card_serial", "is_my_number_card"]

ABSENT = (0x6A81, 0x6A82, 0x6A86, 0x6D00, 0x6E00, 0x6999)


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
