"""An applet whose code was loaded and that has no model here: it can be installed, selected and deleted.

It answers SELECT with its AID and knows no command. Without the interfaces Application and Personalization
it takes no STORE DATA from its domain (GPC 2.3.1 §7.3.2).
"""

from __future__ import annotations

from ...apdu.command import Command, Response
from ...apdu.tlv import Tlv
from ...applets.security_domain.model import Tag
from ..card.application import Application, Context

__all__ = ["Placeholder"]


class Placeholder(Application):
    """SELECT answers ``6F {84 AID}``; everything else is refused with 6D00, as the base class does."""

    model = "placeholder"

    def select(self, ctx: Context, command: Command) -> Response:
        return Response(bytes(Tlv.build(Tag.FCI, (Tlv(Tag.AID, ctx.aid),))))
