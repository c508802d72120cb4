"""From a certificate to an anchor: RFC 5280 §6, and what the profile of the JPKI asks for on top.

Paths are built and validated by pyhanko-certvalidator: names, key identifiers, signatures, validity, basic
constraints, policies, key usage. Own code stands here for three things that it does not do: to say *why*
there is no path (the three generations of a JPKI authority share one name, so "not found" is too little), to
ask that an anchor is itself an authority and still valid, and to hold a certificate of the JPKI to the policy
of its purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import (
    DisallowedAlgorithmError,
    ExpiredError,
    InvalidCertificateError,
    NotYetValidError,
    PathBuildingError,
    PathError,
    ValidationError,
)

from ...apdu.errors import RequestError, Words
from ...applets.jpki.certificate import CertificateKind, kind_of_policy, load_x509
from .anchors import Anchors, Purpose
from .card_signer import run

__all__ = [
    "MOST_OTHERS",
    "WEAK_HASHES",
    "CertificatePath",
    "Refused",
    "check_key",
    "find_path",
    "load_certificate",
]

WEAK_HASHES = frozenset({"md2", "md5", "sha1"})
SHORTEST_RSA = 2048
MOST_OTHERS = 32
"""Certificates that may come along with a signer's; real paths have fewer than five."""
KINDS = {
    Purpose.AUTHENTICATION: CertificateKind.AUTHENTICATION,
    Purpose.SIGNATURE: CertificateKind.SIGNATURE,
}
MALFORMED = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion)


class Refused(RequestError):
    """A signature or its certificate is not accepted; ``code`` is one of ``verify.*``."""

    default_code = "verify.signature"


@dataclass(frozen=True, slots=True, repr=False)
class CertificatePath:
    """A validated path: the certificate, who issued it, and the anchor that it ends in."""

    certificate: x509.Certificate
    issuer: x509.Certificate
    anchor: x509.Certificate

    @property
    def anchor_name(self) -> str:
        """Organisation, unit, and the beginning of the key identifier, which tells generations apart."""
        return _label(self.anchor)


def load_certificate(der: bytes) -> x509.Certificate:
    """Parse a certificate, its extensions and its key. Raises Refused ``verify.certificate``."""
    try:
        certificate = load_x509(der)
        _ = certificate.extensions, certificate.public_key(), certificate.subject, certificate.issuer
        return certificate
    except (*MALFORMED, x509.UnsupportedGeneralNameType) as error:
        what = Words("it is no certificate", "証明書ではありません")
        raise Refused("verify.certificate", what=what) from error


def find_path(
    der: bytes, anchors: Anchors, purpose: Purpose, moment: datetime, others: Iterable[bytes] = ()
) -> CertificatePath:
    """The path of a certificate (DER) to one of ``anchors``, valid for ``purpose`` at ``moment``.

    ``others`` are at most 32 certificates between the two; they are never believed. Raises Refused
    ``verify.*``.
    """
    given = tuple(others)
    if len(given) > MOST_OTHERS:
        what = Words(f"it carries {len(given)} certificates", f"証明書が {len(given)} 個も含まれています")
        raise Refused("verify.structure", what=what)
    certificate = load_certificate(der)
    check_key(certificate)
    roots = [root for root in map(load_certificate, anchors.roots) if _is_authority(root)]
    if not roots:
        what = Words("no trust anchors are installed", "信頼するルート証明書がありません")
        raise Refused("verify.not_anchored", what=what)
    path = _validated(der, certificate, roots, purpose, moment, _between(given, roots))
    _check_anchor(path.anchor, moment)
    _check_profile(certificate, purpose)
    return path


def _between(others: Iterable[bytes], roots: list[x509.Certificate]) -> list[x509.Certificate]:
    """The authorities among ``others`` that an anchor signed, or one of them.

    The library searches paths by names alone: a dozen forged namesakes that name each other as issuers would
    keep it busy for hours, and so only what leads to an anchor reaches it.
    """
    waiting = [other for other in map(_readable, others) if other is not None and _is_authority(other)]
    found: list[x509.Certificate] = []
    above = roots
    while above:
        issued = [other for other in waiting if any(_issued(other, upper) for upper in above)]
        waiting = [other for other in waiting if other not in issued]
        found += issued
        above = issued
    return found


def _readable(der: bytes) -> x509.Certificate | None:
    """None for bytes that are no certificate: nobody needs them."""
    try:
        return load_certificate(der)
    except Refused:
        return None


