"""INSTALL [for load] and LOAD (GPC 2.3.1 §9.3, §11.5.2.3.1, §11.6).

The blocks wait in volatile memory until the last one has come; then all is checked and written in one
transaction. So nothing of an interrupted load is left, whatever interrupts it: another command, a block out
of order, a tear. The quirk ``load_leaves_garbage`` writes them as they come instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ....apdu.command import Command, Response
from ....apdu.tlv import Tlv
from ....applets.security_domain.model import Ins, Install, Tag
from ....applets.security_domain.model.cap import CapError, LoadFile, package_name
from ....applets.security_domain.model.receipts import load_context
from ....applets.security_domain.model.tokens import DapBlock
from ...card.application import CardStatus, DomainContext
from ...card.registry import Kind, LifeCycle, RegistryEntry
from .. import package_models
from .access import ANYBODY, require
from .dap import check_hash, check_signatures
from .parameters import Parameters
from .rights import Authorization, require_home, require_reach
from .room import require_minimum, require_room

__all__ = ["LoadSession", "abort", "begin", "continues", "load", "put_package", "waiting"]

SESSION = "load"
LAST_BLOCK = 0x80
BEGIN_COMBINED, END_COMBINED = 0x01, 0x03
"""P2 of the two INSTALL around a combined load, install and make selectable."""
LOADING = 0x00
"""Life cycle of what the quirk leaves behind: no state of the standard."""
AID_LENGTHS = range(5, 17)


@dataclass(frozen=True, slots=True)
class LoadSession:
    """A load between two commands. ``entry`` is complete, and ``code`` checked, after the last block.

    ``combined`` is what the token of a combined load, install and make selectable signs of its beginning.
    """

    entry: RegistryEntry
    digest: bytes
    authorization: Authorization
    combined: bytes = b""
    staged: bytes = field(default=b"", repr=False)
    blocks: int = 0
    code: bytes = field(default=b"", repr=False)


def continues(command: Command) -> bool:
    """Whether ``command`` belongs to a load that has begun: any other ends it."""
    combined = command.p1 == Install.LOAD_INSTALL_AND_MAKE_SELECTABLE and command.p2 == END_COMBINED
    return command.ins == Ins.LOAD or (command.ins == Ins.INSTALL and combined)


def abort(ctx: DomainContext) -> None:
    """What has come so far is forgotten."""
    ctx.clear_on_deselect.pop(SESSION, None)


def begin(
    ctx: DomainContext,
    fields: list[bytes],
    parameters: Parameters,
    authorization: Authorization,
    combined: bytes = b"",
) -> None:
    """INSTALL [for load]: package, domain (none: this one), hash, parameters."""
    package, domain_aid, digest, _ = fields
    if len(package) not in AID_LENGTHS or ctx.find(package) is not None:
        raise CardStatus(0x6A80)
    domain = require_home(ctx, domain_aid or ctx.aid)
    require_reach(ctx, domain)
    if authorization.verifier and not digest:
        raise CardStatus(0x6A80)
    require_minimum(ctx, parameters)
    entry = RegistryEntry(package, Kind.PACKAGE, LifeCycle.LOADED, domain=domain.aid)
    entry = entry.with_(provider=parameters.reference.provider)
    if ctx.policy.load_leaves_garbage:
        ctx.put_entry(entry.with_(life_cycle=LOADING))
    ctx.clear_on_deselect[SESSION] = LoadSession(entry, digest, authorization, combined)


def load(ctx: DomainContext, command: Command) -> Response:
    """One block. An error ends the load."""
    session: LoadSession | None = ctx.clear_on_deselect.pop(SESSION, None)
    require(ctx, by=ANYBODY)
    if session is None or session.code:
        raise CardStatus(0x6985)
    if command.p1 not in (0, LAST_BLOCK) or command.p2 != session.blocks & 0xFF:
        raise CardStatus(0x6A86)
    staged = session.staged + command.data
    if staged[:1] not in (bytes((Tag.DAP_BLOCK,)), bytes((Tag.LOAD_FILE,))):
        raise CardStatus(0x6A80)
    free, name = ctx.free_memory(), session.entry.aid.hex()
    if free is not None and len(staged) > free.nv + len(ctx.code.get(name)):
        raise CardStatus(0x6A84)
    if ctx.policy.load_leaves_garbage:
        ctx.code.put(name, staged)
    session = replace(session, staged=staged, blocks=session.blocks + 1)
    if command.p1 != LAST_BLOCK:
        ctx.clear_on_deselect[SESSION] = session
        return Response()
    session = _complete(ctx, session)
    if session.combined:
        ctx.clear_on_deselect[SESSION] = session
        return Response(b"\x00")
    with ctx.transaction():
        put_package(ctx, session)
        context = load_context(session.entry.aid, session.entry.domain)
        return Response(session.authorization.commit(ctx, context))


def waiting(ctx: DomainContext) -> LoadSession:
    """The combined load whose last block has come, for its second INSTALL. Raises CardStatus 6985."""
    session: LoadSession | None = ctx.clear_on_deselect.get(SESSION)
    if session is None or not session.code or not session.combined:
        raise CardStatus(0x6985)
    return session


def put_package(ctx: DomainContext, session: LoadSession) -> None:
    """Inside a transaction: the package is on the card. Another logical channel may have loaded it as well,
    or deleted or locked its domain. Raises CardStatus 6985, 6A80, 6A84, 6A88."""
    known = ctx.find(session.entry.aid)
    if known is not None and known.life_cycle != LOADING:
        raise CardStatus(0x6A80)
    require_home(ctx, session.entry.domain)
    ctx.put_entry(session.entry)
    ctx.code.put(session.entry.aid.hex(), session.code)
    require_room(ctx, session.entry)


def _complete(ctx: DomainContext, session: LoadSession) -> LoadSession:
    """All blocks have come: read the stream, check hash, signatures and load file.

    Raises CardStatus 6A80 for what is malformed, 6A88 for an import that the card does not have.
    """
    try:
        blocks, code = _split(session.staged)
        file = LoadFile.parse(code)
    except (ValueError, CapError):
        raise CardStatus(0x6A80) from None
    if file.aid != session.entry.aid:
        raise CardStatus(0x6A80)
    if session.digest:
        check_hash(code, session.digest)
    check_signatures(ctx, session.entry.domain, session.digest, blocks)
    version = bytes((file.version.major, file.version.minor))
    models = package_models(file.aid, version)
    entry = session.entry.with_(
        version=version,
        modules=tuple((aid, models.get(aid, "placeholder")) for aid in file.applet_aids),
        imports=_resolved(ctx, file),
    )
    return replace(session, entry=entry, staged=b"", code=code)


def _split(stream: bytes) -> tuple[list[DapBlock], bytes]:
    """Signatures ``E2``, and the load file in ``C4``. Raises ValueError; a ciphered one (``D4``) is not for
    this card."""
    blocks: list[DapBlock] = []
    offset = 0
    while True:
        tlv, offset = Tlv.read(stream, offset)
        if tlv.tag == Tag.LOAD_FILE and offset == len(stream):
            return blocks, tlv.value
        if tlv.tag != Tag.DAP_BLOCK:
            raise ValueError("this is no load file")
        blocks.append(DapBlock.parse(tlv.value))


def _resolved(ctx: DomainContext, file: LoadFile) -> tuple[bytes, ...]:
    """Imported packages of the card: same major version, minor at least as high (JCVM 3.1 §4.5); those of
    the platform are all there. Raises CardStatus 6A88."""
    found = []
    for wanted in file.imports:
        entry = ctx.find(wanted.aid)
        if entry is not None and entry.kind is Kind.PACKAGE and len(entry.version) == 2:
            major, minor = entry.version
            if major != wanted.version.major or minor < wanted.version.minor:
                raise CardStatus(0x6A88)
            found.append(wanted.aid)
        elif not package_name(wanted.aid):
            raise CardStatus(0x6A88)
    return tuple(found)
