"""``tegata sim pki``: the test hierarchy behind simulated My Number Cards, for those who test a verifier."""

from __future__ import annotations

from pathlib import Path

import click
from cryptography import x509

from ..apdu.errors import InputError, language
from ..applets.jpki.model import AID, JpkiKey
from .card.journal import FileStore
from .pki import export
from .pki.responder import Responder
from .pki.revocation import revoke

__all__ = ["pki"]

REASONS = sorted(
    reason.value for reason in x509.ReasonFlags if reason is not x509.ReasonFlags.remove_from_crl
)
SERVING = {
    "en": "OCSP: {ocsp}\nLists: {crl}\nUntil Ctrl-C; this machine only.",
    "ja": "OCSP: {ocsp}\n失効リスト: {crl}\nCtrl-C で終了します。このコンピューターからだけ利用できます。",
}


@click.group()
def pki() -> None:
    """The test hierarchy of this installation (O=JPKI-TEST): anchors, revocation, lists, OCSP.

    Its certificates are worth nothing outside. Nothing is ever sent to a real authority.
    """


@pki.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def anchors(folder: Path) -> None:
    """Write the public keys to believe in into FOLDER: jpki/ has the roots of the certificates in three
    generations, face/ the root of the card face."""
    for path in export.write_anchors(folder):
        click.echo(path)


@pki.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def crls(folder: Path) -> None:
    """Write the revocation lists of all roots into FOLDER, made now and valid for a day."""
    for path in export.write_crls(folder):
        click.echo(path)


@pki.command(name="revoke")
@click.argument("card", type=click.Path(path_type=Path))
@click.option(
    "--certificate",
    "which",
    type=click.Choice([key.name.lower() for key in JpkiKey]),
    required=True,
    help="Which certificate of the card.",
)
@click.option("--reason", type=click.Choice(REASONS), default="unspecified", show_default=True)
def revoke_command(card: Path, which: str, reason: str) -> None:
    """Revoke a certificate of the simulated card in the file CARD."""
    store = FileStore(card)
    try:
        file = JpkiKey[which.upper()].certificate_file
        certificate = store.content.get(f"app/{AID.hex()}/ef/{file:04x}")
    finally:
        store.close()
    if certificate is None:
        raise InputError("simpki.no_certificate", file=card, which=which)
    revoke(certificate, reason=x509.ReasonFlags(reason))
    serial = x509.load_der_x509_certificate(certificate).serial_number
    click.echo(f"{which}: {serial:08X}")


@pki.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: a free one.")
def serve(port: int) -> None:
    """Answer OCSP questions and give revocation lists over HTTP on 127.0.0.1, until Ctrl-C."""
    responder = Responder(port)
    try:
        text = SERVING[language()].format(
            ocsp=responder.ocsp_url, crl=responder.crl_url("authentication-3.crl")
        )
        click.echo(text)
        responder.serve()
    except KeyboardInterrupt:
        click.echo()
    finally:
        responder.close()
