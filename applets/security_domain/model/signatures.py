"""How tokens, receipts and load file signatures are signed (GPC 2.3.1 §B.1 to §B.4, §C.4 to §C.6).

The key decides the scheme:

* RSA up to 1024 bits: RSASSA-PKCS1-v1_5 with SHA-1; longer: RSASSA-PSS with SHA-256 and a salt of 32 bytes;
* elliptic curves: ECDSA as plain r ‖ s, with the hash of the curve's size; DER is accepted when verifying;
* AES: CMAC, 16 bytes;
* DES of two keys: single DES with a final triple DES (ISO/IEC 9797-1 MAC algorithm 3), padding 80 00…, ICV 0,
  8 bytes.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC

from ....apdu import des
from ....apdu.secret import Secret

__all__ = ["Signer", "SigningKey", "SymmetricKey", "VerifyingKey", "sign", "signer", "verify"]

Signer = Callable[[bytes], bytes]
"""Makes the signature of some data: :func:`signer` of a key, or the key ring's ``authorize``."""

PKCS1_BITS = 1024
PSS_SALT = 32
DES_BLOCK = 8
AES_LENGTHS, DES_LENGTHS = (16, 24, 32), (16,)


@dataclass(frozen=True, slots=True)
class SymmetricKey:
    """An AES key (16, 24 or 32 bytes) or a DES key of two parts; ``algorithm`` is aes or 3des."""

    value: Secret
    algorithm: str = "aes"

    def __post_init__(self) -> None:
        lengths = {"aes": AES_LENGTHS, "3des": DES_LENGTHS}.get(self.algorithm, ())
        if len(self.value) not in lengths:
            raise ValueError(f"no {self.algorithm} key has {len(self.value)} bytes")


SigningKey = SymmetricKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
VerifyingKey = SymmetricKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def signer(key: SigningKey) -> Signer:
    """The signer that holds ``key`` in this process."""
    return lambda data: sign(key, data)


def sign(key: SigningKey, data: bytes) -> bytes:
    """The signature of ``data`` in the scheme that the key's kind and size ask for."""
    if isinstance(key, SymmetricKey):
        return _mac(key, data)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, *_rsa_scheme(key.key_size))
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(_curve_hash(key.key_size))))
    size = _coordinate(key.key_size)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def verify(key: VerifyingKey, data: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is that of ``data``. ECDSA is taken as r ‖ s and as DER."""
    if isinstance(key, SymmetricKey):
        return hmac.compare_digest(_mac(key, data), signature)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, *_rsa_scheme(key.key_size))
        else:
            key.verify(_der(key, signature), data, ec.ECDSA(_curve_hash(key.key_size)))
    except InvalidSignature:
        return False
    return True


def _mac(key: SymmetricKey, data: bytes) -> bytes:
    if key.algorithm == "3des":
        return des.retail_mac(
            key.value, bytes(DES_BLOCK), data + b"\x80" + bytes(-(len(data) + 1) % DES_BLOCK)
        )
    cmac = CMAC(algorithms.AES(key.value.reveal()))
    cmac.update(data)
    return cmac.finalize()


def _rsa_scheme(bits: int) -> tuple[padding.AsymmetricPadding, hashes.HashAlgorithm]:
    if bits <= PKCS1_BITS:
        return padding.PKCS1v15(), hashes.SHA1()  # noqa: S303 - what the standard has for these keys
    return padding.PSS(padding.MGF1(hashes.SHA256()), PSS_SALT), hashes.SHA256()


def _curve_hash(bits: int) -> hashes.HashAlgorithm:
    if bits <= 256:
        return hashes.SHA256()
    return hashes.SHA384() if bits <= 384 else hashes.SHA512()


def _coordinate(bits: int) -> int:
    return (bits + 7) // 8


def _der(key: ec.EllipticCurvePublicKey, signature: bytes) -> bytes:
    """DER as it came, or made of r ‖ s. A DER signature never has exactly two coordinates' length and
    their meaning at once: the length decides."""
    size = _coordinate(key.key_size)
    if len(signature) != 2 * size:
        return signature
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    return encode_dss_signature(r, s)
