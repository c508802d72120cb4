"""Signatures: dressing what a card signed as CMS, PDF or Web eID token, and verifying each of them.

Floor 3a of the house. The card stands behind a callback, ``sign_digest(digest) -> signature``; nothing
here knows readers, portals or PINs.
"""

from .card_signer import Algorithm, SignDigest, algorithm_of
from .cms import sign_detached, verify_detached
from .pdf import sign_pdf, verify_pdf
from .revocation import CrlFolder, RevocationProvider, RevocationStatus
from .trust import NO_ANCHORS, Anchors, Purpose, Trust
from .webeid import authentication_digest, make_token, verify_token

__all__ = [
    "NO_ANCHORS",
    "Algorithm",
    "Anchors",
    "CrlFolder",
    "Purpose",
    "RevocationProvider",
    "RevocationStatus",
    "SignDigest",
    "Trust",
    "algorithm_of",
    "authentication_digest",
    "make_token",
    "sign_detached",
    "sign_pdf",
    "verify_detached",
    "verify_pdf",
    "verify_token",
]
