"""Verifying CMS SignedData (RFC 5652), detached or attached.

Integrity is pyHanko's: signed attributes, message digest, content type, ESS signing certificate, algorithm
protection. What is ambiguous or weak was refused before (``signed_data``).
"""

from __future__ import annotations

from datetime import datetime

from asn1crypto import cms, core
from pyhanko.sign.general import extract_certificate_info
from pyhanko.sign.validation.generic_cms import async_validate_cms_signature, async_validate_detached_cms
from pyhanko.sign.validation.status import SignatureStatus

from ...apdu.errors import Words
from .anchors import Purpose
from .card_signer import run
from .cms import ANY_USAGE, integrity_only
from .path import Refused
from .report import Form, SignatureReport, examine_signer
from .signed_data import BROKEN, certificates_of, check_signed_data, claimed_time, mismatch
from .trust import Trust

__all__ = ["integrity_faults", "verify_cms"]


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
        return SignatureReport(form, own_faults=(mismatch(),)), whole
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
