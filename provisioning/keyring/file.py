"""The built-in key ring: master keys in one file, computing in this process (scheme ``file:``).

What this ring cannot give is the shell of hardware: who holds its file and passphrase holds the keys, and so
does who can put a card of his own choice, with keys he knows, under PUT KEY.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...apdu.errors import InputError
from ...apdu.secret import Secret
from .computing import GP_DEFAULT, WELL_KNOWN, Master, MemoryRing
from .container import Header, MasterInfo, SignerInfo, read, seal, unseal, write_private
from .keys import MemoryKey, check_value
from .passphrase import read_passphrase
from .signers import kind_of, load_signer, pkcs8, public_bytes, sign_with

__all__ = ["GP_DEFAULT", "FileKeyRing", "MasterInfo", "open_keyring"]


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

    @property
    def header(self) -> Header:
        """What may be said about the ring."""
        return self._header

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

    def import_default(self, label: str = WELL_KNOWN) -> MasterInfo:
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
        self._store({"masters": (*self._header.masters, info)}, label, key)
        return info

    def _store(self, update: dict[str, Any], label: str, value: Secret) -> None:
        if label in self._keys:
            raise InputError("keyring.label", label=label)
        header = self._header.model_copy(update=update)
        keys = {**self._keys, label: Secret(value.reveal())}
        if read(self._path)[0] != self._header:
            raise InputError("keyring.changed", path=str(self._path))
        write_private(self._path, seal(header, keys, self._passphrase), replace=True)
        self._header, self._keys = header, keys

    def signers(self) -> tuple[SignerInfo, ...]:
        return self._header.signers

    def import_signer(self, label: str, pem: bytes, passphrase: Secret | None = None) -> SignerInfo:
        """An RSA or EC private key from PEM, for tokens and load files. Raises InputError ``keyring.label``,
        ``keyring.passphrase`` when the PEM does not open, ``keyring.reference`` for another kind of key."""
        private = load_signer(pem, passphrase, label)
        try:
            info = SignerInfo(
                label=label,
                kind=kind_of(private),
                bits=private.key_size,
                public=public_bytes(private).hex(),
            )
        except ValueError as error:
            raise InputError("keyring.label", label=label) from error
        with pkcs8(private) as value:
            self._store({"signers": (*self._header.signers, info)}, label, value)
        return info

    def sign(self, key: str, data: bytes) -> bytes:
        """The signature under the private key of that label, in the scheme that its kind asks for."""
        self._signer(key)
        return sign_with(self._keys[key], data)

    def public_key(self, key: str) -> bytes:
        """The SubjectPublicKeyInfo (DER) of a private key."""
        return bytes.fromhex(self._signer(key).public)

    def _signer(self, label: str) -> SignerInfo:
        for info in self._header.signers:
            if info.label == label:
                return info
        raise InputError("keyring.master", master=label, ring=self.name)

    def _masters(self) -> Mapping[str, Master]:
        return {
            info.label: Master(self._keys[info.label], info.fixed, None if info.fixed else info.algorithm)
            for info in self._header.masters
        }
