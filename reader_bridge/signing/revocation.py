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
        """GOOD or REVOKED from a list of ``issuer`` that is signed by it, valid ``at`` the moment, and
        whose scope holds the certificate.

        Raises InputError ``bridge.anchors`` for a file that is no list.
        """
        answers = {
            RevocationStatus.REVOKED if _names(crl, certificate) else RevocationStatus.GOOD
            for crl in map(_read, sorted(self._folder.glob("*.crl")))
            if _speaks_for(crl, issuer, at) and _covers(crl, certificate)
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


def _covers(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Whether the list would name this certificate if it were revoked (RFC 5280 §6.3.3 (b) (2)).

    The JPKI splits its lists by municipality. A list of another part, a delta, or one with a critical
    extension that we do not know says nothing, even where it seems to say "good".
    """
    try:
        critical = [extension.value for extension in crl.extensions if extension.critical]
    except ValueError:
        return False
    return all(
        isinstance(value, x509.IssuingDistributionPoint) and _in_scope(value, certificate)
        for value in critical
    )


def _in_scope(scope: x509.IssuingDistributionPoint, certificate: x509.Certificate) -> bool:
    others = (
        scope.only_contains_ca_certs
        or scope.only_contains_attribute_certs
        or scope.indirect_crl
        or scope.only_some_reasons is not None
        or scope.relative_name is not None
    )
    return not others and (scope.full_name is None or bool(set(scope.full_name) & _points(certificate)))


def _points(certificate: x509.Certificate) -> set[x509.GeneralName]:
    """Where the certificate says that its list is."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return set()
    return {name for point in found for name in point.full_name or ()}
