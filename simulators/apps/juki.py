"""The 住民基本台帳 application of the simulated card: see ``applets.juki.model``.

Its mutual authentication with the terminals of municipalities is not public: INTERNAL AUTHENTICATE is
refused.
"""

from __future__ import annotations

from ...apdu.command import Command, Response
from ...applets.juki.model import INTERNAL_FILES, PIN, Ef
from ..card.application import CardStatus, Context
from .jicsap import (
    INS_CHANGE,
    INS_CHANGE_PROPRIETARY,
    INS_INTERNAL_AUTHENTICATE,
    INS_PERFORM_SECURITY_OPERATION,
    ElementaryFile,
    FileApplication,
    Internal,
    Pin,
    Transparent,
)

__all__ = ["JukiApplication"]

FILES: dict[int, ElementaryFile] = {
    Ef.KEY_REFERENCE: Transparent(),
    Ef.PIN: Pin(PIN.rule.tries, PIN.rule.shortest, PIN.rule.longest),
    **{number: Internal() for number in INTERNAL_FILES},
}
ABSENT = (INS_CHANGE, INS_PERFORM_SECURITY_OPERATION)


class JukiApplication(FileApplication):
    """A PIN and a key reference."""

    model = "juki"
    files = FILES
    instructions = {
        **{ins: entry for ins, entry in FileApplication.instructions.items() if ins not in ABSENT},
        INS_CHANGE_PROPRIETARY: (0x80, "_change_proprietary"),
        INS_INTERNAL_AUTHENTICATE: (0x00, "_internal_authenticate"),
    }

    def _internal_authenticate(self, ctx: Context, command: Command) -> Response:
        raise CardStatus(ctx.policy.other_key_authentication_sw if command.p1 == 0x00 else 0x6A86)
