"""GET DATA and PUT DATA of the simulated PIV application (SP 800-73-5 part 2 §3.1.2, §3.3.1)."""

from __future__ import annotations

from ....apdu.command import Command, Response
from ....apdu.tlv import Tlv, encode_length
from ....applets.piv.model import CONTACTLESS_FREE, DISCOVERY, PIN_PROTECTED, STORED_OBJECTS, ObjectTag
from ...card.application import CardStatus, Context
from .state import Profile, Session

__all__ = ["get_data", "put_data"]

TAG_LIST, CONTENT = 0x5C, 0x53
GUID = 0x34
MAX_OBJECT = 12710 + 64


def get_data(ctx: Context, command: Command) -> Response:
    """One object by its tag; the access rule comes before presence, so that 6982 hides absence."""
    if (command.p1, command.p2) != (0x3F, 0xFF):
        raise CardStatus(0x6A86)
    tag = _tag(command.data)
    if ctx.contactless and not Profile.of(ctx).contactless_management and tag not in CONTACTLESS_FREE:
        raise CardStatus(0x6982)
    if tag in PIN_PROTECTED and not Session(ctx).pin_verified:
        raise CardStatus(0x6982)
    if tag == ObjectTag.DISCOVERY:
        return Response(DISCOVERY)
    content = ctx.nv.get(_name(tag))
    if not content:
        raise CardStatus(0x6A82)
    if tag == ObjectTag.BIOMETRIC_GROUP:
        return Response(content)
    return Response(bytes((CONTENT,)) + encode_length(len(content)) + content)


def put_data(ctx: Context, command: Command) -> Response:
    """Replace an object whole, in one write; an empty 53 clears it."""
    if (command.p1, command.p2) != (0x3F, 0xFF):
        raise CardStatus(0x6A86)
    if ctx.contactless and not Profile.of(ctx).contactless_management:
        raise CardStatus(0x6A81)
    if not Session(ctx).managed:
        raise CardStatus(0x6982)
    tag, content = _object(command.data)
    if tag not in STORED_OBJECTS:
        raise CardStatus(0x6A81)
    if len(content) > MAX_OBJECT:
        raise CardStatus(0x6A84)
    if tag == ObjectTag.CHUID and content and _guid(content) != ctx.nv.get("guid"):
        # The card unique identifier was given at personalisation and follows the card for life.
        raise CardStatus(0x6A80)
    if content:
        ctx.nv.put(_name(tag), content)
    else:
        ctx.nv.delete(_name(tag))
    return Response()


def _tag(data: bytes) -> int:
    try:
        found = Tlv.parse(data)
    except ValueError:
        raise CardStatus(0x6A80) from None
    if found.tag != TAG_LIST or not 1 <= len(found.value) <= 3:
        raise CardStatus(0x6A80)
    return int.from_bytes(found.value, "big")


def _object(data: bytes) -> tuple[int, bytes]:
    try:
        first, *rest = Tlv.parse_all(data)
    except ValueError:
        raise CardStatus(0x6A80) from None
    if first.tag in (ObjectTag.DISCOVERY, ObjectTag.BIOMETRIC_GROUP) and not rest:
        return first.tag, data
    if first.tag != TAG_LIST or len(rest) != 1 or rest[0].tag != CONTENT:
        raise CardStatus(0x6A80)
    return int.from_bytes(first.value, "big"), rest[0].value


def _guid(chuid: bytes) -> bytes:
    try:
        return next((tlv.value for tlv in Tlv.parse_all(chuid) if tlv.tag == GUID), b"")
    except ValueError:
        raise CardStatus(0x6A80) from None


def _name(tag: int) -> str:
    return f"object/{tag:06X}"
