"""BEGIN and END R-MAC SESSION (GPC 2.3.1 §E.5.3, §E.5.4; Amd D §7.1.3, §7.1.4).

Here a command is only judged: the channel follows one that succeeds by itself, as the host's does.
"""

from __future__ import annotations

from ....apdu import scp02, scp03
from ....apdu.command import Command, Response
from ....apdu.secure_messaging import C_ENC, C_MAC, R_ENC, R_MAC
from ...card.application import CardStatus, DomainContext
from .access import AUTHENTICATED, Channel
from .channel import Scp02Channel, Scp03Channel

__all__ = ["begin", "end"]

BEGIN, RETURN, END_AND_RETURN = 0x01, 0x01, 0x03
CHALLENGE_MAX = 24


def begin(ctx: DomainContext, command: Command) -> Response:
    """BEGIN R-MAC SESSION. Raises CardStatus 6A86 for P1 and P2, 6A80 for data that is not a length and that
    many bytes, 6985 without a channel that could do it or when it does so already."""
    channel = _channel(ctx)
    if command.p2 != BEGIN:
        raise CardStatus(0x6A86)
    if not command.data or command.data[0] != len(command.data) - 1 or command.data[0] > CHALLENGE_MAX:
        raise CardStatus(0x6A80)
    match channel:
        case Scp02Channel():
            _check_scp02(channel, command.p1)
        case Scp03Channel():
            _check_scp03(channel, command.p1)
        case _:
            raise CardStatus(0x6985)
    return Response()


def end(ctx: DomainContext, command: Command) -> Response:
    """END R-MAC SESSION. Raises CardStatus 6A86, and 6985 when no session was begun.

    In SCP02 the current R-MAC may be asked for (P2 = 01) also when EXTERNAL AUTHENTICATE began it.
    """
    channel = _channel(ctx)
    if command.p1 != 0 or command.p2 not in (RETURN, END_AND_RETURN):
        raise CardStatus(0x6A86)
    match channel:
        case Scp02Channel(state=state):
            asked_only = command.p2 == RETURN and bool(state.level & R_MAC)
            running = state.r_session is not None or asked_only
        case Scp03Channel(state=state):
            running = command.p2 == END_AND_RETURN and bool(state.r_session)
        case _:
            running = False
    if not running:
        raise CardStatus(0x6985)
    return Response()


def _channel(ctx: DomainContext) -> Channel:
    channel: Channel | None = ctx.channel_state
    if channel is None or not ctx.security_level & AUTHENTICATED:
        raise CardStatus(0x6985)
    return channel


def _check_scp02(channel: Scp02Channel, p1: int) -> None:
    state = channel.state
    if p1 not in (0x00, R_MAC):
        raise CardStatus(0x6A86)
    if not scp02.Options(state.i).r_mac or state.level & R_MAC or state.r_session is not None:
        raise CardStatus(0x6985)


def _check_scp03(channel: Scp03Channel, p1: int) -> None:
    if p1 not in (R_MAC, R_MAC | R_ENC):
        raise CardStatus(0x6A86)
    level = channel.state.level
    wanted = level | p1
    if not level & C_MAC or (p1 & R_ENC and not level & C_ENC) or not scp03.level_allowed(wanted, channel.i):
        raise CardStatus(0x6985)
    if channel.state.r_session or level & R_ENC or wanted == level:
        raise CardStatus(0x6985)
