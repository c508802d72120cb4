"""The card as a signer: which algorithm its key speaks, and how pyHanko reaches it.

A key's algorithm follows from its certificate: RSA signs PKCS#1 v1.5 with SHA-256, an elliptic curve
with the hash of its own size (RFC 7518 §3.1 names, RFC 5754 §3 for CMS).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from asn1crypto import x509 as asn1_x509
from asn1crypto.algos import SignedDigestAlgorithm
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from pyhanko.sign.signers.pdf_cms import Signer
from pyhanko_certvalidator.registry import SimpleCertificateStore

from ...apdu.errors import RequestError

__all__ = ["Algorithm", "CardSigner", "SignDigest", "algorithm_of", "run", "verify_digest"]

# Both libraries' messages may name the signer; a certificate of the JPKI carries a person's name and address.
for library in ("pyhanko", "pyhanko_certvalidator"):
    logging.getLogger(library).setLevel(logging.CRITICAL)

SignDigest = Callable[[bytes], bytes]
"""Digest in, signature out: PKCS#1 v1.5 for RSA, the DER form of ECDSA for elliptic curves."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How a key signs: its JOSE name, hash and the mechanism's name in CMS."""

    jose: str
    digest: str
    cms: str

    def hash(self, data: bytes) -> bytes:
        return hashlib.new(self.digest, data).digest()

    @property
    def pyca(self) -> hashes.HashAlgorithm:
        return HASHES[self.digest]


HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
RS256 = Algorithm("RS256", "sha256", "sha256_rsa")
CURVES = {
    "secp256r1": Algorithm("ES256", "sha256", "sha256_ecdsa"),
    "secp384r1": Algorithm("ES384", "sha384", "sha384_ecdsa"),
    "secp521r1": Algorithm("ES512", "sha512", "sha512_ecdsa"),
}


def algorithm_of(key: CertificatePublicKeyTypes) -> Algorithm:
    """The algorithm that a key of this kind signs with. Raises RequestError for any other kind."""
    if isinstance(key, rsa.RSAPublicKey):
        return RS256
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    raise RequestError("signature.invalid", what="keys of this kind are not supported")


def verify_digest(key: CertificatePublicKeyTypes, digest: bytes, signature: bytes) -> None:
    """Check a signature over a digest. Raises RequestError ``signature.invalid``."""
    hashed = Prehashed(algorithm_of(key).pyca)
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PKCS1v15(), hashed)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, digest, ec.ECDSA(hashed))
    except (InvalidSignature, ValueError) as error:
        raise RequestError("signature.invalid", what="it does not fit the certificate's key") from error


class CardSigner(Signer):
    """A pyHanko signer whose key is in a card: the card sees a digest, never a document."""

    def __init__(self, certificate: bytes, sign_digest: SignDigest) -> None:
        """``certificate`` is the signer's, in DER form."""
        self._public_key = x509.load_der_x509_certificate(certificate).public_key()
        self._algorithm = algorithm_of(self._public_key)
        self._sign_digest = sign_digest
        super().__init__(
            signing_cert=asn1_x509.Certificate.load(certificate),
            cert_registry=SimpleCertificateStore(),  # type: ignore[no-untyped-call]
            signature_mechanism=SignedDigestAlgorithm({"algorithm": self._algorithm.cms}),
            embed_roots=False,
        )

    @property
    def digest_algorithm(self) -> str:
        return self._algorithm.digest

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        """pyHanko's hook. A dry run only measures; it never reaches the card."""
        if dry_run:
            return bytes(512)
        digest = self._algorithm.hash(data)
        signature = self._sign_digest(digest)
        verify_digest(self._public_key, digest, signature)
        return signature


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run pyHanko's coroutine to its end; everything up to floor 3a is synchronous."""
    return asyncio.run(coroutine)
