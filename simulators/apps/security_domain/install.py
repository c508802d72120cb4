"""INSTALL (GPC 2.3.1 §9.3, §9.4, §11.5): what the registry holds, changed all or nothing.

``load`` has INSTALL [for load]. ``restrict`` of an entry (``D9``) is coded as P1 of INSTALL: what it names is
refused for that entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ....apdu.command import Command, Response
from ....applets.security_domain.model import Install
from ....applets.security_domain.model.receipts import (
    combined_context,
    extradition_context,
    install_context,
    update_context,
)
from ....applets.security_domain.model.tokens import fields_of, split_install, token_input
from ...card.application import Application, CardStatus, DomainContext
from ...card.registry import Kind, LifeCycle, Privilege, RegistryEntry, ancestors
from . import load, privileges
from .access import ANYBODY, require
from .parameters import Parameters
from .rights import (
    NO_RECEIPT,
    Authorization,
    Request,
    authorize,
    require_home,
    require_manager,
    require_reach,
)
from .room import require_room

__all__ = ["BLOCK_NUMBER", "check_target", "install"]

BLOCK_NUMBER = "store-data-block"
DOMAIN_MODEL = "security-domain"
AID_LENGTHS = range(5, 17)
LOCKED = 0x80


@dataclass(frozen=True, slots=True)
class Job:
    """An INSTALL that may be done: its fields without the token, and their parameters."""

    p1: int
    fields: list[bytes]
    parameters: Parameters
    authorization: Authorization


def install(ctx: DomainContext, command: Command) -> Response:
    """Dispatch on P1; any INSTALL ends a personalisation."""
    require(ctx, by=ANYBODY)
    ctx.personalization_target = None
    ctx.clear_on_deselect.pop(BLOCK_NUMBER, None)
    combined = command.p1 == Install.LOAD_INSTALL_AND_MAKE_SELECTABLE
    loading = combined and command.p2 == load.BEGIN_COMBINED
    if command.p2 != 0 and not loading and not (combined and command.p2 == load.END_COMBINED):
        raise CardStatus(0x6A86)
    count = fields_of(Install.FOR_LOAD if loading else command.p1)
    try:
        fields, token, signed = split_install(command.data, count)
    except ValueError:
        raise CardStatus(0x6A80) from None
    if command.p1 == Install.FOR_PERSONALIZATION:
        require(ctx)
        ctx.personalization_target = _target(ctx, fields, token)
        # GPC 2.3.1 §11.5.3: no receipt here; most cards answer without data.
        return Response()
    parameters = Parameters.parse(fields[-1])
    request = Request(token_input(command.p1, command.p2, signed), token, parameters.reference)
    if loading:
        # The token stands in the second INSTALL and signs both (GPC 2.3.1 §C.4).
        require_manager(ctx)
        load.begin(ctx, fields, parameters, Authorization(parameters.reference), request.signed)
        return Response(NO_RECEIPT)
    handler = HANDLERS.get((command.p1, command.p2))
    if handler is None:
        raise CardStatus(0x6A86)
    if combined:
        request = _after_load(ctx, request)
    return Response(handler(ctx, Job(command.p1, fields, parameters, authorize(ctx, request))))


def _after_load(ctx: DomainContext, request: Request) -> Request:
    session = load.waiting(ctx)
    if request.token and not session.digest:
        raise CardStatus(0x6A80)
    try:
        reference = session.authorization.reference.joined(request.reference)
    except ValueError:
        raise CardStatus(0x6A80) from None
    return Request(session.combined + request.signed, request.token, reference)


def _load(ctx: DomainContext, job: Job) -> bytes:
    load.begin(ctx, job.fields, job.parameters, job.authorization)
    return NO_RECEIPT


def _install(ctx: DomainContext, job: Job) -> bytes:
    with ctx.transaction():
        entry = _put_instance(ctx, job)
        return job.authorization.commit(ctx, install_context(entry.package, entry.aid))


def _finish_combined(ctx: DomainContext, job: Job) -> bytes:
    """The second INSTALL of load, install and make selectable: package and instance come together."""
    session = load.waiting(ctx)
    load.abort(ctx)
    with ctx.transaction():
        load.put_package(ctx, session)
        entry = _put_instance(ctx, job)
        context = combined_context(entry.package, entry.aid, session.entry.domain)
        return job.authorization.commit(ctx, context)


def _put_instance(ctx: DomainContext, job: Job) -> RegistryEntry:
    package_aid, module_aid, aid, raw_privileges, _ = job.fields
    package = ctx.find(package_aid)
    if package is None or package.kind is not Kind.PACKAGE or package.life_cycle != LifeCycle.LOADED:
        raise CardStatus(0x6A88)
    model = dict(package.modules).get(module_aid)
    if model is None:
        raise CardStatus(0x6A88)
    if len(aid) not in AID_LENGTHS or ctx.find(aid) is not None:
        raise CardStatus(0x6A80)
    selectable = bool(job.p1 & Install.MAKE_SELECTABLE)
    entry = job.parameters.apply(
        RegistryEntry(
            aid=aid,
            kind=Kind.DOMAIN if model == DOMAIN_MODEL else Kind.APPLICATION,
            life_cycle=LifeCycle.SELECTABLE if selectable else LifeCycle.INSTALLED,
            privileges=privileges.parse(raw_privileges),
            domain=require_home(ctx, _domain_of(ctx, package)).aid,
            package=package.aid,
            module=module_aid,
            model=model,
        )
    )
    _check_privileges(ctx, job, entry)
    privileges.take_over(ctx, entry)
    ctx.put_entry(entry)
    application, its_context = ctx.application(aid)
    application.install(its_context, job.parameters.application)
    require_room(ctx, entry)
    return entry


def _check_privileges(ctx: DomainContext, job: Job, entry: RegistryEntry, before: int = 0) -> None:
    """What the card lets ``entry`` hold, and this domain may give; a token speaks for the card's issuer."""
    privileges.check(ctx, entry)
    if not job.authorization.verifier:
        privileges.check_granted(ctx, entry, before)


