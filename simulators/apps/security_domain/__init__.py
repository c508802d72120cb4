"""The simulated security domain: issuer's and supplementary (GPC 2.3.1 §7, §11; Amendment D 1.1.1).

``opening`` opens a channel and ``messaging`` carries it, ``r_mac`` begins and ends its R-MAC sessions;
``keystore`` and ``keys`` have the keys. ``rights`` says who may change content, ``privileges`` what an
application may be; ``load``, ``install``, ``delete`` change it, ``status`` lists it, ``life_cycle`` moves
states. ``data`` reads and stores objects and hands STORE DATA to a target of personalisation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ....apdu.command import Command, Response
from ....apdu.tlv import Tlv
from ....applets.security_domain.model import Ins, Tag
from ...card.application import Application, CardStatus, Context, DomainContext, SecureMessaging
from ...card.policy import SHORT_DATA_MAX
from ...card.registry import Kind, LifeCycle
from . import (
    access,
    data,
    delete,
    install,
    life_cycle,
    load,
    opening,
    protocols,
    r_mac,
    scp11,
    status,
)
from .keys import put_key
from .messaging import Messaging

__all__ = ["SecurityDomain"]

# What a card that is locked or terminated still does (GPC 2.3.1 table 11-2).
IN_USE_ANYWAY: dict[int, tuple[int, ...]] = {
    LifeCycle.CARD_LOCKED: (
        Ins.INITIALIZE_UPDATE,
        Ins.EXTERNAL_AUTHENTICATE,
        Ins.PERFORM_SECURITY_OPERATION,
        Ins.INTERNAL_AUTHENTICATE,
        Ins.GET_DATA,
        Ins.GET_STATUS,
        Ins.SET_STATUS,
    ),
    LifeCycle.CARD_TERMINATED: (Ins.GET_DATA,),
}

Handler = Callable[[DomainContext, Command], Response]


def _external_or_mutual(ctx: DomainContext, command: Command) -> Response:
    """One instruction for two protocols: SCP11 names the card's key in P2, which is 00 in the others."""
    mutual = command.p2 in scp11.KIDS and not command.cla & 0x0C
    return scp11.authenticate(ctx, command) if mutual else opening.external_authenticate(ctx, command)


HANDLERS: dict[int, Handler] = {
    Ins.INITIALIZE_UPDATE: opening.initialize_update,
    Ins.EXTERNAL_AUTHENTICATE: _external_or_mutual,
    Ins.INTERNAL_AUTHENTICATE: scp11.authenticate,
    Ins.PERFORM_SECURITY_OPERATION: scp11.verify_certificate,
    Ins.GENERATE_KEY: scp11.generate_key,
    Ins.BEGIN_R_MAC: r_mac.begin,
    Ins.END_R_MAC: r_mac.end,
    Ins.GET_DATA: data.get_data,
    Ins.STORE_DATA: data.store_data,
    Ins.GET_STATUS: status.get_status,
    Ins.SET_STATUS: life_cycle.set_status,
    Ins.INSTALL: install.install,
    Ins.LOAD: load.load,
    Ins.DELETE: delete.delete,
    Ins.PUT_KEY: put_key,
}


class SecurityDomain(Application):
    """An issuer security domain or a supplementary one; the registry entry tells which."""

    model: ClassVar[str] = "security-domain"
    _messaging: ClassVar[SecureMessaging] = Messaging()

    def install(self, ctx: Context, parameters: bytes) -> None:
        """``C9`` of a supplementary domain: the protocols that it offers (facts §B2). ``82`` and ``87``, from
        whom and to whom it gives and takes applications, are accepted: this card lets it do both."""
        if isinstance(ctx, DomainContext) and (chosen := protocols.choice(ctx, parameters)):
            ctx.nv.put(protocols.OFFERED, chosen)

    def select(self, ctx: Context, command: Command) -> Response:
        most = ctx.policy.max_command_data
        announced = Tlv(Tag.MAX_COMMAND_DATA, most.to_bytes(1 if most <= SHORT_DATA_MAX else 2, "big"))
        proprietary = Tlv.build(Tag.FCI_PROPRIETARY, (announced,))
        fci = Tlv.build(Tag.FCI, (Tlv(Tag.AID, ctx.aid), proprietary))
        locked = ctx.entry.kind is Kind.ISSUER_DOMAIN and ctx.life_cycle == LifeCycle.CARD_LOCKED
        return Response(bytes(fci), 0x6283 if locked else 0x9000)

    def process(self, ctx: Context, command: Command) -> Response:
        if not isinstance(ctx, DomainContext):
            raise TypeError("a security domain runs with the rights of one")
        if ctx.entry.locked:
            # It stays selected where it was, and rejects everything (GPC 2.3.1 §5.3.2.4, §9.6.2).
            raise CardStatus(0x6985)
        handler = HANDLERS.get(command.ins)
        if handler is None:
            raise CardStatus(0x6D00)
        if command.cla & 0x0C and command.ins != Ins.EXTERNAL_AUTHENTICATE:
            # Secure messaging without a channel: it was never opened, or has ended.
            raise CardStatus(0x6982)
        if command.cla & 0x80 == 0 and command.ins not in (Ins.GET_DATA, Ins.STORE_DATA):
            raise CardStatus(0x6E00)
        if command.ins not in IN_USE_ANYWAY.get(access.card_state(ctx), HANDLERS):
            raise CardStatus(0x6985)
        if not load.continues(command):
            load.abort(ctx)
        return handler(ctx, command)

    def personalize(self, ctx: Context, command: Command) -> Response:
        """Keys of a supplementary domain, laid down by the domain above it (GPC 2.3.1 §11.11.4)."""
        return data.personalize(ctx, command)

    def secure_messaging(self) -> SecureMessaging:
        return self._messaging
