"""The JPKI application (公的個人認証 AP) of the simulated My Number Card: see ``applets.jpki.model``."""

from __future__ import annotations

from ...apdu.command import Command, Response
from ...applets.jpki.model import INTERNAL_FILES, Ef, JpkiKey
from ..card.application import CardStatus, Context
from .jicsap import ElementaryFile, FileApplication, Internal, Key, Pin, Transparent

__all__ = ["Jpki"]

INS_TERMINAL_AUTHENTICATION, INS_PHONE_ONLY = 0xA2, 0xFC
TERMINAL_REFERENCES = (0x00C1, 0x06C1)


def _pin(key: JpkiKey) -> Pin:
    rule = key.pin_rule
    return Pin(rule.tries, rule.shortest, rule.longest)


FILES: dict[int, ElementaryFile] = {
    Ef.SIGNATURE_CERTIFICATE: Transparent(frozenset({Ef.SIGNATURE_PIN})),
    Ef.SIGNATURE_CA_CERTIFICATE: Transparent(),
    Ef.TOKEN_INFO: Transparent(),
    Ef.AVAILABILITY: Transparent(),
    Ef.PROTECTED_0009: Transparent(frozenset()),
    Ef.AUTHENTICATION_CERTIFICATE: Transparent(),
    Ef.AUTHENTICATION_CA_CERTIFICATE: Transparent(),
    Ef.TERMINAL_CA_KEY: Internal(),
    Ef.AUTHENTICATION_KEY: Key(Ef.AUTHENTICATION_PIN),
    Ef.AUTHENTICATION_PIN: _pin(JpkiKey.AUTHENTICATION),
    Ef.SIGNATURE_KEY: Key(Ef.SIGNATURE_PIN),
    Ef.SIGNATURE_PIN: _pin(JpkiKey.SIGNATURE),
    **{number: Internal() for number in INTERNAL_FILES},
}


class Jpki(FileApplication):
    """Two keys, two PINs, four certificates."""

    model = "jpki"
    files = FILES
    instructions = {
        **FileApplication.instructions,
        INS_TERMINAL_AUTHENTICATION: (0x80, "_terminal_authentication"),
        INS_PHONE_ONLY: (0x80, "_phone_only"),
    }

    def _terminal_authentication(self, ctx: Context, command: Command) -> Response:
        """特定機関認証 needs a terminal certificate that only approved bodies get: every offer is refused."""
        raise CardStatus(0x6700 if command.p1 << 8 | command.p2 in TERMINAL_REFERENCES else 0x6A86)

    def _phone_only(self, ctx: Context, command: Command) -> Response:
        """80 FC answers on the iPhone's token only; a card says 6700."""
        raise CardStatus(0x6700)
