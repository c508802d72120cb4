"""Detached signatures over any bytes: CMS (RFC 5652) in the profile CAdES-B-B (ETSI EN 319 122-1 §6).

The signed attributes are content type, message digest, signing time and ESS signing-certificate-v2
(RFC 5035), which nails the certificate to the signature.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime

from asn1crypto import cms, x509
from pyhanko.sign.general import CMSExtractionError, SigningError, extract_certificate_info
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.sign.validation import errors as validation_errors
from pyhanko.sign.validation.generic_cms import async_validate_detached_cms
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext

from ...apdu.errors import RequestError
from .card_signer import CardSigner, SignDigest, run
from .trust import Purpose, Trust

__all__ = ["sign_detached", "sign_detached_digest", "verify_detached"]

# pyHanko's warnings name the signer; a certificate of the JPKI carries a person's name and address.
logging.getLogger("pyhanko.sign.validation").setLevel(logging.CRITICAL)

ANY_USAGE = KeyUsageConstraints(key_usage=set(), extd_key_usage=None)
"""Usage is judged by Trust; pyHanko is asked for integrity only."""
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, NotImplementedError)
"""What the libraries raise for malformed structures; an unknown hash is an attribute that is not there."""


def sign_detached(
    data: bytes, certificate: bytes, sign_digest: SignDigest, *, at: datetime | None = None
) -> bytes:
    """A detached CAdES-B-B signature over ``data``, as DER ContentInfo.

    ``certificate`` is the signer's in DER form. Raises what ``sign_digest`` raises, and RequestError
    ``signature.invalid`` when the card's answer does not fit the certificate.
    """
    signer = CardSigner(certificate, sign_digest)
    digest = hashlib.new(signer.digest_algorithm, data).digest()
    return _sign(signer, digest, at)


def sign_detached_digest(
    digest: bytes, certificate: bytes, sign_digest: SignDigest, *, at: datetime | None = None
) -> bytes:
    """As :func:`sign_detached`, for a document of which only the digest is here.

    Raises RequestError ``request.malformed`` when the digest has not the length of the key's hash.
    """
    signer = CardSigner(certificate, sign_digest)
    if len(digest) != hashlib.new(signer.digest_algorithm).digest_size:
        raise RequestError("request.malformed", what=f"a hash must be {signer.digest_algorithm}")
    return _sign(signer, digest, at)


def _sign(signer: CardSigner, digest: bytes, at: datetime | None) -> bytes:
    attributes = PdfCMSSignedAttributes(signing_time=at or datetime.now(UTC))
    try:
        signed = run(
            signer.async_sign(
                digest, signer.digest_algorithm, signed_attr_settings=attributes, is_pdf_sig=False
            )
        )
    except SigningError as error:
        raise RequestError("signature.invalid", what="the signature could not be built") from error
    return bytes(signed.dump())


def verify_detached(data: bytes, signature: bytes, trust: Trust | None, at: datetime | None = None) -> bytes:
    """Verify a detached CMS signature over ``data``; returns the signer's certificate (DER).

    ``trust`` judges the certificate; None leaves that to the caller and checks the signature alone.
    Raises RequestError ``signature.*``.
    """
    try:
        content = cms.ContentInfo.load(signature)
        if content["content_type"].native != "signed_data":
            raise ValueError("not SignedData")
        signed_data = content["content"]
        if len(signed_data["signer_infos"]) != 1 or signed_data["encap_content_info"]["content"].native:
            raise ValueError("not one detached signature")
        status = run(
            async_validate_detached_cms(
                data,
                signed_data,
                signer_validation_context=integrity_only(extract_certificate_info(signed_data).signer_cert),
                key_usage_settings=ANY_USAGE,
            )
        )
    except (*UNREADABLE, CMSExtractionError, validation_errors.SignatureValidationError) as error:
        raise RequestError("signature.invalid", what="it cannot be read") from error
    if not (status.intact and status.valid):
        raise RequestError("signature.invalid", what="it does not belong to these bytes")
    certificate = bytes(status.signing_cert.dump())
    if trust is not None:
        trust.judge(certificate, Purpose.SIGNATURE, at)
    return certificate


def integrity_only(certificate: x509.Certificate) -> ValidationContext:
    """A context that takes the certificate as given: it is judged by Trust, before or afterwards."""
    return ValidationContext(trust_roots=[certificate], allow_fetching=False, revocation_mode="soft-fail")
