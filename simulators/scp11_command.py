"""``tegata sim scp11``: what a host needs to open SCP11 with a simulated card."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ..apdu.errors import InputError
from ..apdu.scp11 import KeyNumber, Role, new_private_key
from .apps.security_domain.attestation import Authority
from .card.journal import FileStore
from .card.kernel import BEGIN, COMMIT, Write
from .presets.scp11 import add_host_authority, free_host_authority, maker_root

__all__ = ["scp11"]

ANCHOR, KEY, CHAIN = "anchor.pem", "host.key", "host.pem"


@click.command()
@click.argument("card", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def scp11(card: Path, folder: Path) -> None:
    """Let a new host open SCP11a and c with the simulated card in the file CARD, made as gp-full.

    FOLDER is made: anchor.pem is what the host believes in, the root of the card's invented maker; host.key
    and host.pem are its own key and certificate. The authority that signed it is put onto the card as a maker
    would, beside those that the card has, and its private key is thrown away.

    \b
    tegata sim new gp-full full.sim
    tegata sim scp11 full.sim host
    """
    store = FileStore(card)  # locked until it is closed
    try:
        number = free_host_authority(store.content)
        authority = Authority.root("Authority of a host", os.urandom)
        _write_host(folder, authority)
        _let_in(store, authority, number)
    finally:
        store.close()
    for letter in "ac":
        click.echo(_command(card, folder, letter))


def _let_in(store: FileStore, authority: Authority, number: KeyNumber) -> None:
    """The authority's key among the card's, whole or not at all."""
    key = authority.key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(key).digest
    after = add_host_authority(store.content, key, identifier, number)
    changed = [Write(name, value) for name, value in after.items() if store.content.get(name) != value]
    for write in (BEGIN, *changed, COMMIT):
        store.apply(write)


def _write_host(folder: Path, authority: Authority) -> None:
    """Raises InputError ``input.exists`` and ``input.error``."""
    key = new_private_key(ec.SECP256R1(), os.urandom)
    leaf = authority.certify("Host", key.public_key(), os.urandom, Role.HOST)
    files = {
        ANCHOR: maker_root().certificate.public_bytes(Encoding.PEM),
        KEY: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        CHAIN: x509.load_der_x509_certificate(leaf).public_bytes(Encoding.PEM),
    }
    try:
        folder.mkdir()
        for name, content in files.items():
            mode = 0o600 if name == KEY else 0o644
            with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)
    except FileExistsError:
        raise InputError("input.exists", path=str(folder)) from None
    except OSError as error:
        raise InputError("input.error", what=f"{folder}: {error.strerror}") from error


def _command(card: Path, folder: Path, letter: str) -> str:
    words = ["tegata", "gp", "--reader", f"sim:{card}", "--scp11", letter]
    for option, name in (("anchor", ANCHOR), ("key", KEY), ("chain", CHAIN)):
        words += [f"--scp11-{option}", str(folder / name)]
    return shlex.join([*words, "list"])
