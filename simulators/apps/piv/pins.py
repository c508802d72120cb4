"""VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (SP 800-73-5 part 2 §3.2.1–3.2.3)."""

from __future__ import annotations

import hmac

from ....apdu.command import Command, Response
from ....applets.piv.model import PIN_LENGTH, KeyReference, padded_pin
from ...card.application import CardStatus, Context
from .state import Profile, Session

__all__ = ["change", "check_new", "reset_counter", "verify"]

NAMES: dict[int, str] = {KeyReference.PIN: "pin", KeyReference.PUK: "puk"}
LOGOUT = 0xFF


def verify(ctx: Context, command: Command) -> Response:
    """With data: compare. Without: the state, or tries left. P1 FF without data: log out."""
    session = Session(ctx)
    session.pin_fresh = False
    if command.p1 not in (0x00, LOGOUT):
        raise CardStatus(0x6A86)
    if command.p2 != KeyReference.PIN:
        raise CardStatus(0x6A88)
    if ctx.contactless and not Profile.of(ctx).contactless_management:
        raise CardStatus(0x6982)
    if command.p1 == LOGOUT:
        if command.data:
            raise CardStatus(0x6A80)
        session.pin_verified = False
        return Response()
    if not command.data:
        if session.pin_verified:
            return Response()
        left = tries_left(ctx, "pin")
        raise CardStatus(_status(left) if left else 0x6983)
    if not _well_formed_pin(command.data):
        raise CardStatus(0x6A80)
    session.pin_verified = False
    compare(ctx, "pin", command.data)
    session.pin_verified = session.pin_fresh = True
    return Response()


def change(ctx: Context, command: Command) -> Response:
    """Old value and new value, 8 bytes each."""
    name = NAMES.get(command.p2)
    if command.p1 != 0x00:
        raise CardStatus(0x6A86)
    if name is None:
        raise CardStatus(0x6A88)
    _contact_only(ctx)
    old, new = _pair(command)
    if name == "pin":
        check_new("pin", new)
        Session(ctx).pin_verified = False
    compare(ctx, name, old)
    ctx.nv.put(name, new)
    if name == "pin":
        Session(ctx).pin_verified = True
    return Response()


def reset_counter(ctx: Context, command: Command) -> Response:
    """PUK and new PIN; the state of the PIN does not change."""
    if command.p1 != 0x00:
        raise CardStatus(0x6A86)
    if command.p2 != KeyReference.PIN:
        raise CardStatus(0x6A88)
    _contact_only(ctx)
    puk, new = _pair(command)
    check_new("pin", new)
    compare(ctx, "puk", puk)
    with ctx.transaction():
        ctx.nv.put("pin", new)
        _reset_tries(ctx, "pin")
    return Response()


def compare(ctx: Context, name: str, value: bytes) -> None:
    """Spend a try, compare, give the tries back. Raises CardStatus 6983 or 63Cx.

    The try is written before the comparison and outside any transaction, so that a cut of power never
    gives a guess for nothing.
    """
    left = tries_left(ctx, name)
    if left == 0:
        raise CardStatus(0x6983)
    most = ctx.nv.get(f"{name}-tries")[1]
    ctx.nv.put(f"{name}-tries", bytes((left - 1, most)))
    if not hmac.compare_digest(ctx.nv.get(name), value):
        raise CardStatus(_status(left - 1))
    _reset_tries(ctx, name)


def tries_left(ctx: Context, name: str) -> int:
    return ctx.nv.get(f"{name}-tries")[0]


def check_new(name: str, value: bytes) -> None:
    """Raises CardStatus 6A80 for a PIN that is not 6 to 8 digits padded with FF, or a PUK not of 8 bytes."""
    if len(value) != PIN_LENGTH or (name == "pin" and not _well_formed_pin(value)):
        raise CardStatus(0x6A80)


def _well_formed_pin(value: bytes) -> bool:
    try:
        return padded_pin(value.rstrip(b"\xff")) == value
    except ValueError:
        return False


def _pair(command: Command) -> tuple[bytes, bytes]:
    if len(command.data) != 2 * PIN_LENGTH:
        raise CardStatus(0x6A80)
    return command.data[:PIN_LENGTH], command.data[PIN_LENGTH:]


def _contact_only(ctx: Context) -> None:
    if ctx.contactless and not Profile.of(ctx).contactless_management:
        raise CardStatus(0x6A81)


def _reset_tries(ctx: Context, name: str) -> None:
    most = ctx.nv.get(f"{name}-tries")[1]
    ctx.nv.put(f"{name}-tries", bytes((most, most)))


def _status(left: int) -> int:
    return 0x63C0 | min(left, 0x0F)
