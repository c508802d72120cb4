"""GET STATUS (GPC 2.3.1 §11.4)."""

from __future__ import annotations

from ....apdu.command import Command, Response
from ....apdu.tlv import Tlv, parse_tag
from ....applets.security_domain.model import StatusScope, SystemParameter, Tag
from ...card.application import CardStatus, DomainContext
from ...card.registry import Kind, Privilege, RegistryEntry, ancestors
from .access import authenticated

__all__ = ["get_status", "visible"]

PAGE = 224
"""Most bytes of one answer: with padding and R-MAC it still fits a short response."""
CURSOR = "get-status"
MODERN = 0x02
TAG_LIST = 0x5C
KINDS = {
    StatusScope.ISSUER_DOMAIN: (Kind.ISSUER_DOMAIN,),
    StatusScope.APPLICATIONS: (Kind.APPLICATION, Kind.DOMAIN),
    StatusScope.PACKAGES: (Kind.PACKAGE,),
    StatusScope.PACKAGES_AND_MODULES: (Kind.PACKAGE,),
}


def get_status(ctx: DomainContext, command: Command) -> Response:
    """One page of the registry; 6310 says that P2 | 01 brings the next."""
    if not authenticated(ctx):
        raise CardStatus(0x6982)
    if command.p1 not in KINDS or command.p2 & ~0x03:
        raise CardStatus(0x6A86)
    legacy, further = not command.p2 & MODERN, bool(command.p2 & 0x01)
    if not legacy and not ctx.policy.modern_status:
        raise CardStatus(0x6A86)
    wanted, tags = _criteria(command.data)
    query = (command.p1, command.p2 & MODERN, wanted, tags)
    kept_query, start = ctx.clear_on_deselect.pop(CURSOR, (None, 0)) if further else (query, 0)
    if kept_query != query:
        raise CardStatus(0x6985)
    registry = ctx.registry()
    entries = [
        entry
        for entry in registry
        if entry.kind in KINDS[StatusScope(command.p1)]
        and entry.aid.startswith(wanted)
        and visible(ctx, registry, entry)
    ]
    if start >= len(entries):
        raise CardStatus(0x6A88)
    modules = command.p1 == StatusScope.PACKAGES_AND_MODULES
    page, index = b"", start
    while index < len(entries):
        line = _legacy(entries[index], modules) if legacy else _tlv(entries[index], modules, tags)
        if page and len(page) + len(line) > PAGE:
            ctx.clear_on_deselect[CURSOR] = (query, index)
            return Response(page, 0x6310)
        page += line
        index += 1
    return Response(page)


def _criteria(data: bytes) -> tuple[bytes, tuple[int, ...]]:
    """The beginning of the AIDs asked for, ``4F L AID``, possibly empty; and the tags of the answer, ``5C``,
    none for all."""
    try:
        objects = {tlv.tag: tlv.value for tlv in Tlv.parse_all(data)}
        tags, offset, asked = [], 0, objects.get(TAG_LIST, b"")
        while offset < len(asked):
            tag, offset = parse_tag(asked, offset)
            tags.append(tag)
    except ValueError:
        raise CardStatus(0x6A80) from None
    if Tag.REGISTRY_AID not in objects:
        raise CardStatus(0x6A80)
    return objects[Tag.REGISTRY_AID], tuple(tags)


def visible(ctx: DomainContext, registry: list[RegistryEntry], entry: RegistryEntry) -> bool:
    """A domain sees what is below it; the issuer's and one with Global Registry see all."""
    if ctx.entry.kind is Kind.ISSUER_DOMAIN or ctx.entry.privileges & Privilege.GLOBAL_REGISTRY:
        return True
    return ctx.aid == entry.aid or ctx.aid in ancestors(registry, entry)


def _tlv(entry: RegistryEntry, modules: bool, tags: tuple[int, ...]) -> bytes:
    """``E3`` of GPC 2.3.1 table 11-36."""
    parts = [Tlv(Tag.REGISTRY_AID, entry.aid), Tlv(Tag.LIFE_CYCLE, bytes((entry.life_cycle,)))]
    if entry.kind is not Kind.PACKAGE:
        parts.append(Tlv(Tag.PRIVILEGES, entry.privileges.to_bytes(3, "big")))
        parts += [Tlv(SystemParameter.IMPLICIT_SELECTION, bytes((byte,))) for byte in entry.implicit]
        if entry.package:
            parts.append(Tlv(Tag.PACKAGE, entry.package))
    if entry.version:
        parts.append(Tlv(Tag.VERSION, entry.version))
    if modules:
        parts += [Tlv(Tag.MODULE, aid) for aid, _ in entry.modules]
    if entry.domain:
        parts.append(Tlv(Tag.DOMAIN, entry.domain))
    return bytes(Tlv.build(Tag.REGISTRY_ENTRY, [tlv for tlv in parts if not tags or tlv.tag in tags]))


def _legacy(entry: RegistryEntry, modules: bool) -> bytes:
    """The older form: length, AID, life cycle, first privilege byte, and modules (GPC 2.3.1 table 11-35)."""
    line = bytes((len(entry.aid),)) + entry.aid + bytes((entry.life_cycle, entry.privileges >> 16))
    if modules:
        line += bytes((len(entry.modules),))
        line += b"".join(bytes((len(aid),)) + aid for aid, _ in entry.modules)
    return line
