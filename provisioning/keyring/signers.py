"""Private keys that sign tokens and load files: RSA and elliptic curves, from PEM (PKCS #8, RFC 5958)."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from ...apdu.errors import InputError
from ...apdu.secret import Secret
from ...applets.security_domain.model.signatures import sign

__all__ = ["PrivateKey", "kind_of", "load_signer", "pkcs8", "public_bytes", "sign_with"]

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey


def load_signer(pem: bytes, passphrase: Secret | None, name: str) -> PrivateKey:
    """Raises InputError ``keyring.passphrase`` when the PEM does not open, ``keyring.reference`` when it is
    no RSA or EC private key."""
    try:
        key = load_pem_private_key(pem, passphrase.reveal() if passphrase else None)
    except TypeError as error:  # a passphrase too many or too few
        raise InputError("keyring.passphrase", name=name) from error
    except UnsupportedAlgorithm as error:
        raise InputError("keyring.reference", what=f"a private key {name} of an unknown kind") from error
    except ValueError as error:
        code = "keyring.passphrase" if b"ENCRYPTED" in pem else "keyring.reference"
        raise InputError(code, name=name, what=f"a private key {name} that is not PEM") from error
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise InputError("keyring.reference", what=f"a private key {name} that is neither RSA nor EC")
    return key


def kind_of(key: PrivateKey) -> str:
    """``rsa-BITS``, or the curve's name as SEC 2 has it."""
    return f"rsa-{key.key_size}" if isinstance(key, RSAPrivateKey) else key.curve.name


def public_bytes(key: PrivateKey) -> bytes:
    """The SubjectPublicKeyInfo in DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pkcs8(key: PrivateKey) -> Secret:
    """The key as PKCS #8 in DER, for a place that is sealed itself."""
    return Secret(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def sign_with(stored: Secret, data: bytes) -> bytes:
    """The signature of ``data`` under a key of :func:`pkcs8`."""
    key = load_der_private_key(stored.reveal(), None)
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise TypeError("only RSA and EC keys are stored")
    return sign(key, data)
