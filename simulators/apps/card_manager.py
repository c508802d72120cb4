"""The card manager of the My Number Card, current after power-on: GET DATA at card level and nothing to
load with.

Tags are those measured on real cards (issuer identification 42, card identification number 45, recognition
data 66, …); an object longer than 256 bytes answers 6700 to a short Le. The loading commands of the real
one are not public: here they answer 6D00.
"""

from __future__ import annotations

from ...apdu.command import Command, Response
from ..card.application import CardStatus, Context
from .jicsap import INS_GET_CHALLENGE, INS_SELECT, FileApplication

__all__ = ["AID", "CardManager"]

AID = bytes.fromhex("A0000001510000")
INS_GET_DATA = 0xCA


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
        raise CardStatus(0x6A82)

    def _get_data(self, ctx: Context, command: Command) -> Response:
        name = f"do/{command.p1 << 8 | command.p2:04x}"
        if name not in ctx.nv:
            raise CardStatus(0x6A88)
        if command.data or command.le is None:
            raise CardStatus(0x6700)
        content = ctx.nv.get(name)
        if len(content) > 256 and not command.extended:
            raise CardStatus(0x6700)
        return Response(content)
