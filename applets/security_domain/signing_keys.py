"""Keys of tokens, receipts and load file signatures in files: PEM, or hex for AES (GPC 2.3.1 §C)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from ...apdu.errors import InputError, Words
from ...apdu.regular_files import read_regular
from ...apdu.secret import Secret
from .model.signatures import SigningKey, SymmetricKey, VerifyingKey

__all__ = ["public_key_of", "read_signing_key", "read_verifying_key"]

LARGEST = 1 << 16
PUBLIC = b"-----BEGIN PUBLIC KEY-----"


def read_signing_key(path: Path, passphrase: Callable[[], Secret]) -> SigningKey:
    """A private key, or an AES key, from a file that its owner alone can read.

    ``passphrase`` is asked for when the PEM is encrypted. Raises InputError ``gp.signing_key``.
    """
    raw = _read(path, secret=True)
    if b"-----BEGIN" not in raw:
        return _symmetric(path, raw)
    try:
        if b"ENCRYPTED" in raw:
            with passphrase() as typed:
                key = load_pem_private_key(raw, typed.reveal())
        else:
            key = load_pem_private_key(raw, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        what = Words("it does not open as a private key", "秘密鍵として開けません")
        raise _refused(path, what) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise _refused(path, Words("it is neither RSA nor EC", "RSA でも EC でもありません"))
    return key


def read_verifying_key(path: Path) -> VerifyingKey:
    """A public key, or an AES key. Raises InputError ``gp.signing_key``."""
    raw = _read(path, secret=False)
    if PUBLIC not in raw:
        return _symmetric(path, _read(path, secret=True))
    try:
        key = load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        raise _refused(path, Words("it is no public key", "公開鍵ではありません")) from None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise _refused(path, Words("it is neither RSA nor EC", "RSA でも EC でもありません"))
    return key


def public_key_of(der: bytes, name: str) -> VerifyingKey:
    """The public key in a SubjectPublicKeyInfo, as a key ring gives it."""
    key = load_der_public_key(der)
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise _refused(Path(name), Words("it is neither RSA nor EC", "RSA でも EC でもありません"))
    return key


def _read(path: Path, *, secret: bool) -> bytes:
    if secret and os.name == "posix" and path.is_file() and path.stat().st_mode & 0o077:
        raise _refused(path, Words("others can read it", "ほかの人も読めます"))
    try:
        return read_regular(path, LARGEST)
    except ValueError as error:
        raise InputError("input.file", path=str(path), what=str(error)) from None


def _symmetric(path: Path, raw: bytes) -> SymmetricKey:
    try:
        return SymmetricKey(Secret(bytes.fromhex(raw.decode("ascii"))))
    except ValueError:
        what = Words(
            "it is neither PEM nor 16, 24 or 32 bytes in hex",
            "PEM でも 16・24・32 バイトの 16 進数でもありません",
        )
        raise _refused(path, what) from None


def _refused(path: Path, what: Words) -> InputError:
    return InputError("gp.signing_key", path=str(path), what=what)
