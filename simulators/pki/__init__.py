"""The test hierarchy behind simulated My Number Cards: O=JPKI-TEST, made once per installation."""

from .face import cvc_anchors, terminal_certificate
from .hierarchy import CURRENT, GENERATIONS, Authority, Hierarchy, anchors, anchors_pem, hierarchy
from .profile import Family
from .responder import Responder, responder
from .revocation import crl, crls, ocsp_answer, revoke

__all__ = [
    "CURRENT",
    "GENERATIONS",
    "Authority",
    "Family",
    "Hierarchy",
    "Responder",
    "anchors",
    "anchors_pem",
    "crl",
    "crls",
    "cvc_anchors",
    "hierarchy",
    "ocsp_answer",
    "responder",
    "revoke",
    "terminal_certificate",
]
