"""X.509 certificates as cards give them (RFC 5280): whatever is wrong with one is a ValueError.

The library reads a certificate's parts when they are asked for, and says "no" with exceptions of several
families; a card must not be able to choose between them.
"""

from __future__ import annotations

from asn1crypto.x509 import Certificate
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

__all__ = ["read_certificate"]


def read_certificate(der: bytes) -> tuple[x509.Certificate, CertificatePublicKeyTypes]:
    """A certificate and its public key. Raises ValueError for anything that is not both."""
    try:
        # Before the library sees it, since of such a number it only warns.
        if Certificate.load(der, strict=True).serial_number <= 0:
            raise ValueError("a certificate's serial number is positive (RFC 5280 §4.1.2.2)")
        certificate = x509.load_der_x509_certificate(der)
        return certificate, certificate.public_key()
    except (x509.InvalidVersion, UnsupportedAlgorithm, TypeError) as error:
        raise ValueError(f"not a certificate that can be read: {error}") from error
