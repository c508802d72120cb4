"""INSTALL and DELETE (GPC 2.3.1 §11.2, §11.5): what the registry holds, changed all or nothing.

Packages are laid down by the card's maker; INSTALL [for load] and LOAD answer 6A81, since code for a real
virtual machine would not run here.
"""

from __future__ import annotations

from ....apdu.command import Command, Response
from ....apdu.tlv import Tlv
from ....applets.security_domain.model import Install, Tag, parse_lv
from ...card.application import Application, CardStatus, DomainContext
from ...card.registry import Kind, LifeCycle, Privilege, RegistryEntry
from .access import require, require_management
from .keys import delete_keys

__all__ = ["check_target", "delete", "install"]

BLOCK_NUMBER = "store-data-block"
DOMAIN_MODEL = "security-domain"
WITH_RELATED = 0x80
AID_LENGTHS = range(5, 17)


def install(ctx: DomainContext, command: Command) -> Response:
    """Dispatch on P1; any INSTALL ends a personalisation."""
    require(ctx)
    ctx.personalization_target = None
    ctx.clear_on_deselect.pop(BLOCK_NUMBER, None)
    if command.p2 != 0:
        raise CardStatus(0x6A86)
    try:
        fields = parse_lv(command.data, 6)
    except ValueError:
        raise CardStatus(0x6A80) from None
    match command.p1:
        case Install.FOR_INSTALL | Install.INSTALL_AND_MAKE_SELECTABLE:
            require_management(ctx)
            _install(ctx, fields, selectable=command.p1 == Install.INSTALL_AND_MAKE_SELECTABLE)
        case Install.MAKE_SELECTABLE:
            require_management(ctx)
            _make_selectable(ctx, fields[2])
        case Install.FOR_EXTRADITION:
            require_management(ctx)
            _extradite(ctx, fields[0], fields[2])
        case Install.FOR_PERSONALIZATION:
            ctx.personalization_target = _target(ctx, fields)
            # GPC 2.3.1 §11.5.3: no receipt here; most cards answer without data.
            return Response()
        case Install.FOR_LOAD:
            raise CardStatus(0x6A81)
        case _:
            raise CardStatus(0x6A86)
    # A length of zero: no receipt (GPC 2.3.1 §11.1.6).
    return Response(b"\x00")


def _install(ctx: DomainContext, fields: list[bytes], *, selectable: bool) -> None:
    package_aid, module_aid, aid, raw_privileges, raw_parameters, _ = fields
    package = ctx.find(package_aid)
    if package is None or package.kind is not Kind.PACKAGE:
        raise CardStatus(0x6A88)
    model = dict(package.modules).get(module_aid)
    if model is None:
        raise CardStatus(0x6A88)
    if len(aid) not in AID_LENGTHS or ctx.find(aid) is not None:
        raise CardStatus(0x6A80)
    privileges = _privileges(raw_privileges)
    if (model == DOMAIN_MODEL) != bool(privileges & Privilege.SECURITY_DOMAIN):
        raise CardStatus(0x6A80)
    entry = RegistryEntry(
        aid=aid,
        kind=Kind.DOMAIN if model == DOMAIN_MODEL else Kind.APPLICATION,
        life_cycle=LifeCycle.SELECTABLE if selectable else LifeCycle.INSTALLED,
        privileges=privileges,
        domain=package.domain or ctx.aid,
        package=package.aid,
        module=module_aid,
        model=model,
    )
    parameters = _application_parameters(raw_parameters)
    with ctx.transaction():
        ctx.put_entry(entry)
        application, its_context = ctx.application(aid)
        application.install(its_context, parameters)


def _privileges(raw: bytes) -> int:
    if len(raw) not in (0, 1, 3):
        raise CardStatus(0x6A80)
    return int.from_bytes(raw.ljust(3, b"\x00"), "big")


