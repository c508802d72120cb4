"""The files of a badge desk, in tegata's home folder unless told otherwise: ledger, key ring, company CA."""

from __future__ import annotations

from pathlib import Path

from ..apdu.ports import KeyRing, open_keyring
from ..reader_bridge.store import Settings
from .keyring import FileKeyRing, read_passphrase
from .ledger import Ledger

__all__ = ["ca_folder", "default_keyring", "open_ledger", "open_ring"]


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
    if scheme == "file":
        return FileKeyRing.open(Path(rest), read_passphrase())
    return open_keyring(url)


def ca_folder(folder: str | Path | None = None) -> Path:
    """The folder of the company CA; by default ``ca`` in the home folder."""
    return Path(folder) if folder else Settings.load().file("ca")