def _domain_of(ctx: DomainContext, package: RegistryEntry) -> bytes:
    """An instance belongs to the domain of its package, if the installing domain is that or above it."""
    above = ancestors(ctx.registry(), package)
    return package.domain if ctx.aid in above else ctx.aid


def _make_selectable(ctx: DomainContext, job: Job) -> bytes:
    """It may also make the application the default selected one, which then is the only one."""
    entry = ctx.find(job.fields[2])
    if entry is None or entry.kind in (Kind.PACKAGE, Kind.ISSUER_DOMAIN):
        raise CardStatus(0x6A88)
    require_reach(ctx, entry)
    _check_restriction(entry, job.p1)
    more = privileges.parse(job.fields[3])
    if more & ~Privilege.CARD_RESET & ~entry.privileges:
        raise CardStatus(0x6A80)
    changed = job.parameters.apply(entry.with_(privileges=entry.privileges | more))
    if entry.life_cycle == LifeCycle.INSTALLED:
        changed = changed.with_(life_cycle=LifeCycle.SELECTABLE)
    _check_privileges(ctx, job, changed, entry.privileges)
    with ctx.transaction():
        if changed != entry:
            privileges.take_over(ctx, changed)
            ctx.put_entry(changed)
        return job.authorization.commit(ctx, install_context(entry.package, entry.aid))


def _extradite(ctx: DomainContext, job: Job) -> bytes:
    """Give an application or a package to another domain (GPC 2.3.1 §9.4.1)."""
    new, empty, aid = job.fields[:3]
    if empty or job.fields[3]:
        raise CardStatus(0x6A80)
    entry = ctx.find(aid)
    if entry is None or entry.kind is Kind.ISSUER_DOMAIN:
        raise CardStatus(0x6A88)
    moved = _moved(ctx, entry, new)
    _check_restriction(entry, job.p1)
    with ctx.transaction():
        ctx.put_entry(job.parameters.apply(moved))
        return job.authorization.commit(ctx, extradition_context(entry.domain, aid, new))


