"""From what the card made to what the portal gets: judged by the portal's standing, then put into claims."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ..signing import (
    NO_ANCHORS,
    Anchors,
    Purpose,
    RevocationProvider,
    Trust,
    verify_detached,
    verify_pdf,
    verify_token,
)
from .identity import Identity
from .portals import Portal, Standing
from .requests import Authenticate, Document
from .states import State
from .transaction import Signed, Transaction

__all__ = ["Judge", "claims"]

VALID = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Judge:
    """Whom the bridge believes, for which portal.

    ``simulated`` anchors count for portals of standing *test* and for no other; those others need an
    answer from ``revocation``, and none is a failure.
    """

    identity: Identity
    anchors: Anchors = NO_ANCHORS
    simulated: Anchors = NO_ANCHORS
    revocation: RevocationProvider | None = None

    def trust(self, portal: Portal) -> Trust:
        if portal.standing is Standing.TEST:
            return Trust(self.simulated, revocation_needed=False)
        return Trust(self.anchors, self.revocation)

    def body(self, transaction: Transaction, signed: Signed) -> dict[str, Any]:
        """The result's own part, after every signature in it was verified. Raises RequestError."""
        trust = self.trust(transaction.portal)
        request = transaction.request
        if isinstance(request, Authenticate):
            token = json.dumps(signed.body["token"])
            certificate = verify_token(token, origin=request.origin, nonce=request.nonce, trust=trust)
            return self._login(transaction.portal, certificate, signed)
        trust.judge(signed.certificate, Purpose.SIGNATURE)
        for item, made in zip(request.items, signed.body["items"], strict=True):
            if isinstance(item, Document):
                _verify(item, made)
        return dict(signed.body)

    def _login(self, portal: Portal, certificate: x509.Certificate, signed: Signed) -> dict[str, Any]:
        if portal.gets_certificates:
            return dict(signed.body)
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {"subject": self.identity.pairwise(portal.id, key)}


def _verify(item: Document, made: Mapping[str, str]) -> None:
    if item.kind == "pdf":
        verify_pdf(base64.b64decode(made["document"]), trust=None)
    else:
        verify_detached(item.document, base64.b64decode(made["signature"]), trust=None)


def claims(
    transaction: Transaction, state: State, body: Mapping[str, Any], bridge: str, now: datetime
) -> dict[str, Any]:
    """The claims of a result. ``request`` is the jti of what was asked."""
    problem = transaction.problem
    return {
        "iss": bridge,
        "aud": transaction.portal.id,
        "jti": transaction.id,
        "iat": int(now.timestamp()),
        "exp": int((now + VALID).timestamp()),
        "request": transaction.request.jti,
        "state": transaction.request.state,
        "verb": transaction.request.verb,
        "status": str(state),
        **({"problem": f"urn:tegata:problem:{problem.code}"} if problem else {}),
        **body,
    }
