"""The files of a badge desk, in tegata's home folder unless told otherwise: ledger, key ring, company CA."""

from __future__ import annotations

import sys
from pathlib import Path

from ..apdu.errors import InputError
from ..apdu.ports import KeyRing, open_keyring
from ..apdu.secret import Secret
from ..reader_bridge.store import Settings
from .ca import CompanyCa
from .keyring import FileKeyRing, read_passphrase
from .ledger import Ledger

__all__ = ["ca_folder", "default_keyring", "open_ledger", "open_ring", "open_ring_and_ca"]

FILE = "file"
CA_PROMPT = "Passphrase of the company CA (the key ring's, or one of its own)"


def open_ledger(database: str | None = None) -> Ledger:
    """The ledger at a path or database URL; by default ``ledger.db`` in the home folder."""
    return Ledger.open(database or Settings.load().file("ledger.db"))


def default_keyring() -> str:
    """The URL of the key ring in the home folder."""
    return f"file:{Settings.load().file('keys.json')}"


def open_ring(url: str | None = None) -> KeyRing:
    """The key ring at a URL, by default :func:`default_keyring`; asks for what it needs to open."""
    url = url or default_keyring()
    scheme, _, rest = url.partition(":")
    if scheme == FILE:
        with read_passphrase() as passphrase:
            return FileKeyRing.open(Path(rest), passphrase)
    return open_keyring(url)


def open_ring_and_ca(url: str | None = None, folder: str | Path | None = None) -> tuple[KeyRing, CompanyCa]:
    """Key ring and company CA. One passphrase is asked for; a second one only if the CA has its own."""
    url = url or default_keyring()
    scheme, _, rest = url.partition(":")
    if scheme != FILE:
        with read_passphrase(CA_PROMPT) as passphrase:
            return open_keyring(url), CompanyCa.open(ca_folder(folder), passphrase)
    with read_passphrase() as passphrase:
        return FileKeyRing.open(Path(rest), passphrase), _open_ca(ca_folder(folder), passphrase)


def _open_ca(folder: Path, passphrase: Secret) -> CompanyCa:
    try:
        return CompanyCa.open(folder, passphrase)
    except InputError as error:
        if error.code != "keyring.passphrase" or not sys.stdin.isatty():
            raise
    with read_passphrase(CA_PROMPT) as other:
        return CompanyCa.open(folder, other)


def ca_folder(folder: str | Path | None = None) -> Path:
    """The folder of the company CA; by default ``ca`` in the home folder."""
    return Path(folder) if folder else Settings.load().file("ca")
