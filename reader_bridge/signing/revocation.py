"""Who says whether a certificate was revoked.

For the JPKI only registered verifiers get that answer (公的個人認証法 §17, §36), so it is a plug: an
accredited operator's service, an OCSP client, or lists that someone put into a folder.
"""

from __future__ import annotations

import enum
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ...apdu.errors import InputError

__all__ = ["CrlFolder", "RevocationProvider", "RevocationStatus"]


class RevocationStatus(enum.Enum):
    """What a provider can say."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class RevocationProvider(Protocol):
    """Answers for one certificate. No answer, for whatever reason, is UNKNOWN, never GOOD."""

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus: ...


class CrlFolder:
    """Certificate revocation lists (RFC 5280 §5) in a folder, in PEM or DER form, ``*.crl``.

    Read anew for each question, so that a list put there at midnight counts at once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus:
        """GOOD or REVOKED from a list of ``issuer`` that is signed by it and valid ``at`` the moment.

        Raises InputError ``bridge.anchors`` for a file that is no list.
        """
        answers = {
            RevocationStatus.REVOKED if _names(crl, certificate) else RevocationStatus.GOOD
            for crl in map(_read, sorted(self._folder.glob("*.crl")))
            if _speaks_for(crl, issuer, at)
        }
        for answer in (RevocationStatus.REVOKED, RevocationStatus.GOOD):
            if answer in answers:
                return answer
        return RevocationStatus.UNKNOWN


def _read(path: Path) -> x509.CertificateRevocationList:
    raw = path.read_bytes()
    try:
        return x509.load_pem_x509_crl(raw) if raw.startswith(b"-----") else x509.load_der_x509_crl(raw)
    except ValueError as error:
        raise InputError("bridge.anchors", path=str(path), what="not a revocation list") from error


def _names(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    return crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def _speaks_for(crl: x509.CertificateRevocationList, issuer: x509.Certificate, at: datetime) -> bool:
    key = issuer.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) or crl.issuer != issuer.subject:
        return False
    until = crl.next_update_utc
    if until is None or not crl.last_update_utc <= at < until:
        return False
    return crl.is_signature_valid(key)
