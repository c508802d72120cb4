"""Verifying every signature of a PDF (ISO 32000-2 §12.8; ETSI EN 319 142-1): PAdES and adbe.pkcs7.detached.

What was added after a signature is judged by pyHanko's difference analysis, which knows the shadow attacks;
own code is stricter in three points. The hole in the ByteRange must be the signature's own hexadecimal string
and nothing else; nothing at all may follow the last signature; and a form may be filled in after a signature
only where that signature allows it.
"""

from __future__ import annotations

import io
import string
import zlib
from datetime import datetime

from asn1crypto import cms
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature, async_validate_pdf_signature
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel

from ...apdu.errors import InputError, Words
from .anchors import Purpose
from .card_signer import run
from .cms import ANY_USAGE, integrity_only
from .cms_check import integrity_faults
from .path import Refused
from .report import Form, SignatureReport, examine_signer
from .signed_data import BROKEN, check_signed_data, mismatch, structure
from .trust import Trust

__all__ = ["check_integrity", "embedded_signatures", "is_signature", "verify_pdf_signatures"]

BROKEN_PDF = (*BROKEN, PdfError, zlib.error, OSError, EOFError)
HEX = frozenset(string.hexdigits.encode())
FILLING_ALLOWED = (MDPPerm.FILL_FORMS, MDPPerm.ANNOTATE)
MOST_SIGNATURES = 100
SUBFILTERS = ("/ETSI.CAdES.detached", "/adbe.pkcs7.detached")


def verify_pdf_signatures(
    document: bytes, name: str, trust: Trust, at: datetime
) -> tuple[SignatureReport, ...]:
    """A report for each signature, oldest first.

    Raises InputError ``verify.unreadable`` for a PDF that cannot be read or holds no signature, and Refused
    ``verify.structure`` when its signatures are built so that none can be told from the others.
    """
    found = embedded_signatures(document, name)
    if not any(is_signature(signature) for signature in found):
        what = Words("it holds no signature", "署名がありません")
        raise InputError("verify.unreadable", name=name, what=what)
    return tuple(
        _report(document, signature, found, trust, at) for signature in found if is_signature(signature)
    )


def embedded_signatures(document: bytes, name: str) -> list[EmbeddedPdfSignature]:
    """All signatures and time stamps in a PDF, oldest first. Raises as :func:`verify_pdf_signatures`."""
    try:
        reader = PdfFileReader(io.BytesIO(document))
        encrypted = reader.encrypted
        _ = reader.root
    except BROKEN_PDF as error:
        what = Words("it is not a readable PDF", "読み取れる PDF ではありません")
        raise InputError("verify.unreadable", name=name, what=what) from error
    if encrypted:
        what = Words("it is encrypted", "暗号化されています")
        raise InputError("verify.unreadable", name=name, what=what)
    try:
        found: list[EmbeddedPdfSignature] = reader.embedded_signatures
        if len(found) > MOST_SIGNATURES:
            count = len(found)
            raise structure(f"it holds {count} signatures", f"署名が {count} 個も含まれています")
        _ = [signature.sig_object_type for signature in found]
    except BROKEN_PDF as error:
        raise structure("a signature in it cannot be read", "読み取れない署名が含まれています") from error
    return found


def is_signature(found: EmbeddedPdfSignature) -> bool:
    """Whether it is somebody's signature, not a time stamp over the document."""
    return bool(found.sig_object_type == "/Sig")


def check_integrity(
    document: bytes, signature: EmbeddedPdfSignature, everything: list[EmbeddedPdfSignature]
) -> tuple[Refused, ...]:
    """What is wrong with a signature, its certificate left aside; ``everything`` is all that the document
    holds, in order. A fault is returned, or raised as Refused."""
    try:
        check_signed_data(signature.signed_data)
        _check_range(document, signature)
        checking = async_validate_pdf_signature(
            signature,
            signer_validation_context=integrity_only(signature.signer_cert),
            key_usage_settings=ANY_USAGE,
        )
        status = run(checking)
        fields = {found.field_name for found in everything}
        last = signature is everything[-1]
        return integrity_faults(status) or _changes(status, signature, fields, last=last)
    except BROKEN_PDF as error:
        raise mismatch() from error


def _report(
    document: bytes,
    signature: EmbeddedPdfSignature,
    everything: list[EmbeddedPdfSignature],
    trust: Trust,
    at: datetime,
) -> SignatureReport:
    label = _printable(signature.field_name)
    try:
        faults = check_integrity(document, signature, everything)
        certificate = signature.signer_cert.dump()
        others = tuple(other.dump() for other in signature.other_embedded_certs)
        when = signature.self_reported_timestamp
    except Refused as fault:
        return SignatureReport(Form.PDF, label, own_faults=(fault,))
    except BROKEN_PDF:
        return SignatureReport(Form.PDF, label, own_faults=(mismatch(),))
    signer = examine_signer(trust, certificate, Purpose.SIGNATURE, at, others)
    return SignatureReport(Form.PDF, label, signer, when, signature.md_algorithm, faults)


def _printable(name: str | bytes) -> str:
    """The signer of a PDF chooses its field names: none of them steers the reader's terminal. One that is no
    text in the PDF's own encoding comes as bytes."""
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    return "".join(character if character.isprintable() else "?" for character in text)


def _check_range(document: bytes, signature: EmbeddedPdfSignature) -> None:
    """Raises Refused ``verify.extended`` or ``verify.structure``."""
    if signature.sig_object.get("/SubFilter") not in SUBFILTERS:
        raise structure("its SubFilter is not one of PAdES", "SubFilter が PAdES のものではありません")
    numbers = [int(number) for number in signature.byte_range]
    whole = len(numbers) == 4 and numbers[0] == 0 and all(number >= 0 for number in numbers)
    start, end = (numbers[1], numbers[2]) if whole else (0, 0)
    if not (whole and start < end and end + numbers[3] <= len(document)):
        raise _extended("its ByteRange does not fit the file", "ByteRange がファイルと合いません")
    hole = document[start:end]
    if hole[:1] != b"<" or hole[-1:] != b">" or not HEX.issuperset(hole[1:-1]) or len(hole) % 2:
        raise _extended("its ByteRange leaves out more than itself", "ByteRange が署名以外も除外しています")
    if bytes.fromhex(hole[1:-1].decode("ascii")) != signature.pkcs7_content:
        raise _extended(
            "its ByteRange leaves out something else", "ByteRange が署名とは別の部分を除外しています"
        )
    padding = signature.pkcs7_content[len(cms.ContentInfo.load(signature.pkcs7_content).dump()) :]
    if any(padding):
        raise structure("something hides behind it", "署名の後ろに余分なデータがあります")


def _changes(
    status: PdfSignatureStatus, signature: EmbeddedPdfSignature, fields: set[str], *, last: bool
) -> tuple[Refused, ...]:
    if last and status.coverage is not SignatureCoverageLevel.ENTIRE_FILE:
        return (_extended("bytes were added after it", "署名の後ろにデータが追加されています"),)
    if not status.docmdp_ok or not isinstance(status.diff_result, DiffResult):
        return (_extended("the document was changed after it", "署名の後で文書が変更されています"),)
    filled = status.diff_result.changed_form_fields - fields
    if filled and signature.docmdp_level not in FILLING_ALLOWED:
        return (_extended("a form was filled in after it", "署名の後でフォームに記入されています"),)
    return ()


def _extended(en: str, ja: str) -> Refused:
    return Refused("verify.extended", what=Words(en, ja))
