"""Verifying CMS SignedData (RFC 5652), detached or attached, and judging the one inside a PDF.

Integrity is pyHanko's: signed attributes, message digest, content type, ESS signing certificate, algorithm
protection. Own code refuses first what an attacker could use between two readings of the same bytes: more
than one SignerInfo, no signed attributes, hashes that are broken.
"""

from __future__ import annotations

from datetime import datetime

from asn1crypto import cms, core, pem
from pyhanko.sign.general import CMSExtractionError, CMSStructuralError, extract_certificate_info
from pyhanko.sign.validation import errors as validation_errors
from pyhanko.sign.validation.generic_cms import async_validate_cms_signature, async_validate_detached_cms
from pyhanko.sign.validation.status import SignatureStatus

from ...apdu.errors import Words
from .anchors import Purpose
from .card_signer import run
from .cms import ANY_USAGE, integrity_only
from .path import Refused
from .report import Form, SignatureReport, examine_signer
from .trust import Trust

__all__ = [
    "BROKEN",
    "MISMATCH",
    "certificates_of",
    "check_signed_data",
    "claimed_time",
    "integrity_faults",
    "read_signed_data",
    "structure",
    "verify_cms",
]

HASHES = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"})
BROKEN = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
    NotImplementedError,
    CMSExtractionError,
    CMSStructuralError,
    validation_errors.SignatureValidationError,
)
"""What the libraries raise for bytes that somebody damaged or forged."""


MISMATCH = Refused(
    "verify.structure", what=Words("its parts do not fit each other", "各部分が互いに合いません")
)


def structure(en: str, ja: str) -> Refused:
    return Refused("verify.structure", what=Words(en, ja))


def read_signed_data(raw: bytes) -> cms.SignedData:
    """SignedData from DER or PEM, with nothing behind it. Raises Refused ``verify.structure``."""
    try:
        der = pem.unarmor(raw)[2] if pem.detect(raw) else raw
        content = cms.ContentInfo.load(der, strict=True)
        if content["content_type"].native != "signed_data":
            raise structure("it is CMS, but not SignedData", "CMS ですが SignedData ではありません")
        signed: cms.SignedData = content["content"]
        _ = signed.native
        return signed
    except BROKEN as error:
        raise structure("it cannot be read as CMS", "CMS として読めません") from error


def check_signed_data(signed: cms.SignedData) -> None:
    """One signer, signed attributes, sound hashes. Raises Refused ``verify.structure`` or ``verify.weak``."""
    count = len(signed["signer_infos"])
    if count != 1:
        raise structure(f"it has {count} SignerInfos instead of one", f"SignerInfo が {count} 個あります")
    info = signed["signer_infos"][0]
    _check_hashes(info)
    if info["signed_attrs"] is core.VOID or not len(info["signed_attrs"]):
        raise structure("it has no signed attributes", "署名対象の属性がありません")
    kinds = [attribute["type"].dotted for attribute in info["signed_attrs"]]
    if len(kinds) != len(set(kinds)):
        raise structure("a signed attribute stands there twice", "署名対象の属性が重複しています")


def _check_hashes(info: cms.SignerInfo) -> None:
    algorithm = info["signature_algorithm"]
    names = {info["digest_algorithm"]["algorithm"].native}
    try:
        names.add(algorithm.hash_algo)
        if algorithm.signature_algo == "rsassa_pss":
            names.add(algorithm["parameters"]["mask_gen_algorithm"]["parameters"]["algorithm"].native)
    except ValueError:
        pass  # plain RSA names no hash of its own: the digest algorithm says it
    if weak := sorted(str(name) for name in names - HASHES):
        raise Refused("verify.weak", what=Words(*[", ".join(weak).upper()] * 2))


def certificates_of(signed: cms.SignedData) -> tuple[bytes, tuple[bytes, ...]]:
    """The signer's certificate, which SignerInfo names, and the others, in DER form. Raises as BROKEN."""
    found = extract_certificate_info(signed)
    return found.signer_cert.dump(), tuple(other.dump() for other in found.other_certs)


def claimed_time(signed: cms.SignedData) -> datetime | None:
    """The signing time that the signer claims."""
    for attribute in signed["signer_infos"][0]["signed_attrs"]:
        if attribute["type"].native == "signing_time":
            moment = attribute["values"][0].native
            return moment if isinstance(moment, datetime) else None
    return None


def integrity_faults(status: SignatureStatus) -> tuple[Refused, ...]:
    """Faults of pyHanko's verdict: the signature, or the content under it."""
    if not status.valid:
        what = Words("it does not fit the certificate's key", "証明書の鍵と合いません")
        return (Refused("verify.signature", what=what),)
    if not status.intact:
        what = Words("its digest is another", "ダイジェストが一致しません")
        return (Refused("verify.content", what=what),)
    return ()


def verify_cms(
    signed: cms.SignedData, content: bytes | None, trust: Trust, at: datetime
) -> tuple[SignatureReport, bytes]:
    """Verify SignedData over ``content`` (needed when it is detached); returns the report and the content.

    Where both are there, they must be the same.
    """
    attached = _attached(signed)
    form = Form.CMS_DETACHED if attached is None else Form.CMS_ATTACHED
    whole = content or b"" if attached is None else attached
    try:
        check_signed_data(signed)
        certificate, others = certificates_of(signed)
        faults = _integrity(signed, None if attached is not None else whole)
        hash_name = signed["signer_infos"][0]["digest_algorithm"]["algorithm"].native
        when = claimed_time(signed)
    except Refused as fault:
        return SignatureReport(form, own_faults=(fault,)), whole
    except BROKEN:
        return SignatureReport(form, own_faults=(MISMATCH,)), whole
    if attached is not None and content is not None and content != attached:
        what = Words(
            "it carries other bytes than the given file", "署名内の内容と指定されたファイルが異なります"
        )
        faults += (Refused("verify.content", what=what),)
    signer = examine_signer(trust, certificate, Purpose.SIGNATURE, at, others)
    return SignatureReport(form, "", signer, when, hash_name, faults), whole


def _attached(signed: cms.SignedData) -> bytes | None:
    content = signed["encap_content_info"]["content"]
    return None if content is core.VOID or content.native is None else bytes(content)


def _integrity(signed: cms.SignedData, detached: bytes | None) -> tuple[Refused, ...]:
    context = integrity_only(extract_certificate_info(signed).signer_cert)
    if detached is None:
        checking = async_validate_cms_signature(
            signed, validation_context=context, key_usage_settings=ANY_USAGE
        )
    else:
        checking = async_validate_detached_cms(
            detached, signed, signer_validation_context=context, key_usage_settings=ANY_USAGE
        )
    return integrity_faults(run(checking))
