"""A small application that brings the card's global PIN before the holder (ISO 7816-4 §11.6.6 to §11.6.10).

VERIFY ``00 20 00 00`` and its question without data work in every instance. An instance with the privilege
CVM Management lays the PIN down in its personalisation: ``8010`` the value, padded with FF to eight bytes and
encrypted under the DEK, and ``9010`` its try limit; ``9010`` alone unblocks it, with a new limit.
"""

from __future__ import annotations

from typing import ClassVar

from ...apdu.command import Command, Response
from ..card.application import Application, CardStatus, Context
from ..card.cvm import CvmRefused, CvmState
from ..card.registry import LifeCycle
from .personalization import collect

__all__ = ["MODULE_AID", "PACKAGE_AID", "GlobalPinApplication"]

PACKAGE_AID = bytes.fromhex("F07465676174610050")
MODULE_AID = bytes.fromhex("F0746567617461005001")
INS_VERIFY = 0x20
DGI_PIN, DGI_LIMIT = 0x8010, 0x9010
PIN_LENGTH = 8


class GlobalPinApplication(Application):
    """VERIFY for everybody, the value for whom the card trusts with it."""

    model: ClassVar[str] = "global-pin"

    def process(self, ctx: Context, command: Command) -> Response:
        if command.cla & 0x80:
            raise CardStatus(0x6E00)
        if command.ins != INS_VERIFY:
            raise CardStatus(0x6D00)
        if command.p1 != 0 or command.p2 != 0:
            raise CardStatus(0x6A86)
        if command.data and len(command.data) != PIN_LENGTH:
            raise CardStatus(0x6700)
        pin = ctx.cvm
        if pin.state is CvmState.INACTIVE:
            raise CardStatus(0x6985)
        if pin.state is CvmState.BLOCKED:
            raise CardStatus(0x6983)
        verified = pin.verify(command.data) if command.data else pin.state is CvmState.VALIDATED
        if verified:
            return Response()
        tries = pin.tries_remaining
        raise CardStatus(0x63C0 | min(tries, 15) if tries else 0x6983)

    def personalize(self, ctx: Context, command: Command) -> Response:
        groupings = collect(ctx, command)
        if groupings is None:
            return Response()
        values = dict(groupings)
        limit, cryptogram = values.get(DGI_LIMIT, b""), values.get(DGI_PIN)
        if not {*values} <= {DGI_PIN, DGI_LIMIT} or len(limit) != 1 or len(values) != len(groupings):
            raise CardStatus(0x6A80)
        value = ctx.decrypt(cryptogram)[:PIN_LENGTH] if cryptogram is not None else None
        try:
            with ctx.transaction():
                ctx.cvm.update(value, limit[0])
                if ctx.life_cycle == LifeCycle.SELECTABLE:
                    ctx.set_life_cycle(LifeCycle.PERSONALIZED)
        except CvmRefused:
            raise CardStatus(0x6985) from None
        return Response()
