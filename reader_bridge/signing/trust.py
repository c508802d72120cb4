"""The judgement on a certificate: chain, usage, validity, revocation (RFC 5280 §6).

Nothing is fetched from the network on a certificate's word.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from ...apdu.errors import RequestError
from .anchors import NO_ANCHORS, Anchors, Purpose
from .path import CertificatePath, Refused, find_path
from .revocation import RevocationAnswer, RevocationProvider, RevocationStatus

__all__ = ["NO_ANCHORS", "Anchors", "Purpose", "Trust"]


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe: anchors, who answers for revocation, and whether an answer is needed."""

    anchors: Anchors
    revocation: RevocationProvider | None = None
    revocation_needed: bool = True

    def judge(self, certificate: bytes, purpose: Purpose, at: datetime | None = None) -> x509.Certificate:
        """The certificate (DER in), when it may be relied on for ``purpose`` at the moment (now).

        Raises RequestError ``signature.untrusted``, ``signature.revoked`` or ``signature.revocation``.
        """
        moment = at or datetime.now(UTC)
        try:
            path = self.path(certificate, purpose, moment)
        except Refused as error:
            raise RequestError("signature.untrusted", what=error.details["what"]) from error
        answer = self.ask(path, moment)
        if answer is not None and answer.status is RevocationStatus.REVOKED:
            raise RequestError("signature.revoked")
        unknown = answer is None or answer.status is RevocationStatus.UNKNOWN
        if unknown and self.revocation_needed:
            raise RequestError("signature.revocation")
        return path.certificate

    def path(
        self, certificate: bytes, purpose: Purpose, moment: datetime, others: Iterable[bytes] = ()
    ) -> CertificatePath:
        """The path to an anchor, revocation left aside. Raises Refused ``verify.*``."""
        return find_path(certificate, self.anchors, purpose, moment, others)

    def ask(self, path: CertificatePath, moment: datetime) -> RevocationAnswer | None:
        """What the provider says about a path's certificate; None when no provider is configured."""
        if self.revocation is None:
            return None
        return self.revocation.answer(path.certificate, path.issuer, moment)
