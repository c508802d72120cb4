"""Asking a card whether it is a My Number Card, and for its serial (common application)."""

from __future__ import annotations

from ...apdu.card import Card
from ...apdu.command import Command
from ...apdu.errors import MalformedResponse
from .model import AID, CardSerial, Ef

__all__ = ["card_serial", "is_my_number_card"]

RECORD_BYTES = 30


def is_my_number_card(card: Card) -> bool:
    """Whether the common application answers. Asked before anything is written to an unknown card.

    A warning (62xx, 63xx) or more data (61xx) counts as an answer: in doubt the card is the holder's own.
    """
    response = card.send(Command(0x00, 0xA4, 0x04, 0x0C, AID))
    return response.ok or response.sw1 in (0x61, 0x62, 0x63)


def card_serial(card: Card) -> CardSerial:
    """Record 1 of the common application, which :func:`is_my_number_card` selected.

    It tells one card from another for ever: show it to nobody and store it nowhere without need.
    """
    command = Command(0x00, 0xB2, 0x01, Ef.SERIAL << 3 | 0x04, le=256, secret_answer=((0, None),))
    try:
        return CardSerial.parse(card.expect(command).data)
    except ValueError as error:
        raise MalformedResponse("record 1", "the common application") from error
