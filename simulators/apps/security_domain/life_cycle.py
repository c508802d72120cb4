"""SET STATUS: life cycles of card, domains and applications (GPC 2.3.1 §5, §11.10)."""

from __future__ import annotations

from ....apdu.command import Command, Response
from ....applets.security_domain.model import StatusScope
from ...card.application import CardStatus, DomainContext
from ...card.registry import Kind, LifeCycle, Privilege, RegistryEntry, ancestors
from .access import require, require_fresh
from .keystore import KeyStore
from .rights import domain_context

__all__ = ["set_status"]

LOCKED = 0x80
DOMAIN_AND_ITS_APPLICATIONS = 0x60
# Next states that SET STATUS allows from each state of the card (GPC 2.3.1 figure 5-1).
CARD_STATES: dict[int, tuple[int, ...]] = {
    LifeCycle.CARD_OP_READY: (0x07, 0x0F, 0xFF),
    LifeCycle.CARD_INITIALIZED: (0x0F, 0xFF),
    LifeCycle.CARD_SECURED: (0x7F, 0xFF),
    LifeCycle.CARD_LOCKED: (0x0F, 0xFF),
    LifeCycle.CARD_TERMINATED: (),
}


def set_status(ctx: DomainContext, command: Command) -> Response:
    """The card's life cycle, or that of an application or supplementary domain."""
    require(ctx)
    require_fresh(ctx)
    if command.p1 == StatusScope.ISSUER_DOMAIN:
        return _set_card_state(ctx, command.p2)
    if command.p1 not in (StatusScope.APPLICATIONS, DOMAIN_AND_ITS_APPLICATIONS):
        raise CardStatus(0x6A86)
    entry = ctx.find(command.data) if command.data else None
    if entry is None or entry.kind in (Kind.PACKAGE, Kind.ISSUER_DOMAIN):
        raise CardStatus(0x6A88)
    registry = ctx.registry()
    if not _may_lock(ctx) and ctx.aid not in ancestors(registry, entry):
        raise CardStatus(0x6985)
    entries = [entry]
    if command.p1 == DOMAIN_AND_ITS_APPLICATIONS:
        if entry.kind is not Kind.DOMAIN:
            raise CardStatus(0x6A88)
        entries += [
            other
            for other in registry
            if other.kind is not Kind.PACKAGE
            and other.aid != entry.aid
            and entry.aid in ancestors(registry, other)
        ]
        if command.p2 & ~LOCKED:
            raise CardStatus(0x6A80)
    with ctx.transaction():
        for other in entries:
            state = _next_state(ctx, other, command.p2)
            if state != other.life_cycle:
                ctx.put_entry(other.with_(life_cycle=state))
    return Response()


def _may_lock(ctx: DomainContext) -> bool:
    return ctx.entry.kind is Kind.ISSUER_DOMAIN or bool(ctx.entry.privileges & Privilege.GLOBAL_LOCK)


def _next_state(ctx: DomainContext, entry: RegistryEntry, asked: int) -> int:
    """The state after SET STATUS; only bit 8 counts for a lock, and unlocking leads back to the state before
    it (GPC 2.3.1 §5.3.1.5). A domain that has keys may also be said to be personalised (§5.3.2.3).

    Raises CardStatus 6985 for a transition that there is not.
    """
    current = entry.life_cycle
    if asked & LOCKED:
        return current | LOCKED
    if current & LOCKED or asked in (0, current):
        return current & ~LOCKED
    if (
        entry.kind is Kind.DOMAIN
        and (current, asked) == (LifeCycle.SELECTABLE, LifeCycle.PERSONALIZED)
        and KeyStore(domain_context(ctx, entry.aid)).opens_a_channel()
    ):
        return asked
    raise CardStatus(0x6985)


def _set_card_state(ctx: DomainContext, state: int) -> Response:
    issuer = next(entry for entry in ctx.registry() if entry.kind is Kind.ISSUER_DOMAIN)
    needed = Privilege.CARD_TERMINATE if state == LifeCycle.CARD_TERMINATED else Privilege.CARD_LOCK
    if ctx.entry.kind is not Kind.ISSUER_DOMAIN and not ctx.entry.privileges & needed:
        raise CardStatus(0x6985)
    if state == issuer.life_cycle:
        return Response()
    if state not in CARD_STATES.get(issuer.life_cycle, ()):
        raise CardStatus(0x6985)
    ctx.put_entry(issuer.with_(life_cycle=state))
    return Response()
