"""An application of somebody else on a My Number Card (a driving licence, a municipality's own): it can be
selected, and everything else is refused.

What such applications hold and answer is not public, nor are their AIDs: the simulated ones have invented
names. They are there so that hosts meet a card with more on it than they know.
"""

from __future__ import annotations

from ...apdu.command import Command, Response
from ..card.application import Application, CardStatus, Context

__all__ = ["OpaqueApplication"]

GUARDED = frozenset((0x20, 0x88, 0xA4, 0xB0, 0xB2, 0xCA))


class OpaqueApplication(Application):
    """Answers SELECT by name with 9000 alone."""

    model = "opaque"

    def select(self, ctx: Context, command: Command) -> Response:
        return Response()

    def process(self, ctx: Context, command: Command) -> Response:
        raise CardStatus(0x6982 if command.cla == 0x00 and command.ins in GUARDED else 0x6D00)
