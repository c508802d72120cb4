"""The card manager of the My Number Card, current after power-on: GET DATA at card level and nothing to
load with.

Tags are those measured on real cards: issuer identification 42, card identification number 45, recognition
data 66, municipality F0, expiry F2, key id F7, upper and lower part of a chain of card-verifiable
certificates F8 and 7F21 (the latter is missing on some cards), ATR of the contacts 5F51. An object longer
than 256 bytes answers 6700 to a short Le. The loading commands of the real one are not public: here they
answer 6D00.
"""

from __future__ import annotations

from ...apdu.command import Command, Response
from ..card.application import CardStatus, Context
from .jicsap import CONTACT_ATR, INS_GET_CHALLENGE, INS_GET_DATA, INS_SELECT, FileApplication

__all__ = ["AID", "CardManager"]

AID = bytes.fromhex("A0000001510000")


class CardManager(FileApplication):
    """Objects lie in memory under ``do/hhhh``."""

    model = "jicsap-manager"
    secure_messaging_sw = 0x6882
    instructions = {
        INS_SELECT: (0x00, "_select_file"),
        INS_GET_CHALLENGE: (0x00, "_get_challenge"),
        INS_GET_DATA: (0x00, "_get_data"),
    }

    def _select_file(self, ctx: Context, command: Command) -> Response:
        """No files here, and the bare SELECT of the master file is refused while no application is
        current."""
        if command.p1 == 0x00 and not command.data:
            raise CardStatus(0x6A86)
        if command.p1 not in (0x00, 0x02):
            raise CardStatus(0x6A86)
        raise CardStatus(ctx.policy.no_application_sw if command.p1 == 0x02 else 0x6A82)

    def _get_data(self, ctx: Context, command: Command) -> Response:
        tag = command.p1 << 8 | command.p2
        name = f"do/{tag:04x}"
        elsewhere = tag == CONTACT_ATR and ctx.policy.contact_atr_in_applications
        if name not in ctx.nv or elsewhere:
            raise CardStatus(0x6A88)
        if command.data or command.le is None:
            raise CardStatus(0x6700)
        content = ctx.nv.get(name)
        if len(content) > 256 and not command.extended:
            raise CardStatus(0x6700)
        return Response(content)
