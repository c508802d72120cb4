"""How a JPKI key signs: the kind of key, read from its certificate, and the algorithms that fit it.

Today's cards hold RSA-2048 (RSASSA-PKCS1-v1_5, and RSASSA-PSS on the card's offer; RFC 8017 §8). The next
generation is announced with ECDSA over P-384 and SHA-384; its commands are not published, so that this model
takes the hash in and r‖s or the DER form out.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from .model import SignMode, digest_info

__all__ = ["ALGORITHMS", "Algorithm", "KeyKind", "PublicKey", "Scheme", "SignRequest", "key_kind"]

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - the card signs it; whether to ask for it is the caller's policy
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


class Scheme(enum.Enum):
    """The signature schemes of RFC 8017 and FIPS 186-5, and one that only some cards offer: the padding of
    PKCS #1 v1.5 around a bare hash value, without a DigestInfo."""

    PKCS1 = "pkcs1"
    BARE_PKCS1 = "bare-pkcs1"
    PSS = "pss"
    ECDSA = "ecdsa"


class KeyKind(enum.Enum):
    """The keys that a JPKI application may hold: what the certificate says, and the longest signature."""

    RSA_2048 = ("RSA-2048", 256)
    P_384 = ("P-384", 104)

    def __init__(self, label: str, signature_bytes: int) -> None:
        self.label = label
        self.signature_bytes = signature_bytes

    @property
    def default(self) -> Algorithm:
        """The algorithm that signs when nobody asks for another."""
        return ALGORITHMS["sha384-ecdsa"] if self is KeyKind.P_384 else ALGORITHMS["sha256"]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A scheme with its hash."""

    name: str
    scheme: Scheme
    hash_name: str
    kind: KeyKind

    @property
    def digest_bytes(self) -> int:
        return HASHES[self.hash_name].digest_size

    def digest(self, message: bytes) -> bytes:
        return hashlib.new(self.hash_name, message).digest()

    def confirms(self, key: PublicKey, signature: bytes, digest: bytes) -> bool:
        """Whether ``signature`` over ``digest`` is one of ``key`` in this algorithm."""
        hashed = Prehashed(HASHES[self.hash_name])
        try:
            if isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, digest, ec.ECDSA(hashed))
            elif self.scheme is Scheme.PSS:
                pss = padding.PSS(padding.MGF1(HASHES[self.hash_name]), padding.PSS.DIGEST_LENGTH)
                key.verify(signature, digest, pss, hashed)
            elif self.scheme is Scheme.BARE_PKCS1:
                block = key.recover_data_from_signature(signature, padding.PKCS1v15(), None)
                return hmac.compare_digest(block, digest)
            else:
                key.verify(signature, digest, padding.PKCS1v15(), hashed)
        except InvalidSignature:
            return False
        return True

    def standard_form(self, signature: bytes) -> bytes:
        """What others verify: RSA as the card gives it, ECDSA in the DER form. Raises ValueError."""
        half = 48
        if self.scheme is not Scheme.ECDSA or len(signature) != 2 * half:
            return signature
        return encode_dss_signature(
            int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        )


ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        *(Algorithm(name, Scheme.PKCS1, name, KeyKind.RSA_2048) for name in HASHES),
        Algorithm("sha256-bare", Scheme.BARE_PKCS1, "sha256", KeyKind.RSA_2048),
        Algorithm("sha256-pss", Scheme.PSS, "sha256", KeyKind.RSA_2048),
        Algorithm("sha384-ecdsa", Scheme.ECDSA, "sha384", KeyKind.P_384),
    )
}
"""By name. A hash's name alone is PKCS #1 v1.5 with that hash."""

MESSAGE_MODES = {
    Scheme.PKCS1: SignMode.HASH_AND_DIGEST_INFO,
    Scheme.BARE_PKCS1: SignMode.HASH_WITHOUT_DIGEST_INFO,
    Scheme.PSS: SignMode.HASH_AND_PSS,
}
"""P1 by which the card hashes the message itself, always with SHA-256."""
DIGEST_MODES = {Scheme.PKCS1: SignMode.DIGEST_INFO, Scheme.PSS: SignMode.PSS}
"""P1 by which the card takes a SHA-256 value and makes the rest."""


@dataclass(frozen=True, slots=True)
class SignRequest:
    """P1 and data of COMPUTE DIGITAL SIGNATURE."""

    mode: SignMode
    data: bytes

    @classmethod
    def for_digest(cls, algorithm: Algorithm, digest: bytes, *, by_card: bool = False) -> SignRequest:
        """For a hash value; ``by_card`` lets the card make the DigestInfo. Raises ValueError for a digest of
        another length, and for what a mode does not do."""
        if len(digest) != algorithm.digest_bytes:
            raise ValueError(
                f"a {algorithm.hash_name} value has {algorithm.digest_bytes} bytes, got {len(digest)}"
            )
        if by_card or algorithm.scheme is Scheme.PSS:
            return cls(_mode(DIGEST_MODES, algorithm), digest)
        if algorithm.scheme is Scheme.PKCS1:
            return cls(SignMode.PADDING_ONLY, digest_info(algorithm.hash_name, digest))
        return cls(SignMode.PADDING_ONLY, digest)

    @classmethod
    def for_message(cls, algorithm: Algorithm, message: bytes) -> SignRequest:
        """For a message that the card hashes. Raises ValueError for an algorithm without such a mode."""
        if not message:
            raise ValueError("the card hashes at least one byte")
        return cls(_mode(MESSAGE_MODES, algorithm), message)


def key_kind(key: CertificatePublicKeyTypes) -> tuple[KeyKind, PublicKey]:
    """What kind of key a certificate names. Raises ValueError for one that no JPKI application holds."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size == KeyKind.RSA_2048.signature_bytes * 8:
        return KeyKind.RSA_2048, key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp384r1":
        return KeyKind.P_384, key
    raise ValueError("the certificate is of another kind of key")


def _mode(modes: dict[Scheme, SignMode], algorithm: Algorithm) -> SignMode:
    if algorithm.scheme not in modes or algorithm.hash_name != "sha256":
        raise ValueError(f"the card has no mode of its own for {algorithm.name}")
    return modes[algorithm.scheme]
