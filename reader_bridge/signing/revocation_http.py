"""Asking for revocation over HTTP: an OCSP responder (RFC 6960), or the service of a platform operator.

Both are asked only at an address that the user configured, never at one that a certificate names, without
proxies or redirects, and whatever does not come back as it should is UNKNOWN.

**The operator's service** is a small JSON adapter, to be put in front of what an accredited operator offers::

    POST <address>                       Authorization: Bearer <token>
    {"certificate": "<base64 of DER>", "at": "2026-04-01T00:00:00+00:00"}

    200  {"certificate_sha256": "<hex>", "status": "good" | "revoked" | "unknown",
          "revoked_at": "2026-03-01T12:00:00+09:00", "reason": "affiliationChanged"}

``certificate_sha256`` ties the answer to the question; ``revoked_at`` and ``reason`` (a name of RFC 5280
§5.3.1) may be missing. The signature certificate carries personal data: the address must be https, except on
this machine.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from ...apdu.errors import InputError, Words
from ...apdu.secret import Secret
from .revocation import RevocationAnswer, RevocationStatus, judge_evidence

__all__ = ["OcspResponder", "OperatorService"]

SECONDS = 10.0
MAX_ANSWER = 65536
NONCE_BYTES = 16
SILENT = Words("it did not answer", "応答がありません")
UNUSABLE = Words("its answer cannot be used", "応答を利用できません")


class OcspResponder:
    """An OCSP responder at an address that the user configured.

    ``sha1_identifiers`` names certificates by SHA-1 in the question (RFC 5019), for responders that know
    nothing else; nothing is believed on SHA-1. Raises InputError ``verify.provider`` for an unusable address.
    """

    def __init__(self, address: str, *, sha1_identifiers: bool = False) -> None:
        self._address = _checked(address, plain_http=True)
        self._hash = SHA1() if sha1_identifiers else SHA256()  # noqa: S303 - names a certificate, proves nothing

    def answer(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationAnswer:
        nonce = secrets.token_bytes(NONCE_BYTES)
        question = (
            ocsp.OCSPRequestBuilder()
            .add_certificate(certificate, issuer, self._hash)
            .add_extension(x509.OCSPNonce(nonce), critical=False)
            .build()
            .public_bytes(Encoding.DER)
        )
        answer = _post(self._address, question, {"Content-Type": "application/ocsp-request"})
        if answer is None:
            return RevocationAnswer(RevocationStatus.UNKNOWN, "OCSP", note=SILENT)
        if not _echoes(answer, nonce, certificate):
            return RevocationAnswer(RevocationStatus.UNKNOWN, "OCSP", note=UNUSABLE)
        response = asn1_ocsp.OCSPResponse.load(answer)
        return judge_evidence(certificate, issuer, at, "OCSP", ocsps=[response])


class OperatorService:
    """The service of a platform operator, as this module describes it. ``token`` is sent as a bearer token.

    Raises InputError ``verify.provider`` for an address that is neither https nor on this machine.
    """

    def __init__(self, address: str, token: Secret | None = None) -> None:
        self._address = _checked(address, plain_http=False)
        self._token = token

    def answer(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationAnswer:
        der = certificate.public_bytes(Encoding.DER)
        question = {"certificate": base64.b64encode(der).decode(), "at": at.astimezone(UTC).isoformat()}
        headers = {"Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.reveal().decode('ascii')}"
        answer = _post(self._address, question, headers)
        if answer is None:
            return RevocationAnswer(RevocationStatus.UNKNOWN, "operator", note=SILENT)
        return _operator_answer(answer, hashlib.sha256(der).hexdigest(), at)


def _operator_answer(raw: bytes, wanted: str, at: datetime) -> RevocationAnswer:
    unusable = RevocationAnswer(RevocationStatus.UNKNOWN, "operator", note=UNUSABLE)
    try:
        fields: dict[str, Any] = httpx.Response(200, content=raw).json()
        if fields["certificate_sha256"] != wanted:
            return unusable
        status = RevocationStatus(fields["status"])
        when = datetime.fromisoformat(fields["revoked_at"]) if fields.get("revoked_at") else None
        reason = fields.get("reason")
    except (ValueError, KeyError, TypeError, RecursionError):
        return unusable
    if status is not RevocationStatus.REVOKED:
        return RevocationAnswer(status, "operator")
    if (when is not None and when.tzinfo is None) or not isinstance(reason, str | None):
        return unusable
    if when is not None and when > at:
        return RevocationAnswer(RevocationStatus.GOOD, "operator")
    return RevocationAnswer(RevocationStatus.REVOKED, "operator", when, reason)


def _echoes(raw: bytes, nonce: bytes, certificate: x509.Certificate) -> bool:
    """Whether it is a successful answer about this certificate, to this question if it repeats a nonce."""
    try:
        response = ocsp.load_der_ocsp_response(raw)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return False
        if response.serial_number != certificate.serial_number:
            return False
        repeated = response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return True
    except (ValueError, x509.DuplicateExtension):
        return False
    return repeated == nonce


def _post(address: str, body: bytes | Mapping[str, str], headers: Mapping[str, str]) -> bytes | None:
    """The body of a 200 answer; None for anything else."""
    kind = {"content": body} if isinstance(body, bytes) else {"json": body}
    client = httpx.Client(trust_env=False, follow_redirects=False, timeout=SECONDS)
    try:
        with client, client.stream("POST", address, headers=dict(headers), **kind) as response:
            if response.status_code != httpx.codes.OK:
                return None
            content = b""
            for part in response.iter_bytes():
                content += part
                if len(content) > MAX_ANSWER:
                    return None
            return content
    except httpx.HTTPError:
        return None


def _checked(address: str, *, plain_http: bool) -> str:
    """OCSP answers are signed and questions name nobody, so plain http will do for them."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    allowed = parts.scheme == "https" or (parts.scheme == "http" and (plain_http or _is_here(host)))
    if not host or not allowed or parts.username is not None:
        what = Words("its address must begin with https://", "アドレスは https:// で始まる必要があります")
        raise InputError("verify.provider", what=what)
    return address


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