def _application_parameters(raw: bytes) -> bytes:
    """The value of ``C9`` (GPC 2.3.1 table 11-49); system parameters ``EF`` and tokens are not used."""
    try:
        objects = {tlv.tag: tlv.value for tlv in Tlv.parse_all(raw)}
    except ValueError:
        raise CardStatus(0x6A80) from None
    return objects.get(Tag.APPLICATION_PARAMETERS, b"")


def _make_selectable(ctx: DomainContext, aid: bytes) -> None:
    entry = ctx.find(aid)
    if entry is None or entry.kind is Kind.PACKAGE:
        raise CardStatus(0x6A88)
    if entry.life_cycle == LifeCycle.INSTALLED:
        ctx.put_entry(entry.with_(life_cycle=LifeCycle.SELECTABLE))


def _extradite(ctx: DomainContext, domain_aid: bytes, aid: bytes) -> None:
    """INSTALL [for extradition]: give an application or a package to another domain (GPC 2.3.1 §9.4.1)."""
    entry, domain = ctx.find(aid), ctx.find(domain_aid)
    if entry is None or domain is None or not domain.kind.is_domain or entry.kind is Kind.ISSUER_DOMAIN:
        raise CardStatus(0x6A88)
    if entry.domain != ctx.aid:
        raise CardStatus(0x6985)
    ctx.put_entry(entry.with_(domain=domain.aid))


def _target(ctx: DomainContext, fields: list[bytes]) -> bytes:
    """The application to personalise: it belongs to this domain and knows how (GPC 2.3.1 §7.3.2)."""
    aid = fields[2]
    entry = ctx.find(aid)
    if entry is None or entry.kind is Kind.PACKAGE:
        raise CardStatus(0x6A88)
    if any(fields[:2]) or any(fields[3:]):
        raise CardStatus(0x6A80)
    check_target(ctx, entry)
    application, _ = ctx.application(aid)
    if type(application).personalize is Application.personalize:
        raise CardStatus(0x6985)
    return aid


def check_target(ctx: DomainContext, entry: RegistryEntry) -> None:
    """Raises CardStatus 6985 for an application that is another domain's, or locked."""
    if entry.domain != ctx.aid or entry.life_cycle & 0x80:
        raise CardStatus(0x6985)


def delete(ctx: DomainContext, command: Command) -> Response:
    """DELETE of a key set, an application, or a package (with its applications when P2 = 80)."""
    require(ctx)
    try:
        objects = {tlv.tag: tlv.value for tlv in Tlv.parse_all(command.data)}
    except ValueError:
        raise CardStatus(0x6A80) from None
    if Tag.KEY_VERSION in objects or Tag.KEY_ID in objects:
        return delete_keys(ctx, command, objects)
    if command.p1 != 0 or command.p2 not in (0, WITH_RELATED):
        raise CardStatus(0x6A86)
    require_management(ctx)
    entry = ctx.find(objects.get(Tag.REGISTRY_AID, b""))
    if entry is None:
        raise CardStatus(0x6A88)
    _delete(ctx, entry, with_related=command.p2 == WITH_RELATED)
    return Response(b"\x00")


def _delete(ctx: DomainContext, entry: RegistryEntry, *, with_related: bool) -> None:
    # One transaction each: a DELETE that is cut off leaves whole entries and is simply sent again.
    # What is selected on any logical channel stays, this domain with it (GPC 2.3.1 §11.2).
    if entry.kind is Kind.ISSUER_DOMAIN or ctx.in_use(entry.aid):
        raise CardStatus(0x6985)
    registry = ctx.registry()
    if entry.kind is Kind.DOMAIN and any(other.domain == entry.aid for other in registry):
        raise CardStatus(0x6985)
    if ctx.entry.kind is not Kind.ISSUER_DOMAIN and entry.domain != ctx.aid:
        raise CardStatus(0x6985)
    instances = [other for other in registry if other.package == entry.aid]
    if entry.kind is Kind.PACKAGE and instances:
        if not with_related:
            raise CardStatus(0x6985)
        for instance in instances:
            _delete(ctx, instance, with_related=False)
    ctx.remove(entry.aid)
