"""The built-in key ring: master keys in one file, computing in this process (scheme ``file:``).

It implements :class:`tegata.apdu.ports.KeyRing`. Nothing gives out a static key: the ring derives it,
uses it and forgets it. Each operation takes only references whose usage fits it, so that no operation
becomes a detour to another's keys. What this ring cannot give is the shell of hardware: who holds its
file and passphrase holds the keys, and so does who can put a card of his own choice, with keys he knows,
under PUT KEY.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

from ...apdu.errors import InputError
from ...apdu.ports import KeyRef, SessionKeys
from ...apdu.scp03.crypto import (
    aes_cbc_decrypt,
    aes_encrypt_block,
    cmac,
    derive_session_keys,
    key_check_value,
    wrap_key,
)
from ...apdu.secret import Secret
from .container import Header, MasterInfo, read, seal, unseal, write_private
from .passphrase import read_passphrase
from .schemes import AES_LENGTHS, BADGE_USAGES, FIXED, PIN_USAGES, derive

__all__ = ["GP_DEFAULT", "FileKeyRing", "MasterInfo", "open_keyring"]

GP_DEFAULT = bytes(range(0x40, 0x50))
"""The well-known test keys that makers deliver cards with (GlobalPlatform's default key set)."""

_BLOCK = 16
_PIN_BYTES = 8


def open_keyring(rest: str) -> FileKeyRing:
    """The ring that ``file:PATH`` names; the passphrase comes from :func:`.passphrase.read_passphrase`."""
    return FileKeyRing.open(Path(rest), read_passphrase())


class FileKeyRing:
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

    def generate(self, label: str, length: int = 32) -> MasterInfo:
        """A new random master AES key. Raises InputError ``keyring.label`` when the label is taken or odd."""
        return self._add(label, Secret(secrets.token_bytes(length)), origin="generated", fixed=False)

    def import_master(self, label: str, key: Secret, *, fixed: bool = False) -> MasterInfo:
        """A master that comes from elsewhere; ``fixed`` for a maker's transport key that is on the cards
        themselves, the same on each (scheme ``fixed``)."""
        return self._add(label, key, origin="imported", fixed=fixed)

    def import_default(self, label: str = "gp-default") -> MasterInfo:
        """The maker's well-known keys 40…4F, for scheme ``fixed`` and key version FF."""
        return self._add(label, Secret(GP_DEFAULT), origin="well-known", fixed=True)

    def _add(self, label: str, key: Secret, *, origin: str, fixed: bool) -> MasterInfo:
        if len(key) not in AES_LENGTHS:
            raise InputError("keyring.reference", what=f"a master of {len(key)} bytes")
        try:
            info = MasterInfo.model_validate(
                {
                    "label": label,
                    "length": len(key),
                    "kcv": _hex_kcv(key),
                    "fixed": fixed,
                    "origin": origin,
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

    def refer(
        self, master: str, *, scheme: str, diversification: bytes, version: int, usage: str, length: int = 16
    ) -> KeyRef:
        """The reference of a derived key, its check value filled in (empty for a PIN or PUK)."""
        ref = KeyRef(self.name, master, scheme, diversification, version, usage, length)
        with self._derive(ref) as key:
            return ref if usage in PIN_USAGES else replace(ref, kcv=_hex_kcv(key))

    def kcv(self, ref: KeyRef) -> bytes:
        """3 bytes. Raises InputError ``keyring.use`` for a PIN or PUK: its check value would betray it."""
        with self._key(ref) as key:
            return key_check_value(key)

    def session(
        self, enc: KeyRef, mac: KeyRef, *, host_challenge: bytes, card_challenge: bytes
    ) -> SessionKeys:
        """SCP03 session keys; challenges of 8 bytes (S8) or 16 (S16)."""
        with self._key(enc, "enc") as enc_key, self._key(mac, "mac") as mac_key:
            return derive_session_keys(enc_key, mac_key, host_challenge, card_challenge)

    def wrap_for_put_key(self, dek: KeyRef, key: KeyRef) -> bytes:
        """The key under the static DEK; a 24-byte key is filled to 32."""
        with self._key(key) as value:
            return self._under(dek, value)

    def encrypt_dgi(self, dek: KeyRef, value: KeyRef) -> bytes:
        """A key, or a PIN or PUK as its 8 bytes, under the static DEK."""
        with self._derive(value) as plain:
            return self._under(dek, _pin_block(plain) if value.usage in PIN_USAGES else plain)

    def encrypt_dgi_value(self, dek: KeyRef, value: Secret) -> bytes:
        """A PIN or PUK that a person typed, 1 to 8 bytes, under the static DEK."""
        return self._under(dek, _pin_block(value))

    def management_response(self, ref: KeyRef, witness: bytes, host_challenge: bytes) -> tuple[bytes, bytes]:
        """The decrypted witness and the encrypted host challenge, 16 bytes each."""
        if len(witness) != _BLOCK or len(host_challenge) != _BLOCK:
            raise InputError("keyring.reference", what="a witness or challenge that is not 16 bytes")
        with self._key(ref, "piv-9b") as key:
            return aes_cbc_decrypt(key, bytes(_BLOCK), witness), aes_encrypt_block(key, host_challenge)

    def badge_cryptogram(self, ref: KeyRef, data: bytes) -> bytes:
        """AES-CMAC under a key of an entry badge, 16 bytes."""
        with self._key(ref, *BADGE_USAGES) as key:
            return cmac(key, data)

    def reveal_pin(self, ref: KeyRef) -> Secret:
        """The digits of a PIN or PUK that the ring made."""
        if ref.usage not in PIN_USAGES:
            raise InputError("keyring.use", usage=ref.usage)
        return self._derive(ref)

    def _under(self, dek: KeyRef, plain: Secret) -> bytes:
        with self._key(dek, "dek") as key:
            return wrap_key(key, plain)

    def _key(self, ref: KeyRef, *usages: str) -> Secret:
        if ref.usage in PIN_USAGES or (usages and ref.usage not in usages):
            raise InputError("keyring.use", usage=ref.usage)
        return self._derive(ref)

    def _derive(self, ref: KeyRef) -> Secret:
        master = self._keys.get(ref.master)
        if ref.ring != self.name or master is None:
            raise InputError("keyring.master", master=ref.master, ring=ref.ring)
        # A derived scheme over a fixed key would look diversified and protect nothing; a fixed scheme over
        # a master would put the master itself on a card.
        if (ref.scheme == FIXED) != self._info(ref.master).fixed:
            raise InputError("keyring.reference", what=f"scheme {ref.scheme!r} with master {ref.master}")
        key = Secret(derive(master.reveal(), ref))
        if ref.kcv and ref.usage not in PIN_USAGES and _hex_kcv(key) != ref.kcv.upper():
            raise InputError("keyring.kcv", master=ref.master, usage=ref.usage, version=ref.version)
        return key

    def _info(self, label: str) -> MasterInfo:
        return next(info for info in self._header.masters if info.label == label)


def _hex_kcv(key: Secret) -> str:
    return key_check_value(key).hex().upper()


def _pin_block(value: Secret) -> Secret:
    if not 0 < len(value) <= _PIN_BYTES:
        raise InputError("pin.format", pin="PIN", rule="1 to 8 bytes")
    return Secret((value.reveal().ljust(_PIN_BYTES, b"\xff") + b"\x80").ljust(_BLOCK, b"\x00"))