def _moved(ctx: DomainContext, entry: RegistryEntry, new: bytes) -> RegistryEntry:
    """``entry`` below the domain ``new``. Raises CardStatus 6A88 when there is no such domain, 6985 for what
    is not below the extraditing domain, for a domain that would come below itself, and for a package that
    would come to a domain that wants load files signed without having been (GPC 2.3.1 §9.4.1)."""
    domain = require_home(ctx, new)
    if entry.kind is Kind.PACKAGE and domain.privileges & privileges.DAP:
        raise CardStatus(0x6985)
    registry = ctx.registry()
    if ctx.aid not in ancestors(registry, entry):
        raise CardStatus(0x6985)
    to_itself = entry.aid == new
    if to_itself and not entry.privileges & Privilege.AUTHORIZED_MANAGEMENT:
        raise CardStatus(0x6985)
    if not to_itself and entry.aid in ancestors(registry, domain):
        raise CardStatus(0x6985)
    return entry.with_(domain=new)


def _update(ctx: DomainContext, job: Job) -> bytes:
    """INSTALL [for registry update] (GPC 2.3.1 §9.4.2): another domain, privileges or system parameters."""
    new, empty, aid, raw_privileges, raw_parameters = job.fields
    entry = ctx.find(aid)
    if entry is None or empty:
        raise CardStatus(0x6A80 if empty else 0x6A88)
    require_reach(ctx, entry)
    _check_restriction(entry, job.p1)
    changed = _moved(ctx, entry, new) if new else entry
    if raw_privileges:
        changed = changed.with_(privileges=privileges.parse(raw_privileges))
    changed = job.parameters.apply(changed)
    if changed.kind is not Kind.PACKAGE:
        _check_privileges(ctx, job, changed, entry.privileges)
    elif raw_privileges:
        raise CardStatus(0x6A80)
    with ctx.transaction():
        ctx.put_entry(changed)
        privileges.give_back(ctx, changed, kept=changed.privileges)
        privileges.take_over(ctx, changed)
        require_room(ctx, changed)
        context = update_context(
            entry.domain, entry.aid, changed.domain, changed.privileges.to_bytes(3, "big"), raw_parameters
        )
        return job.authorization.commit(ctx, context)


def _target(ctx: DomainContext, fields: list[bytes], token: bytes) -> bytes:
    """The application to personalise: it belongs to this domain and knows how (GPC 2.3.1 §7.3.2)."""
    aid = fields[2]
    entry = ctx.find(aid)
    if entry is None or entry.kind is Kind.PACKAGE:
        raise CardStatus(0x6A88)
    if any(fields[:2]) or any(fields[3:]) or token:
        raise CardStatus(0x6A80)
    check_target(ctx, entry)
    application, _ = ctx.application(aid)
    if type(application).personalize is Application.personalize:
        raise CardStatus(0x6985)
    return aid


def check_target(ctx: DomainContext, entry: RegistryEntry) -> None:
    """Raises CardStatus 6985 for an application that is another domain's, or locked."""
    if entry.domain != ctx.aid or entry.life_cycle & LOCKED:
        raise CardStatus(0x6985)
    _check_restriction(entry, Install.FOR_PERSONALIZATION)


def _check_restriction(entry: RegistryEntry, p1: int) -> None:
    if entry.restrict & p1:
        raise CardStatus(0x6985)


HANDLERS: dict[tuple[int, int], Callable[[DomainContext, Job], bytes]] = {
    (Install.FOR_LOAD, 0): _load,
    (Install.FOR_INSTALL, 0): _install,
    (Install.INSTALL_AND_MAKE_SELECTABLE, 0): _install,
    (Install.MAKE_SELECTABLE, 0): _make_selectable,
    (Install.FOR_EXTRADITION, 0): _extradite,
    (Install.REGISTRY_UPDATE, 0): _update,
    (Install.LOAD_INSTALL_AND_MAKE_SELECTABLE, load.END_COMBINED): _finish_combined,
}