def _validated(
    der: bytes,
    certificate: x509.Certificate,
    roots: list[x509.Certificate],
    purpose: Purpose,
    moment: datetime,
    between: list[x509.Certificate],
) -> CertificatePath:
    leaf = asn1_x509.Certificate.load(der)
    key_usage, extended = purpose.value
    try:
        context = ValidationContext(
            trust_roots=[asn1_x509.Certificate.load(_der(root)) for root in roots],
            other_certs=[asn1_x509.Certificate.load(_der(authority)) for authority in between],
            allow_fetching=False,
            revocation_mode="soft-fail",
            weak_hash_algos=WEAK_HASHES,
            moment=moment,
        )
        validator = CertificateValidator(leaf, validation_context=context)
        run(validator.async_validate_path())
        if _is_authority(certificate):
            raise Refused("verify.usage", what=Words("it belongs to an authority", "認証局の証明書です"))
        judging = validator.async_validate_usage(  # type: ignore[no-untyped-call]
            set(key_usage), set(extended), extended_optional=not extended
        )
        path = run(judging)
    except PathBuildingError as error:
        raise _unanchored(certificate, roots) from error
    except (PathError, ValidationError, *MALFORMED) as error:
        raise _refusal(error, certificate, roots) from error
    issuer = load_certificate(path.find_issuing_authority(leaf).certificate.dump())
    return CertificatePath(certificate, issuer, load_certificate(path.trust_anchor.certificate.dump()))


def _refusal(error: Exception, certificate: x509.Certificate, roots: list[x509.Certificate]) -> Refused:
    """Without anything of the certificate's content: its subject may be a person."""
    if certificate.issuer == certificate.subject:
        return _unanchored(certificate, roots)
    if isinstance(error, ExpiredError):
        return _outside(certificate, Words("it is no longer valid", "有効期限が切れています"))
    if isinstance(error, NotYetValidError):
        return _outside(certificate, Words("it is not yet valid", "まだ有効期間に入っていません"))
    if isinstance(error, InvalidCertificateError):
        what = Words("it is not meant for this use", "この用途の証明書ではありません")
        return Refused("verify.usage", what=what)
    if isinstance(error, DisallowedAlgorithmError):
        return Refused(
            "verify.weak", what=Words("a broken hash in the certificate", "証明書の古いハッシュ方式")
        )
    if not any(_issued(certificate, root) for root in roots if root.subject == certificate.issuer):
        return _unanchored(certificate, roots)
    what = Words("its chain breaks the rules of RFC 5280", "証明書の連鎖が RFC 5280 に適合しません")
    return Refused("verify.not_anchored", what=what)


def _unanchored(certificate: x509.Certificate, roots: list[x509.Certificate]) -> Refused:
    if certificate.issuer == certificate.subject:
        what = Words("it is signed by itself", "自己署名の証明書です")
        return Refused("verify.not_anchored", what=what)
    namesakes = [root for root in roots if root.subject == certificate.issuer]
    named = _authority_key(certificate)
    if not namesakes:
        what = Words("no trust anchor stands behind it", "発行者が信頼するルートにありません")
        return Refused("verify.not_anchored", what=what)
    if named is not None and any(_own_key(root) == named for root in namesakes):
        what = Words("the authority that it names did not sign it", "名指しされた認証局の署名がありません")
        return Refused("verify.not_anchored", what=what)
    what = Words(
        "an anchor has the name of its authority, but another key (another generation, or a forgery)",
        "同じ名前のルートはありますが、鍵が異なります (別の世代か、偽造です)",
    )
    return Refused("verify.other_ca", what=what)


def _outside(certificate: x509.Certificate, what: Words) -> Refused:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return Refused("verify.expired", what=what, start=f"{start:%Y-%m-%d}", end=f"{end:%Y-%m-%d}")


def check_key(certificate: x509.Certificate) -> None:
    """Only RSA of 2048 bits or more, and elliptic curves. Raises Refused ``verify.*``."""
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        what = Words("its key is of another kind", "対応していない種類の鍵です")
        raise Refused("verify.certificate", what=what)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < SHORTEST_RSA:
        raise Refused("verify.weak", what=Words("a short RSA key", "短い RSA 鍵"))


def _check_anchor(anchor: x509.Certificate, moment: datetime) -> None:
    if not anchor.not_valid_before_utc <= moment <= anchor.not_valid_after_utc:
        raise _outside(anchor, Words("its authority is not valid", "認証局の証明書が有効ではありません"))


def _check_profile(certificate: x509.Certificate, purpose: Purpose) -> None:
    """A certificate with a policy of the JPKI has the policy of its purpose."""
    try:
        policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except x509.ExtensionNotFound:
        return
    kinds = {kind_of_policy(policy.policy_identifier.dotted_string) for policy in policies} - {None}
    if kinds and kinds != {KINDS[purpose]}:
        what = Words("its policy is that of the other certificate", "証明書ポリシーが用途と異なります")
        raise Refused("verify.usage", what=what)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _authority_key(certificate: x509.Certificate) -> bytes | None:
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound:
        return None
    return found.value.key_identifier


def _own_key(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _issued(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _label(certificate: x509.Certificate) -> str:
    """O, OU and the first bytes of the key identifier."""
    parts = [
        str(attribute.value)
        for oid in (NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME)
        for attribute in certificate.subject.get_attributes_for_oid(oid)[:1]
    ]
    key = _own_key(certificate) or b""
    return ", ".join([*parts, f"key {key[:4].hex().upper()}"]) if key else ", ".join(parts)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
