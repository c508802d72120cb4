"""The Web eID authentication token, format 1.0 (Web eID system architecture, "authentication token").

What is signed is ``hash(origin) ‖ hash(nonce)``, hashed once more by the signature algorithm. Origin and
nonce are *not* in the token: the verifier takes them from its own configuration and from the browser
session that began the login, so a token for another site or session cannot verify.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from ...apdu.errors import RequestError
from .card_signer import algorithm_of, verify_digest
from .trust import Purpose, Trust

__all__ = [
    "FORMAT",
    "Token",
    "authentication_digest",
    "check_nonce",
    "check_origin",
    "make_token",
    "verify_signature",
    "verify_token",
]

FORMAT = "web-eid:1.0"
APP_VERSION = "urn:tegata:0.1.0"
TOKEN_LENGTH = range(100, 10001)
NONCE_LENGTH = range(44, 129)
ORIGIN_MAX = 255
ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
)
DEFAULT_PORTS = {"https": "443", "http": "80"}


@dataclass(frozen=True, slots=True)
class Token:
    """A parsed token; nothing in it has been verified yet."""

    certificate: bytes
    algorithm: str
    signature: bytes

    @classmethod
    def parse(cls, text: str) -> Token:
        """Read the JSON form. Raises RequestError ``request.malformed``."""
        if len(text) not in TOKEN_LENGTH:
            raise RequestError("request.malformed", what="the token's length")
        try:
            fields: dict[str, Any] = json.loads(text)
            if str(fields["format"]).split(".")[0] != FORMAT.split(".")[0]:
                raise RequestError("request.malformed", what="the token's format")
            return cls(
                certificate=base64.b64decode(fields["unverifiedCertificate"], validate=True),
                algorithm=str(fields["algorithm"]),
                signature=base64.b64decode(fields["signature"], validate=True),
            )
        except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
            raise RequestError("request.malformed", what="the token's fields") from error


def check_origin(origin: str) -> None:
    """An origin as browsers write it (RFC 6454 §6.2): ``scheme://host[:port]``, in lower-case ASCII, without
    the scheme's own port. Raises RequestError ``request.malformed``."""
    if len(origin) > ORIGIN_MAX:
        raise RequestError("request.malformed", what="the origin's length")
    found = ORIGIN.fullmatch(origin)
    if found is None or not _is_host(found["host"]) or not _is_port(found["scheme"], found["port"]):
        raise RequestError("request.malformed", what="the origin")


def _is_host(host: str) -> bool:
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1])) == host[1:-1]
        except ValueError:
            return False
    return all(label.strip("-") == label != "" for label in host.split("."))


def _is_port(scheme: str, port: str | None) -> bool:
    return port is None or (int(port) < 65536 and port != DEFAULT_PORTS[scheme])


def check_nonce(nonce: str) -> None:
    """A nonce is base64 text of at least 256 bits. Raises RequestError ``request.malformed``."""
    if len(nonce) not in NONCE_LENGTH or not nonce.isascii():
        raise RequestError("request.malformed", what="the nonce must be base64 text of 44 to 128 characters")


def authentication_digest(key: CertificatePublicKeyTypes, origin: str, nonce: str) -> bytes:
    """The digest that the card signs: H(H(origin) ‖ H(nonce)).

    ``nonce`` counts as the text it is, not as the bytes that its base64 stands for.
    """
    check_origin(origin)
    check_nonce(nonce)
    algorithm = algorithm_of(key)
    return algorithm.hash(algorithm.hash(origin.encode()) + algorithm.hash(nonce.encode()))


def make_token(certificate: bytes, signature: bytes) -> dict[str, str]:
    """The token as a JSON object, from the certificate (DER) and the card's signature."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        size = (key.key_size + 7) // 8
        r, s = decode_dss_signature(signature)
        signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return {
        "unverifiedCertificate": base64.b64encode(certificate).decode(),
        "algorithm": algorithm_of(key).jose,
        "signature": base64.b64encode(signature).decode(),
        "format": FORMAT,
        "appVersion": APP_VERSION,
    }


def verify_signature(
    key: CertificatePublicKeyTypes, algorithm: str, signature: bytes, origin: str, nonce: str
) -> None:
    """Check a token's signature under ``key``. Raises RequestError ``signature.invalid``."""
    if algorithm != algorithm_of(key).jose:
        raise RequestError("signature.invalid", what="the algorithm does not fit the key")
    if isinstance(key, ec.EllipticCurvePublicKey):
        size = (key.key_size + 7) // 8
        if len(signature) != 2 * size:
            raise RequestError("signature.invalid", what="its length does not fit the key")
        halves = (int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))
        signature = encode_dss_signature(*halves)
    verify_digest(key, authentication_digest(key, origin, nonce), signature)


def verify_token(
    token: str, *, origin: str, nonce: str, trust: Trust, at: datetime | None = None
) -> x509.Certificate:
    """Verify a token for this ``origin`` and the ``nonce`` of this browser session.

    Returns the certificate, which may now be relied on. Raises RequestError ``request.malformed`` for
    what is no token and ``signature.*`` for what does not verify.
    """
    parsed = Token.parse(token)
    certificate = trust.judge(parsed.certificate, Purpose.AUTHENTICATION, at)
    verify_signature(certificate.public_key(), parsed.algorithm, parsed.signature, origin, nonce)
    return certificate
