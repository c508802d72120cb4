"""GET DATA and STORE DATA (GPC 2.3.1 §11.3, §11.11), and the personalisation of applications (§7.3.2)."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm

from ....apdu.command import Command, Response
from ....apdu.tlv import Tlv
from ....applets.security_domain.model import Tag
from ....applets.security_domain.model.dgi import read_dgis
from ...card.application import CardStatus, Context, DomainContext
from ...card.registry import Kind, LifeCycle, Privilege
from ..personalization import MAX_STAGED, collect
from . import scp11_objects
from .access import require
from .install import BLOCK_NUMBER, check_target
from .key_groupings import KEYS, read_keys
from .keys import checked_key, store_keys
from .keystore import KeyStore
from .opening import diversification, sequence_counter
from .protocols import capabilities, recognition
from .rights import COUNTER
from .room import require_room_for_data
from .status import visible

__all__ = ["get_data", "personalize", "store_data"]

LAST_BLOCK, STRUCTURE, ANSWER_ALLOWED = 0x80, 0x18, 0x01
DGI_STRUCTURE, RESERVED_STRUCTURE = 0x08, 0x18
BLOCKS = "store-data"
STORED = (Tag.IIN, Tag.CIN, Tag.MANAGER_URL)
APPLICATIONS, APPLICATION = 0x2F00, 0x61
"""The list of applications, and one line of it (ISO 7816-4 §12.2.2): not wrapped whatever CLA says."""
MAX_STORED = 0x7F
DGI_TEMPLATE = 0x0070
PRODUCTION = {0x9F67: slice(26, 34), 0x9F66: slice(34, 42)}
"""Pre-personaliser and personaliser of the card, with date and equipment, and where they stand in the CPLC
(facts §5.3)."""


def get_data(ctx: DomainContext, command: Command) -> Response:
    """One data object: whole when CLA bit 8 is set, its value alone otherwise (GPC 2.3.1 §11.3.3.1)."""
    if command.cla & 0x0C:
        raise CardStatus(0x6982)
    tag = command.p1 << 8 | command.p2
    if tag == APPLICATIONS:
        return Response(_applications(ctx))
    value = _object(ctx, tag, command.data)
    if not value:
        raise CardStatus(0x6A88)
    return Response(bytes(Tlv(tag, value)) if command.cla & 0x80 else value)


def _object(ctx: DomainContext, tag: int, asked: bytes) -> bytes:
    store = KeyStore(ctx)
    match tag:
        case Tag.REGISTRY_AID:
            return ctx.aid
        case Tag.IIN | Tag.CIN | Tag.MANAGER_URL:
            return ctx.nv.get(f"data/{tag:x}")
        case Tag.CARD_DATA:
            return recognition(ctx)
        case Tag.CAPABILITIES:
            return capabilities(ctx)
        case Tag.KEY_INFORMATION:
            return store.information() if ctx.policy.key_information else b""
        case Tag.SEQUENCE_COUNTER:
            return sequence_counter(ctx)
        case Tag.RECEIPT_COUNTER:
            generates = ctx.entry.privileges & Privilege.RECEIPT_GENERATION
            return ctx.nv.get(COUNTER, bytes(2)) if generates else b""
        case Tag.SECURITY_LEVEL:
            return bytes((ctx.security_level,))
        case Tag.EXTENDED_RESOURCES:
            return _resources(ctx)
        case Tag.CERTIFICATE_STORE | Tag.KLOC_IDENTIFIERS | Tag.KLCC_IDENTIFIERS | Tag.KEY_OF_AUTHORITY:
            return scp11_objects.read(ctx, tag, asked)
        case Tag.CPLC:
            return ctx.card_get("cplc")
        case Tag.DIVERSIFICATION:
            return diversification(ctx)
        case _:
            return b""


def _applications(ctx: DomainContext) -> bytes:
    """``61 {4F AID}`` for each application that can be selected and that this domain may speak of."""
    registry = ctx.registry()
    lines = [
        bytes(Tlv.build(APPLICATION, (Tlv(Tag.REGISTRY_AID, entry.aid),)))
        for entry in registry
        if entry.selectable and visible(ctx, registry, entry)
    ]
    return b"".join(lines)


def _resources(ctx: DomainContext) -> bytes:
    """Extended card resources: applications, free bytes, free volatile bytes (ETSI TS 102 226 §8.2.1.7)."""
    free = ctx.free_memory() if ctx.policy.extended_resources else None
    if free is None:
        return b""
    applications = sum(entry.kind is Kind.APPLICATION for entry in ctx.registry())
    numbers = ((0x81, applications, 2), (0x82, max(free.nv, 0), 4), (0x83, max(free.ram, 0), 4))
    return b"".join(bytes(Tlv(tag, value.to_bytes(size, "big"))) for tag, value, size in numbers)


def store_data(ctx: DomainContext, command: Command) -> Response:
    """A block for the target of personalisation, or for the domain itself.

    Blocks come in order from 00; any error starts the count anew (GPC 2.3.1 §11.11.2).
    """
    require(ctx)
    expected = ctx.clear_on_deselect.pop(BLOCK_NUMBER, 0)
    if command.p2 != expected & 0xFF:
        ctx.clear_on_deselect.pop(BLOCKS, None)
        raise CardStatus(0x6A86)
    last = bool(command.p1 & LAST_BLOCK)
    target = ctx.personalization_target
    if target is None:
        response = _store_own(ctx, command, last=last)
    else:
        response = _hand_on(ctx, command, target, last=last)
    if not last:
        ctx.clear_on_deselect[BLOCK_NUMBER] = expected + 1
    return response


def _hand_on(ctx: DomainContext, command: Command, target: bytes, *, last: bool) -> Response:
    """The complete plain command goes to the application; the session ends with the last block."""
    application, its_context = ctx.application(target)
    # It may have been given away or locked over another logical channel since it was named.
    check_target(ctx, its_context.entry)
    require_room_for_data(ctx, its_context.entry, command.data)
    response = application.personalize(its_context, command)
    if last:
        ctx.personalization_target = None
    if response.data and not command.p1 & ANSWER_ALLOWED:
        raise CardStatus(0x6A86)
    return response


def _store_own(ctx: DomainContext, command: Command, *, last: bool) -> Response:
    collected: bytes = ctx.clear_on_deselect.pop(BLOCKS, b"") + command.data
    if len(collected) > MAX_STAGED:
        raise CardStatus(0x6A84)
    if not last:
        ctx.clear_on_deselect[BLOCKS] = collected
        return Response()
    structure = command.p1 & STRUCTURE
    if structure == RESERVED_STRUCTURE:
        raise CardStatus(0x6A86)
    if structure == DGI_STRUCTURE and (keys := _key_groupings(collected)):
        _store_keys(ctx, keys)
        return Response()
    if structure != DGI_STRUCTURE and scp11_objects.stores(collected):
        scp11_objects.store(ctx, collected)
        return Response()
    objects = _template(collected) if structure == DGI_STRUCTURE else _objects(collected)
    with ctx.transaction():
        for tlv in objects:
            _store_object(ctx, tlv)
    return Response()


def _store_object(ctx: DomainContext, tlv: Tlv) -> None:
    """Inside a transaction: an object of the domain, or its part of the production data of the card.

    Raises CardStatus 6A80.
    """
    place = PRODUCTION.get(tlv.tag)
    if (
        place is not None
        and ctx.entry.kind is Kind.ISSUER_DOMAIN
        and len(tlv.value) == place.stop - place.start
    ):
        whole = ctx.card_get("cplc")
        ctx.card_put("cplc", whole[: place.start] + tlv.value + whole[place.stop :])
    elif tlv.tag in STORED and 0 < len(tlv.value) <= MAX_STORED:
        ctx.nv.put(f"data/{tlv.tag:x}", tlv.value)
    else:
        raise CardStatus(0x6A80)


def _key_groupings(raw: bytes) -> list[tuple[int, bytes]]:
    """The groupings of ``raw`` when they bring keys, which then come alone; nothing otherwise."""
    groupings, rest = read_dgis(raw)
    if rest or not groupings or groupings[0].tag != KEYS:
        return []
    return [(grouping.tag, grouping.value) for grouping in groupings]


def _objects(raw: bytes) -> list[Tlv]:
    try:
        objects = Tlv.parse_all(raw)
    except ValueError:
        raise CardStatus(0x6A80) from None
    if not objects:
        raise CardStatus(0x6A80)
    return objects


def _template(raw: bytes) -> list[Tlv]:
    """Data objects inside data groupings stand in the template 0070."""
    dgis, rest = read_dgis(raw)
    if rest or any(dgi.tag != DGI_TEMPLATE for dgi in dgis):
        raise CardStatus(0x6A80)
    return [tlv for dgi in dgis for tlv in _objects(dgi.value)]


def personalize(ctx: Context, command: Command) -> Response:
    """STORE DATA for a supplementary domain: its keys, laid down by the domain above it (GPC 2.3.1
    §11.11.4)."""
    if not isinstance(ctx, DomainContext):
        raise CardStatus(0x6985)
    groupings = collect(ctx, command)
    if groupings is None:
        return Response()
    _store_keys(ctx, groupings)
    return Response()


def _store_keys(ctx: DomainContext, groupings: list[tuple[int, bytes]]) -> None:
    """Keys of one version, new ones, and with the first the domain is personalised; an error or a tear leaves
    none of it."""
    try:
        found = read_keys(groupings, ctx.decrypt)
        keys = [checked_key(key) for key, _ in found]
    except (ValueError, UnsupportedAlgorithm):
        raise CardStatus(0x6A80) from None
    if len({key.version for key in keys}) != 1:
        raise CardStatus(0x6A80)
    personalised = LifeCycle.PERSONALIZED if ctx.life_cycle == LifeCycle.SELECTABLE else None
    store_keys(ctx, keys, [kcv for _, kcv in found], life_cycle=personalised)
