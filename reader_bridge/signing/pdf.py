"""Signatures in PDF documents: PAdES-B-B (ETSI EN 319 142-1 §6.3; ISO 32000-2 §12.8).

The signature is added as an incremental update, so every byte of the document stays as it was.
"""

from __future__ import annotations

import io
import zlib
from datetime import datetime

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.validation import errors as validation_errors

from ...apdu.errors import InputError, RequestError
from .card_signer import CardSigner, SignDigest, run
from .path import Refused
from .pdf_check import check_integrity, embedded_signatures, is_signature
from .trust import Purpose, Trust

__all__ = ["FIELD", "check_pdf", "sign_pdf", "verify_pdf"]

FIELD = "Tegata"
"""Name of the first signature field; later ones are numbered."""
DAMAGED = (
    PdfError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RecursionError,
    NotImplementedError,
    zlib.error,
)
"""What pyHanko's reader raises for damaged or hostile files: it takes much of their structure on trust."""


def check_pdf(document: bytes, name: str = "PDF") -> None:
    """Raises RequestError ``signature.document`` for bytes that cannot be signed as PDF."""
    _writer(document, name)


def sign_pdf(
    document: bytes,
    certificate: bytes,
    sign_digest: SignDigest,
    *,
    name: str = "PDF",
    reason: str | None = None,
) -> bytes:
    """The document with one more PAdES-B-B signature.

    ``certificate`` is the signer's in DER form, ``name`` stands in errors only.
    Raises RequestError ``signature.document`` for a file that is no usable PDF, and what
    ``sign_digest`` raises.
    """
    signer = CardSigner(certificate, sign_digest)
    writer = _writer(document, name)
    metadata = PdfSignatureMetadata(
        field_name=_free_field(writer.prev),
        md_algorithm=signer.digest_algorithm,
        subfilter=SigSeedSubFilter.PADES,
        reason=reason,
    )
    out = io.BytesIO()
    try:
        run(PdfSigner(metadata, signer=signer).async_sign_pdf(writer, output=out))
    except (*DAMAGED, SigningError, validation_errors.SignatureValidationError) as error:
        raise RequestError("signature.document", name=name, what="it does not allow it") from error
    return out.getvalue()


def verify_pdf(document: bytes, trust: Trust | None, at: datetime | None = None) -> list[bytes]:
    """Verify every signature of a PDF; returns the signers' certificates (DER), oldest first.

    The last signature must cover the whole file, and what was added after an earlier one must be a
    harmless update. ``trust`` judges the certificates; None checks the signatures alone.
    Raises RequestError ``signature.*``.
    """
    try:
        found = embedded_signatures(document, "PDF")
        signatures = [signature for signature in found if is_signature(signature)]
        if not signatures:
            raise RequestError("signature.invalid", what="the document has none")
        for signature in signatures:
            for fault in check_integrity(document, signature, found):
                raise fault
    except InputError as error:
        raise RequestError("signature.document", name="PDF", what=error.details["what"]) from error
    except Refused as error:
        raise RequestError("signature.invalid", what=error.details["what"]) from error
    certificates = [bytes(signature.signer_cert.dump()) for signature in signatures]
    if trust is not None:
        for certificate in certificates:
            trust.judge(certificate, Purpose.SIGNATURE, at)
    return certificates


def _writer(document: bytes, name: str) -> IncrementalPdfFileWriter:
    try:
        writer = IncrementalPdfFileWriter(io.BytesIO(document))
        if writer.prev.encrypted:
            raise RequestError("signature.document", name=name, what="it is encrypted")
        _ = writer.root
    except DAMAGED as error:
        raise RequestError("signature.document", name=name, what="it is not a readable PDF") from error
    return writer


def _free_field(reader: PdfFileReader) -> str:
    taken = {signature.field_name for signature in reader.embedded_signatures}
    number = 1
    while (name := FIELD if number == 1 else f"{FIELD}{number}") in taken:
        number += 1
    return name
