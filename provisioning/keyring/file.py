"""The built-in key ring: master keys in one file, computing in this process (scheme ``file:``).

What this ring cannot give is the shell of hardware: who holds its file and passphrase holds the keys, and so
does who can put a card of his own choice, with keys he knows, under PUT KEY.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from ...apdu.errors import InputError
from ...apdu.secret import Secret
from .computing import Master, MemoryRing
from .container import Header, MasterInfo, read, seal, unseal, write_private
from .keys import MemoryKey, check_value
from .passphrase import read_passphrase

__all__ = ["GP_DEFAULT", "FileKeyRing", "MasterInfo", "open_keyring"]

GP_DEFAULT = bytes(range(0x40, 0x50))
"""The well-known test keys that makers deliver cards with (GlobalPlatform's default key set)."""


def open_keyring(rest: str) -> FileKeyRing:
    """The ring that ``file:PATH`` names; the passphrase comes from :func:`.passphrase.read_passphrase`."""
    return FileKeyRing.open(Path(rest), read_passphrase())


class FileKeyRing(MemoryRing):
    """Masters of one file, open in memory until :meth:`close`."""

    def __init__(self, path: Path, header: Header, keys: dict[str, Secret], passphrase: Secret) -> None:
        self._path = path
        self._header = header
        self._keys = keys
        self._passphrase = Secret(passphrase.reveal())

    @classmethod
    def create(cls, path: Path, passphrase: Secret, name: str = "") -> FileKeyRing:
        """A new, empty ring; ``name`` defaults to the file's name. Raises InputError ``input.exists``."""
        ring = cls(path, Header(name=name or path.stem), {}, passphrase)
        write_private(path, seal(ring._header, {}, passphrase), replace=False)
        return ring

    @classmethod
    def open(cls, path: Path, passphrase: Secret) -> FileKeyRing:
        """Raises InputError ``input.file``, ``keyring.file`` or ``keyring.passphrase``."""
        header, sealed = read(path)
        return cls(path, header, unseal(header, sealed, passphrase), passphrase)

    @staticmethod
    def info(path: Path) -> Header:
        """What the file says without its passphrase (unverified until it is opened)."""
        return read(path)[0]

    def close(self) -> None:
        """Overwrite the masters in memory."""
        for key in (*self._keys.values(), self._passphrase):
            key.wipe()

    def __repr__(self) -> str:
        return f"FileKeyRing({self.name!r})"

    @property
    def name(self) -> str:
        return self._header.name

    def masters(self) -> tuple[MasterInfo, ...]:
        return self._header.masters

    def generate(self, label: str, length: int = 32, *, algorithm: str = "aes") -> MasterInfo:
        """A new random master; AES has 16, 24 or 32 bytes, 3DES 16 or 24. Raises InputError
        ``keyring.label`` when the label is taken or odd."""
        return self._add(label, Secret(secrets.token_bytes(length)), "generated", algorithm=algorithm)

    def import_master(
        self, label: str, key: Secret, *, fixed: bool = False, algorithm: str = "aes"
    ) -> MasterInfo:
        """A master that comes from elsewhere; ``fixed`` for a maker's transport key that is on the cards
        themselves, the same on each (scheme ``fixed``)."""
        return self._add(label, key, "imported", fixed=fixed, algorithm=algorithm)

    def import_default(self, label: str = "gp-default") -> MasterInfo:
        """The maker's well-known keys 40…4F, for scheme ``fixed`` and key version FF."""
        return self._add(label, Secret(GP_DEFAULT), "well-known", fixed=True)

    def _add(
        self, label: str, key: Secret, origin: str, *, fixed: bool = False, algorithm: str = "aes"
    ) -> MasterInfo:
        with MemoryKey(Secret(key.reveal()), algorithm) as master:
            kcv = check_value(master).hex().upper()
        try:
            info = MasterInfo.model_validate(
                {
                    "label": label,
                    "length": len(key),
                    "kcv": kcv,
                    "fixed": fixed,
                    "origin": origin,
                    "algorithm": algorithm,
                }
            )
        except ValueError as error:
            raise InputError("keyring.label", label=label) from error
        if label in self._keys:
            raise InputError("keyring.label", label=label)
        header = self._header.model_copy(update={"masters": (*self._header.masters, info)})
        keys = {**self._keys, label: Secret(key.reveal())}
        if read(self._path)[0] != self._header:
            raise InputError("keyring.changed", path=str(self._path))
        write_private(self._path, seal(header, keys, self._passphrase), replace=True)
        self._header, self._keys = header, keys
        return info

    def _masters(self) -> Mapping[str, Master]:
        infos = {info.label: info for info in self._header.masters}
        return {
            label: Master(key, infos[label].fixed, None if infos[label].fixed else infos[label].algorithm)
            for label, key in self._keys.items()
        }
