"""The file of the built-in key ring: versioned JSON, its secrets sealed under a passphrase.

``scrypt`` (RFC 7914) makes the key, AES-256-GCM (SP 800-38D) seals. What stands in the clear (name of the
ring, labels, lengths and check values of masters, parameters) is authenticated with what is sealed.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...apdu.errors import InputError
from ...apdu.secret import Secret

__all__ = ["Header", "Kdf", "MasterInfo", "SignerInfo", "read", "seal", "unseal", "write_private"]

_NONCE = 12
_LARGEST = 1 << 20

Hex = str
_LABEL = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Kdf(_Strict):
    """Parameters of scrypt; the bounds keep a hostile file from eating memory (128·n·r bytes)."""

    name: Literal["scrypt"] = "scrypt"
    n: int = Field(default=1 << 15, ge=1 << 14, le=1 << 20)
    r: int = Field(default=8, ge=8, le=16)
    p: int = Field(default=1, ge=1, le=4)
    salt: Hex = Field(default_factory=lambda: secrets.token_hex(16), pattern="^[0-9a-f]{32,128}$")


class MasterInfo(_Strict):
    """What may be said about a master key. ``kcv`` is hex; ``fixed`` marks a maker's well-known key.
    ``algorithm`` is what a master computes with; a fixed key serves a card of either kind."""

    label: str = Field(pattern=_LABEL)
    length: Literal[16, 24, 32]
    kcv: Hex
    fixed: bool = False
    origin: Literal["generated", "imported", "well-known"]
    algorithm: Literal["aes", "3des"] = "aes"


class SignerInfo(_Strict):
    """What may be said about a private key that signs tokens or load files: its kind, e.g. ``rsa-2048`` or
    ``secp256r1``, and its public half (SubjectPublicKeyInfo, DER in hex)."""

    label: str = Field(pattern=_LABEL)
    kind: str
    bits: int
    public: Hex


class Header(_Strict):
    """The part that anybody may read."""

    format: Literal["tegata-keyring"] = "tegata-keyring"
    version: Literal[1] = 1
    name: str = Field(min_length=1, max_length=64)
    kdf: Kdf = Field(default_factory=lambda: Kdf())  # noqa: PLW0108 - mypy cannot type the class itself
    masters: tuple[MasterInfo, ...] = ()
    signers: tuple[SignerInfo, ...] = ()

    def associated_data(self) -> bytes:
        """The header as it is authenticated; files older than a field stay valid without it."""
        plain = self.model_dump(mode="json")
        for master in plain["masters"]:
            if master["algorithm"] == "aes":
                del master["algorithm"]
        if not self.signers:
            del plain["signers"]
        return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()


class _Container(_Strict):
    header: Header
    nonce: Hex = Field(pattern="^[0-9a-f]{24}$")
    sealed: Hex = Field(pattern="^([0-9a-f]{2})*$")


def read(path: Path) -> tuple[Header, bytes]:
    """Header and nonce ‖ ciphertext. Raises InputError ``input.file`` or ``keyring.file``."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError("input.file", path=str(path), what=error.strerror) from error
    try:
        container = _Container.model_validate_json(data)
    except ValidationError as error:
        raise InputError("keyring.file", path=str(path)) from error
    return container.header, bytes.fromhex(container.nonce + container.sealed)


def seal(header: Header, keys: dict[str, Secret], passphrase: Secret) -> bytes:
    """The file's bytes. ``keys`` holds each master and private key (PKCS #8) of the header by its label."""
    plain = json.dumps({label: key.reveal().hex() for label, key in keys.items()}).encode()
    nonce = secrets.token_bytes(_NONCE)
    sealed = AESGCM(_key(header.kdf, passphrase)).encrypt(nonce, plain, header.associated_data())
    container = _Container(header=header, nonce=nonce.hex(), sealed=sealed.hex())
    return container.model_dump_json(indent=1).encode() + b"\n"


def unseal(header: Header, sealed: bytes, passphrase: Secret) -> dict[str, Secret]:
    """The masters and private keys by label. Raises InputError ``keyring.passphrase``: a wrong one, or an
    altered file."""
    try:
        plain = AESGCM(_key(header.kdf, passphrase)).decrypt(
            sealed[:_NONCE], sealed[_NONCE:], header.associated_data()
        )
    except InvalidTag as error:
        raise InputError("keyring.passphrase", name=header.name) from error
    values: dict[str, Any] = json.loads(plain)
    return {label: Secret(bytes.fromhex(value)) for label, value in values.items()}


def write_private(path: Path, data: bytes, *, replace: bool) -> None:
    """Put ``data`` at ``path`` whole or not at all, mode 0600, on the disk when this returns.

    Raises InputError ``input.exists`` when it is there and ``replace`` is False, ``input.file`` for others.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                os.replace(name, path)
            else:
                os.link(name, path)  # fails when the name is taken, unlike a rename
        finally:
            Path(name).unlink(missing_ok=True)
    except FileExistsError as error:
        raise InputError("input.exists", path=str(path)) from error
    except OSError as error:
        raise InputError("input.file", path=str(path), what=error.strerror) from error


def _key(kdf: Kdf, passphrase: Secret) -> bytes:
    scrypt = Scrypt(salt=bytes.fromhex(kdf.salt), length=32, n=kdf.n, r=kdf.r, p=kdf.p)
    return scrypt.derive(passphrase.reveal())
