"""GET DATA and STORE DATA (GPC 2.3.1 §11.3, §11.11), and the personalisation of applications (§7.3.2)."""

from __future__ import annotations

from ....apdu.command import Command, Response
from ....apdu.secret import Secret
from ....apdu.tlv import Tlv
from ....applets.security_domain.model import KEY_TYPE_AES, Tag, card_data
from ....applets.security_domain.model.dgi import read_dgis
from ...card.application import CardStatus, Context, DomainContext
from ...card.registry import LifeCycle
from ..personalization import MAX_STAGED, collect
from .access import require
from .channel import BLOCK, diversification
from .content import BLOCK_NUMBER, check_target
from .keys import KEY_SIZES, KeyStore, store_set

__all__ = ["get_data", "personalize", "store_data"]

LAST_BLOCK, STRUCTURE, ANSWER_ALLOWED = 0x80, 0x18, 0x01
DGI_STRUCTURE, RESERVED_STRUCTURE = 0x08, 0x18
BLOCKS = "store-data"
STORED = (Tag.IIN, Tag.CIN)
MAX_STORED = 0x7F
DGI_TEMPLATE, DGI_KEYS, DGI_KEY_VALUE = 0x0070, 0x00B9, 0x8113
# Card capabilities (GPC 2.3.1 §H.4): SCP03 with i = 70 and AES of all sizes; privileges of applications.
CAPABILITIES = bytes.fromhex("A00980010381017082010782031E0600")


def get_data(ctx: DomainContext, command: Command) -> Response:
    """One data object: whole when CLA bit 8 is set, its value alone otherwise (GPC 2.3.1 §11.3.3.1)."""
    if command.cla & 0x0C:
        raise CardStatus(0x6982)
    tag = command.p1 << 8 | command.p2
    value = _object(ctx, tag)
    if not value:
        raise CardStatus(0x6A88)
    return Response(bytes(Tlv(tag, value)) if command.cla & 0x80 else value)


def _object(ctx: DomainContext, tag: int) -> bytes:
    store = KeyStore(ctx)
    match tag:
        case Tag.IIN | Tag.CIN:
            return ctx.nv.get(f"data/{tag:x}")
        case Tag.CARD_DATA:
            return Tlv.parse(card_data()).value
        case Tag.CAPABILITIES:
            return CAPABILITIES
        case Tag.KEY_INFORMATION:
            return store.information()
        case Tag.SEQUENCE_COUNTER:
            versions = store.versions()
            return store.sequence(versions[0]).to_bytes(3, "big") if versions else b""
        case Tag.CPLC:
            return ctx.card_get("cplc")
        case Tag.DIVERSIFICATION:
            return diversification(ctx)
        case _:
            return b""


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
    objects = _template(collected) if structure == DGI_STRUCTURE else _objects(collected)
    with ctx.transaction():
        for tlv in objects:
            if tlv.tag not in STORED or not 0 < len(tlv.value) <= MAX_STORED:
                raise CardStatus(0x6A80)
            ctx.nv.put(f"data/{tlv.tag:x}", tlv.value)
    return Response()


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
    """STORE DATA for a supplementary domain: one key set, ``00B9`` and 3 × ``8113`` (GPC 2.3.1 §11.11.4)."""
    if not isinstance(ctx, DomainContext):
        raise CardStatus(0x6985)
    groupings = collect(ctx, command)
    if groupings is None:
        return Response()
    if [tag for tag, _ in groupings] != [DGI_KEYS, *3 * [DGI_KEY_VALUE]]:
        raise CardStatus(0x6A80)
    version, lengths, check_values = _key_descriptions(groupings[0][1])
    if version in KeyStore(ctx).versions():
        raise CardStatus(0x6A80)
    values = [value for _, value in groupings[1:]]
    if any(len(value) != length + -length % BLOCK for value, length in zip(values, lengths, strict=True)):
        raise CardStatus(0x6A80)
    keys = [Secret(ctx.decrypt(value)[:length]) for value, length in zip(values, lengths, strict=True)]
    store_set(ctx, version, keys, check_values)
    if ctx.life_cycle == LifeCycle.SELECTABLE:
        ctx.set_life_cycle(LifeCycle.PERSONALIZED)
    return Response()


def _key_descriptions(raw: bytes) -> tuple[int, list[int], list[bytes]]:
    """Version, key lengths and check values of ENC, MAC and DEK."""
    described = [{tlv.tag: tlv.value for tlv in _objects(entry.value)} for entry in _objects(raw)]
    versions = {entry.get(0x83, b"") for entry in described}
    lengths = [int.from_bytes(entry.get(0x81, b""), "big") for entry in described]
    if (
        len(described) != 3
        or [entry.get(0x82) for entry in described] != [b"\x01", b"\x02", b"\x03"]
        or any(entry.get(0x80) != bytes((KEY_TYPE_AES,)) for entry in described)
        or len(versions) != 1
        or len(set(lengths)) != 1
        or lengths[0] not in KEY_SIZES
    ):
        raise CardStatus(0x6A80)
    version = int.from_bytes(versions.pop(), "big")
    if not 1 <= version <= 0x7F:
        raise CardStatus(0x6A80)
    return version, lengths, [entry.get(0x84, b"") for entry in described]
