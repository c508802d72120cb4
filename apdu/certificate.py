"""X.509 certificates as cards give them (RFC 5280): whatever is wrong with one is a ValueError.

The library reads a certificate's parts when they are asked for, and says "no" with exceptions of several
families; a card must not be able to choose between them.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

__all__ = ["read_certificate"]


def read_certificate(der: bytes) -> tuple[x509.Certificate, CertificatePublicKeyTypes]:
    """A certificate and its public key. Raises ValueError for anything that is not both."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        return certificate, certificate.public_key()
    except (x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise ValueError(f"not a certificate that can be read: {error}") from error
