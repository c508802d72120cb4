"""The common application of the simulated card: see ``applets.mynumber_common.model``."""

from __future__ import annotations

from ...apdu.command import Command, Response
from ...applets.jpki.model import SignMode
from ...applets.mynumber_common.model import Ef
from ..card.application import CardStatus, Context
from . import rsa_sign
from .jicsap import (
    INS_CHANGE,
    INS_CHANGE_PROPRIETARY,
    INS_INTERNAL_AUTHENTICATE,
    INS_PERFORM_SECURITY_OPERATION,
    ElementaryFile,
    FileApplication,
    Internal,
    Key,
    Pin,
    Records,
    Transparent,
)

__all__ = ["CommonApplication"]

INS_READ_RECORD = 0xB2
THIS_RECORD, FROM_THIS_RECORD = 0x04, 0x05

FILES: dict[int, ElementaryFile] = {
    Ef.SERIAL: Records(),
    Ef.KEY_REFERENCE: Transparent(),
    Ef.INTERNAL_KEY: Key(),
    Ef.PIN: Pin(3, 4, 4),
    Ef.INTERNAL: Internal(),
}
ABSENT = (INS_CHANGE, INS_PERFORM_SECURITY_OPERATION)


class CommonApplication(FileApplication):
    """The serial of the card, and a key that answers challenges."""

    model = "mynumber-common"
    files = FILES
    secure_messaging_sw = 0x66F1
    instructions = {
        **{ins: entry for ins, entry in FileApplication.instructions.items() if ins not in ABSENT},
        INS_CHANGE_PROPRIETARY: (0x80, "_change_proprietary"),
        INS_READ_RECORD: (0x00, "_read_record"),
        INS_INTERNAL_AUTHENTICATE: (0x00, "_internal_authenticate"),
    }

    def _read_record(self, ctx: Context, command: Command) -> Response:
        """Record P1 (P2 = SFI·8 + 4), or all from record P1 on (+ 5); there is one record."""
        short_id, mode = command.p2 >> 3, command.p2 & 0x07
        if mode not in (THIS_RECORD, FROM_THIS_RECORD):
            raise CardStatus(0x6A86)
        number = self._short_id(ctx, short_id) if short_id else self._current(ctx)
        if not isinstance(self.files[number], Records):
            raise CardStatus(0x6981)
        if command.data or command.le is None:
            raise CardStatus(0x6700)
        if command.p1 != 1:
            raise CardStatus(0x6A83)
        return Response(ctx.nv.get(f"ef/{number:04x}")[: command.le])

    def _internal_authenticate(self, ctx: Context, command: Command) -> Response:
        """PKCS #1 v1.5 with SHA-256 over the challenge: deterministic, without a PIN."""
        if command.p1 != 0x00 or command.p2 & 0xE0 != 0x80:
            raise CardStatus(0x6A86)
        if self._reference(ctx, command.p2) != Ef.INTERNAL_KEY:
            raise CardStatus(ctx.policy.other_key_authentication_sw)
        if not 1 <= len(command.data) <= 255:
            raise CardStatus(0x6700)
        encoded = rsa_sign.encode(SignMode.HASH_AND_DIGEST_INFO, command.data, ctx.random)
        ctx.spend("rsa2048_private")
        return Response(rsa_sign.private_operation(ctx.nv.get(f"ef/{Ef.INTERNAL_KEY:04x}"), encoded))
