"""The employee ID on the simulated card: the PIV card application (NIST SP 800-73-5 parts 1 and 2).

``pins``, ``objects`` and ``keys`` hold the commands, ``state`` the memory. Until its personalisation is whole
the application can be selected and refuses everything else with 6985.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ....apdu.command import Command, Response
from ....applets.piv.model import (
    APPLICATION_PROPERTY_TEMPLATE,
    MAX_TRIES,
    SYMMETRIC,
    Algorithm,
    Dgi,
    Ins,
)
from ...card.application import Application, CardStatus, Context
from ...card.registry import LifeCycle
from ..personalization import collect, decrypt_key
from . import keys, objects, pins
from .state import Profile, Session

__all__ = ["Piv"]

INS_YUBICO_VERSION, INS_YUBICO_SERIAL = 0xFD, 0xF8
YUBICO_VERSION = bytes((5, 2, 4))
PIN_PADDING = bytes.fromhex("8000000000000000")

HANDLERS: dict[int, Callable[[Context, Command], Response]] = {
    Ins.VERIFY: pins.verify,
    Ins.CHANGE_REFERENCE_DATA: pins.change,
    Ins.RESET_RETRY_COUNTER: pins.reset_counter,
    Ins.GENERATE_ASYMMETRIC_KEY_PAIR: keys.generate,
    Ins.GENERAL_AUTHENTICATE: keys.general_authenticate,
    Ins.GET_DATA: objects.get_data,
    Ins.PUT_DATA: objects.put_data,
}


class Piv(Application):
    """PIV with an AES management key and the PIV PIN alone."""

    model: ClassVar[str] = "piv"
    reselect_keeps_state: ClassVar[bool] = True
    opens_channels: ClassVar[bool] = True

    def install(self, ctx: Context, parameters: bytes) -> None:
        if len(parameters) > 1:
            raise CardStatus(0x6A80)
        if parameters:
            ctx.nv.put("profile", Profile.from_bytes(parameters).to_bytes())

    def select(self, ctx: Context, command: Command) -> Response:
        return Response(APPLICATION_PROPERTY_TEMPLATE)

    def process(self, ctx: Context, command: Command) -> Response:
        try:
            return self._dispatch(ctx, command)
        finally:
            # Any other command, a refused one too, stands between a VERIFY and the signature key.
            if command.ins != Ins.VERIFY:
                Session(ctx).pin_fresh = False

    def _dispatch(self, ctx: Context, command: Command) -> Response:
        if command.cla & 0x0C:
            raise CardStatus(0x6882)
        if command.cla != 0x00:
            raise CardStatus(0x6E00)
        if command.ins in (INS_YUBICO_VERSION, INS_YUBICO_SERIAL) and Profile.of(ctx).yubico_version:
            return Response(_yubico(ctx, command.ins))
        handler = HANDLERS.get(command.ins)
        if handler is None:
            raise CardStatus(0x6D00)
        if ctx.life_cycle != LifeCycle.PERSONALIZED:
            raise CardStatus(0x6985)
        return handler(ctx, command)

    def personalize(self, ctx: Context, command: Command) -> Response:
        """GUID, 9B, PIN and PUK: all of them once, or nothing."""
        if ctx.life_cycle == LifeCycle.PERSONALIZED:
            raise CardStatus(0x6985)
        groupings = collect(ctx, command)
        if groupings is None:
            return Response()
        values = dict(groupings)
        if len(values) != len(groupings) or set(values) != set(Dgi):
            raise CardStatus(0x6A80)
        written = {
            "guid": _guid(values[Dgi.GUID]),
            "9b": _management_key(ctx, values[Dgi.MANAGEMENT_KEY]),
            **_reference_data(ctx, "pin", values[Dgi.PIN]),
            **_reference_data(ctx, "puk", values[Dgi.PUK]),
        }
        with ctx.transaction():
            for name, value in written.items():
                ctx.nv.put(name, value)
            ctx.set_life_cycle(LifeCycle.PERSONALIZED)
        return Response()


def _guid(value: bytes) -> bytes:
    if len(value) != 16 or not any(value):
        raise CardStatus(0x6A80)
    return value


def _management_key(ctx: Context, value: bytes) -> bytes:
    if len(value) < 20 or value[0] not in SYMMETRIC:
        raise CardStatus(0x6A80)
    length = Algorithm(value[0]).key_length
    return value[:1] + decrypt_key(ctx, value[1:4], value[4:], length)


def _reference_data(ctx: Context, name: str, value: bytes) -> dict[str, bytes]:
    if len(value) != 17 or not 1 <= value[0] <= MAX_TRIES:
        raise CardStatus(0x6A80)
    plain = ctx.decrypt(value[1:])
    if plain[8:] != PIN_PADDING:
        raise CardStatus(0x6A80)
    pins.check_new(name, plain[:8])
    return {name: plain[:8], f"{name}-tries": bytes((value[0], value[0]))}


def _yubico(ctx: Context, instruction: int) -> bytes:
    return YUBICO_VERSION if instruction == INS_YUBICO_VERSION else ctx.nv.get("guid", bytes(16))[-4:]
