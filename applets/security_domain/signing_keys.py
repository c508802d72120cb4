"""Keys and certificates in files: PEM, or hex for AES keys.

Of tokens, receipts and load file signatures (GPC 2.3.1 §C), and of hosts that open SCP11 (Amendment F).
"""

from __future__ import annotations

import base64
import os
import re
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
from ...apdu.scp11 import Anchor, Certificate
from ...apdu.scp11.chain import read_certificate
from ...apdu.secret import Secret
from .model.signatures import SigningKey, SymmetricKey, VerifyingKey

__all__ = [
    "public_key_of",
    "read_anchor",
    "read_chain",
    "read_host_key",
    "read_signing_key",
    "read_verifying_key",
]

LARGEST = 1 << 16
PUBLIC = b"-----BEGIN PUBLIC KEY-----"
PRIVATE = b"PRIVATE KEY-----"


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
    if PRIVATE in raw:
        what = Words(
            "it is a private key, and the public one is wanted (openssl pkey -in FILE -pubout -out PUBLIC)",
            "秘密鍵です。必要なのは公開鍵です (openssl pkey -in FILE -pubout -out PUBLIC)",
        )
        raise _refused(path, what)
    if PUBLIC not in raw:
        found = _symmetric(path, raw)
        _read(path, secret=True)
        return found
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


def read_host_key(path: Path, passphrase: Callable[[], Secret]) -> ec.EllipticCurvePrivateKey:
    """A host's key for SCP11. Raises InputError ``gp.signing_key``."""
    key = read_signing_key(path, passphrase)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _refused(path, Words("it is no EC key", "EC 鍵ではありません"))
    return key


def read_chain(path: Path) -> tuple[Certificate, ...]:
    """Certificates of a host, the leaf last: PEM, or one of either format in binary."""
    try:
        return tuple(read_certificate(raw) for raw in _certificates(path))
    except ValueError:
        raise _refused(path, Words("it holds no certificate", "証明書がありません")) from None


def read_anchor(path: Path) -> Anchor:
    """The authority in a certificate. Raises InputError ``gp.signing_key``."""
    try:
        (raw,) = _certificates(path)
        return Anchor.of_certificate(raw)
    except ValueError:
        what = Words("it is not the certificate of one authority", "認証局 1 つの証明書ではありません")
        raise _refused(path, what) from None


def _certificates(path: Path) -> list[bytes]:
    raw = _read(path, secret=False)
    blocks = re.findall(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", raw, re.DOTALL)
    return [base64.b64decode(block) for block in blocks] or [raw]


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
