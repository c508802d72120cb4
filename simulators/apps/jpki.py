"""The JPKI application (公的個人認証 AP) of the simulated My Number Card and of both smartphone tokens.

Layouts: ``applets.jpki.model``.

特定機関認証 (80 A2) needs a terminal certificate that only approved bodies get. The simulated card takes a
card-verifiable certificate of the simulated root (``pki.terminal``) and then lets the authentication key be
used without its PIN. How a real terminal proves that it holds the certified key is not public, and is not
played.
"""

from __future__ import annotations

from ...apdu.command import Command, Response
from ...apdu.cvc import CardVerifiableCertificate, RsaPublicKey
from ...applets.jpki.model import INTERNAL_FILES, Ef, JpkiKey
from ..card.application import CardStatus, Context
from .jicsap import VERIFIED, ElementaryFile, FileApplication, Internal, Key, Pin, Transparent

__all__ = ["AndroidJpki", "IphoneJpki", "Jpki"]

INS_TERMINAL_AUTHENTICATION, INS_PHONE_ONLY = 0xA2, 0xFC
TERMINAL_REFERENCES = (0x00C1, 0x06C1)
TERMINAL_CERTIFICATE_BYTES = 568


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
    Ef.AUTHENTICATION_KEY: Key(frozenset({Ef.AUTHENTICATION_PIN, Ef.TERMINAL_CA_KEY})),
    Ef.AUTHENTICATION_PIN: _pin(JpkiKey.AUTHENTICATION),
    Ef.SIGNATURE_KEY: Key(frozenset({Ef.SIGNATURE_PIN})),
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

    def _readers(self, ctx: Context, number: int, file: Transparent) -> frozenset[int] | None:
        if number == Ef.SIGNATURE_CERTIFICATE and ctx.policy.signature_certificate_free:
            return None
        return file.readers

    def _terminal_authentication(self, ctx: Context, command: Command) -> Response:
        """The certificate is checked with the key in EF 0016; a right one counts until deselection."""
        if command.p1 << 8 | command.p2 not in TERMINAL_REFERENCES:
            raise CardStatus(0x6A86)
        name = f"ef/{Ef.TERMINAL_CA_KEY:04x}"
        if len(command.data) != TERMINAL_CERTIFICATE_BYTES or name not in ctx.nv:
            raise CardStatus(0x6700)
        try:
            certificate = CardVerifiableCertificate.parse(command.data)
        except ValueError:
            raise CardStatus(ctx.policy.terminal_refused_sw) from None
        if not RsaPublicKey.parse(ctx.nv.get(name)).confirms(certificate.signature, certificate.body):
            raise CardStatus(ctx.policy.terminal_refused_sw)
        ctx.clear_on_deselect[VERIFIED] = self._verified(ctx) | {int(Ef.TERMINAL_CA_KEY)}
        return Response()

    def _phone_only(self, ctx: Context, command: Command) -> Response:
        """80 FC answers on the iPhone's token only; a card says 6700."""
        raise CardStatus(0x6700)


class AndroidJpki(Jpki):
    """The token in a phone's secure element (JPKIAPGPSETOKEN): its authentication certificate, too, lies
    behind the PIN."""

    model = "jpki-android"
    files = {
        **FILES,
        Ef.AUTHENTICATION_CERTIFICATE: Transparent(frozenset({Ef.AUTHENTICATION_PIN})),
    }


class IphoneJpki(AndroidJpki):
    """The token of an iPhone (JPKIAPIOSTOKEN). That its certificate lies behind the PIN as on Android is an
    inference; what 80 FC 00 00 does is not public, here it answers 9000."""

    model = "jpki-iphone"

    def _phone_only(self, ctx: Context, command: Command) -> Response:
        if command.p1 or command.p2:
            raise CardStatus(0x6A86)
        return Response()
