"""Signatures: dressing what a card signed as CMS, PDF or Web eID token, and verifying each of them.

Floor 3a of the house. The card stands behind a callback, ``sign_digest(digest) -> signature``; nothing
here knows readers, portals or PINs.
"""

from .anchors import NO_ANCHORS, Anchors, Purpose
from .card_signer import Algorithm, SignDigest, algorithm_of
from .cms import sign_detached, verify_detached
from .path import Refused
from .pdf import sign_pdf, verify_pdf
from .report import Form, Report, SignatureReport, Signer
from .revocation import NOT_CHECKED, CrlFolder, RevocationAnswer, RevocationProvider, RevocationStatus
from .revocation_http import OcspResponder, OperatorService
from .trust import Trust
from .verify import Beside, verify_bytes, verify_file
from .webeid import authentication_digest, make_token, verify_token

__all__ = [
    "NO_ANCHORS",
    "NOT_CHECKED",
    "Algorithm",
    "Anchors",
    "Beside",
    "CrlFolder",
    "Form",
    "OcspResponder",
    "OperatorService",
    "Purpose",
    "Refused",
    "Report",
    "RevocationAnswer",
    "RevocationProvider",
    "RevocationStatus",
    "SignDigest",
    "SignatureReport",
    "Signer",
    "Trust",
    "algorithm_of",
    "authentication_digest",
    "make_token",
    "sign_detached",
    "sign_pdf",
    "verify_bytes",
    "verify_detached",
    "verify_file",
    "verify_pdf",
    "verify_token",
]
