"""DELETE [card content] (GPC 2.3.1 §9.5, §11.2)."""

from __future__ import annotations

from ....apdu.command import Command, Response
from ....applets.security_domain.model import Tag
from ....applets.security_domain.model.receipts import delete_context
from ....applets.security_domain.model.tokens import (
    ControlReference,
    find_control_reference,
    split_delete,
    token_input,
)
from ...card.application import CardStatus, DomainContext
from ...card.registry import Kind, Privilege, RegistryEntry
from .access import ANYBODY, require
from .keys import delete_keys
from .privileges import give_back
from .rights import Request, authorize, require_reach

__all__ = ["delete"]

WITH_RELATED = 0x80


def delete(ctx: DomainContext, command: Command) -> Response:
    """DELETE of keys, an application, or a package (with its applications when P2 = 80)."""
    require(ctx, by=ANYBODY)
    try:
        objects, token, signed = split_delete(command.data)
        reference = find_control_reference(signed) or ControlReference()
    except ValueError:
        raise CardStatus(0x6A80) from None
    values = {tlv.tag: tlv.value for tlv in objects}
    if Tag.KEY_VERSION in values or Tag.KEY_ID in values:
        require(ctx)
        return delete_keys(ctx, command, values)
    if command.p1 != 0 or command.p2 not in (0, WITH_RELATED):
        raise CardStatus(0x6A86)
    request = Request(token_input(command.p1, command.p2, signed), token, reference)
    authorization = authorize(ctx, request, globally=Privilege.GLOBAL_DELETE)
    entry = ctx.find(values.get(Tag.REGISTRY_AID, b""))
    if entry is None:
        raise CardStatus(0x6A88)
    doomed = _doomed(ctx, entry, with_related=command.p2 == WITH_RELATED)
    with ctx.transaction():
        for other in doomed:
            give_back(ctx, other)
            ctx.erase(other.aid)
        return Response(authorization.commit(ctx, delete_context(entry.aid)))


def _doomed(ctx: DomainContext, entry: RegistryEntry, *, with_related: bool) -> list[RegistryEntry]:
    """What goes with ``entry``, itself last. Raises CardStatus 6985 for what has to stay.

    What is selected on any logical channel stays, this domain with it (GPC 2.3.1 §11.2); so does a domain
    that anything belongs to, and a package that another one imports.
    """
    registry = ctx.registry()
    instances = [other for other in registry if entry.kind is Kind.PACKAGE and other.package == entry.aid]
    if instances and not with_related:
        raise CardStatus(0x6985)
    doomed = [*instances, entry]
    going = {other.aid for other in doomed}
    for other in doomed:
        if other.kind is Kind.ISSUER_DOMAIN or ctx.in_use(other.aid):
            raise CardStatus(0x6985)
        require_reach(ctx, other, globally=Privilege.GLOBAL_DELETE)
        if other.kind is Kind.DOMAIN and any(
            content.domain == other.aid and content.aid not in going for content in registry
        ):
            raise CardStatus(0x6985)
    if any(entry.aid in other.imports for other in registry):
        raise CardStatus(0x6985)
    return doomed
