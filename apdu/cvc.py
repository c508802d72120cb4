"""Card-verifiable certificates and RSA public keys as the My Number Card carries them.

``7F21 { 5F4E: issuer key id (16) ‖ subject key id (16) ‖ public key (265), 5F37: signature (256) }``,
568 bytes; the public key is ``90`` exponent ‖ ``91`` modulus, the signature RSASSA-PKCS1-v1_5 with SHA-256
(RFC 8017 §8.2) by the issuer's key over the value of 5F4E. No official specification is public: this follows
measurements that one author published.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from .records import build_record, parse_record
from .tlv import Tlv

__all__ = ["KEY_ID_BYTES", "CardVerifiableCertificate", "RsaPublicKey", "key_id"]

KEY_ID_BYTES = 16
MODULUS_BYTES = SIGNATURE_BYTES = 256
EXPONENT, MODULUS = 0x90, 0x91
CERTIFICATE, BODY, SIGNATURE = 0x7F21, 0x5F4E, 0x5F37


def key_id(number: str, version: str) -> bytes:
    """A key id as it is seen: seven digits, ``08 05``, three digits, filled with 00 to 16 bytes.

    5000020, 5000023 and 5000033 are of production, 6000020, 6000023 and 6000033 of tests.
    """
    if len(number) != 7 or len(version) != 3 or not (number + version).isdecimal():
        raise ValueError("a key id is made of seven digits and three")
    return (number.encode("ascii") + b"\x08\x05" + version.encode("ascii")).ljust(KEY_ID_BYTES, b"\x00")


@dataclass(frozen=True, slots=True)
class RsaPublicKey:
    """RSA-2048 with its exponent; 265 bytes when the exponent is 65537."""

    modulus: int
    exponent: int = 65537

    def __bytes__(self) -> bytes:
        exponent = self.exponent.to_bytes(max(3, (self.exponent.bit_length() + 7) // 8), "big")
        return bytes(Tlv(EXPONENT, exponent)) + bytes(
            Tlv(MODULUS, self.modulus.to_bytes(MODULUS_BYTES, "big"))
        )

    @classmethod
    def parse(cls, raw: bytes) -> RsaPublicKey:
        """Read ``90`` and ``91``. Raises ValueError for anything but an RSA-2048 key."""
        parts = Tlv.parse_all(raw)
        if [part.tag for part in parts] != [EXPONENT, MODULUS]:
            raise ValueError("a public key is made of the data objects 90 and 91")
        if len(parts[1].value) != MODULUS_BYTES:
            raise ValueError(
                f"the modulus has {len(parts[1].value)} bytes where {MODULUS_BYTES} are expected"
            )
        found = cls(int.from_bytes(parts[1].value, "big"), int.from_bytes(parts[0].value, "big"))
        if found.modulus.bit_length() != MODULUS_BYTES * 8 or found.modulus % 2 == 0:
            raise ValueError("the modulus is not one of RSA-2048")
        if not 3 <= found.exponent < 1 << 32 or found.exponent % 2 == 0:
            raise ValueError("the public exponent makes no sense")
        return found

    @classmethod
    def of(cls, key: rsa.RSAPublicKey) -> RsaPublicKey:
        """The same key, from the library's form. Raises ValueError for another length."""
        numbers = key.public_numbers()
        if numbers.n.bit_length() != MODULUS_BYTES * 8:
            raise ValueError("the card's own certificates carry RSA-2048 only")
        return cls(numbers.n, numbers.e)

    def key(self) -> rsa.RSAPublicKey:
        """The key in the library's form."""
        return rsa.RSAPublicNumbers(self.exponent, self.modulus).public_key()

    def confirms(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` is RSASSA-PKCS1-v1_5 with SHA-256 over ``data``."""
        try:
            self.key().verify(signature, data, padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    def confirms_one_of(self, signature: bytes, *forms: bytes) -> bool:
        """As :meth:`confirms`, for data of which it is not published in which form they were signed."""
        return any(self.confirms(signature, data) for data in forms)

    def signed_block(self, signature: bytes) -> bytes | None:
        """What stands behind the type 1 padding of ``signature`` (RFC 8017 §9.2 steps 3 to 5), or None."""
        try:
            return self.key().recover_data_from_signature(signature, padding.PKCS1v15(), None)
        except InvalidSignature:
            return None


@dataclass(frozen=True, slots=True)
class CardVerifiableCertificate:
    """The issuer's statement that key ``subject`` is ``key``."""

    issuer: bytes
    subject: bytes
    key: RsaPublicKey
    signature: bytes

    @property
    def body(self) -> bytes:
        """The 297 bytes that the issuer signs."""
        return self.issuer + self.subject + bytes(self.key)

    def __bytes__(self) -> bytes:
        return build_record(CERTIFICATE, [Tlv(BODY, self.body), Tlv(SIGNATURE, self.signature)])

    @classmethod
    def parse(cls, raw: bytes) -> CardVerifiableCertificate:
        """Read the certificate; bytes after it are padding. Raises ValueError."""
        parts = parse_record(raw, CERTIFICATE, (BODY, SIGNATURE))
        body, signature = parts[BODY].value, parts[SIGNATURE].value
        if len(signature) != SIGNATURE_BYTES:
            raise ValueError(f"the signature of the certificate has {len(signature)} bytes")
        key = RsaPublicKey.parse(body[2 * KEY_ID_BYTES :])
        found = cls(body[:KEY_ID_BYTES], body[KEY_ID_BYTES : 2 * KEY_ID_BYTES], key, signature)
        if found.body != body:
            raise ValueError("the public key of the certificate is written in an unusual way")
        return found
