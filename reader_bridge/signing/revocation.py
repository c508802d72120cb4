"""Who says whether a certificate was revoked.

For the JPKI only registered verifiers get that answer (公的個人認証法 §17, §36), so it is a plug: lists that
someone put into a folder (here), an OCSP responder or an accredited operator's service at an address that the
user configured (``revocation_http``). Nothing is ever fetched from an address that a certificate names.

What a list or an answer is worth is judged by pyhanko-certvalidator: signature, key identifier, scope of the
distribution point, delta lists, freshness (RFC 5280 §6.3, RFC 6960 §3.2).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathError, RevokedError, ValidationError

from ...apdu.errors import InputError, Words
from ...apdu.regular_files import read_regular
from .card_signer import run
from .path import WEAK_HASHES

__all__ = [
    "NOT_CHECKED",
    "CrlFolder",
    "RevocationAnswer",
    "RevocationProvider",
    "RevocationStatus",
    "judge_evidence",
    "reason_words",
]

NOT_CHECKED = Words(
    "Revocation not checked: in Japan only registered verifiers (public bodies and accredited operators), "
    "and those who work through an accredited platform operator, are given the revocation data of the JPKI.",
    "失効は確認していません。公的個人認証の失効情報を受けられるのは、署名検証者等 (行政機関や認定を受けた"
    "事業者) と、認定を受けたプラットフォーム事業者を通じて確認する者だけです。",
)
"""What is said when no provider is configured."""

REASONS = {
    "affiliationChanged": Words(
        "the holder's attributes changed (name, address, birth date or sex)",
        "氏名・住所などの記載事項が変わったため",
    ),
    "keyCompromise": Words("the key may be in other hands", "鍵が漏えいしたおそれがあるため"),
    "cACompromise": Words(
        "the authority's key may be in other hands", "認証局の鍵が漏えいしたおそれがあるため"
    ),
    "superseded": Words("another certificate took its place", "新しい証明書が発行されたため"),
    "cessationOfOperation": Words("it is no longer used", "利用が終わったため"),
    "certificateHold": Words("it is suspended", "一時停止中のため"),
    "privilegeWithdrawn": Words("the right to it was withdrawn", "資格が取り消されたため"),
    "aACompromise": Words(
        "an authority's key may be in other hands", "認証局の鍵が漏えいしたおそれがあるため"
    ),
}
NO_REASON = Words("no reason is given", "理由は示されていません")
MAX_LIST = 256 * 1024 * 1024
TOLERANCE = timedelta(minutes=5)
"""How far the clocks may differ."""


class RevocationStatus(enum.Enum):
    """What a provider can say."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RevocationAnswer:
    """An answer and where it comes from. ``reason`` is a name of RFC 5280 §5.3.1, ``note`` says why nothing
    is known."""

    status: RevocationStatus
    source: str
    revoked_at: datetime | None = None
    reason: str | None = None
    note: Words | None = None

    @property
    def words(self) -> Words:
        """The answer for a person, as the end of a sentence."""
        if self.status is RevocationStatus.REVOKED:
            reason = reason_words(self.reason)
            day = f"{self.revoked_at:%Y-%m-%d}, " if self.revoked_at else ""
            return Words(f"{day}{reason}", f"{day}{reason.ja}")
        if self.status is RevocationStatus.GOOD:
            return Words("not revoked", "失効していません")
        return self.note or Words("it does not know this certificate", "この証明書の情報がありません")

    def to_json(self) -> dict[str, Any]:
        return {
            "status": self.status.value,
            "source": self.source,
            "revoked_at": self.revoked_at.isoformat() if self.revoked_at else None,
            "reason": self.reason,
            "en": str(self.words),
            "ja": self.words.ja,
        }


class RevocationProvider(Protocol):
    """Answers for one certificate. No answer, for whatever reason, is UNKNOWN, never GOOD."""

    def answer(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationAnswer: ...


class CrlFolder:
    """Certificate revocation lists (RFC 5280 §5) in a folder, in PEM or DER form, ``*.crl``.

    Read anew for each question, so that a list put there at midnight counts at once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def answer(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationAnswer:
        """GOOD or REVOKED from a list of ``issuer`` that is signed by its key, covers the certificate and is
        not out of date ``at`` the moment.

        Raises InputError ``bridge.anchors`` for a file that is no list.
        """
        lists = [_read(path) for path in sorted(self._folder.glob("*.crl"))]
        ours = [found for found in lists if _speaks_for(found, issuer) and _covers(found, certificate)]
        if not ours:
            note = Words("the folder has no list of this authority", "この認証局の失効リストがありません")
            return RevocationAnswer(RevocationStatus.UNKNOWN, "CRL", note=note)
        crls = [asn1_crl.CertificateList.load(found.public_bytes(Encoding.DER)) for found in ours]
        return judge_evidence(certificate, issuer, at, "CRL", crls=crls)


def judge_evidence(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    at: datetime,
    source: str,
    *,
    crls: Iterable[asn1_crl.CertificateList] = (),
    ocsps: Iterable[asn1_ocsp.OCSPResponse] = (),
) -> RevocationAnswer:
    """What lists and answers that someone handed over say about ``certificate`` ``at`` the moment.

    Evidence made after the moment counts too: a certificate that a later list does not name was good.
    """
    leaf = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
    root = asn1_x509.Certificate.load(issuer.public_bytes(Encoding.DER))
    try:
        context = ValidationContext(
            trust_roots=[root],
            allow_fetching=False,
            crls=list(crls),
            ocsps=list(ocsps),
            revocation_mode="require",
            retroactive_revinfo=True,
            weak_hash_algos=WEAK_HASHES,
            time_tolerance=TOLERANCE,
            moment=at,
        )
        run(CertificateValidator(leaf, validation_context=context).async_validate_path())
    except RevokedError as error:
        reason = _camel(str(error.reason.native))
        return RevocationAnswer(RevocationStatus.REVOKED, source, error.revocation_dt, reason)
    except (PathError, ValidationError, ValueError, TypeError, NotImplementedError):
        note = Words(
            "what it gave is out of date, of another authority, or does not cover this certificate",
            "得られた情報が古いか、別の認証局のものか、この証明書を対象としていません",
        )
        return RevocationAnswer(RevocationStatus.UNKNOWN, source, note=note)
    return RevocationAnswer(RevocationStatus.GOOD, source)


def reason_words(reason: str | None) -> Words:
    """A reason of RFC 5280 §5.3.1, as a person says it."""
    return REASONS.get(reason or "", NO_REASON)


def _camel(name: str) -> str:
    """``affiliation_changed`` to ``affiliationChanged``; asn1crypto has its own spelling of the names."""
    first, *rest = name.split("_")
    camel = first + "".join(part.capitalize() for part in rest)
    return {"caCompromise": "cACompromise", "aaCompromise": "aACompromise"}.get(camel, camel)


def _read(path: Path) -> x509.CertificateRevocationList:
    try:
        raw = read_regular(path, MAX_LIST)
        return x509.load_pem_x509_crl(raw) if raw.startswith(b"-----") else x509.load_der_x509_crl(raw)
    except ValueError as error:
        raise InputError("bridge.anchors", path=str(path), what="not a revocation list") from error


def _speaks_for(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Signed by the issuer's key: the generations of an authority share a name. A list without an end has no
    freshness and says nothing."""
    key = issuer.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) or crl.issuer != issuer.subject:
        return False
    return crl.next_update_utc is not None and crl.is_signature_valid(key)


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
