"""What leaves the bridge: a result signed by it (JWS), for carried requests encrypted to the portal (JWE).

A JWE alone proves nothing about its sender, so the signed result stands inside it (RFC 7519 §11.2).
"""

from __future__ import annotations

from typing import Any

from joserfc import jwe
from joserfc.jwe import JWERegistry
from joserfc.jwk import Key

from ...apdu.errors import RequestError
from .portals import Portal

__all__ = ["CONTENT_ALGORITHM", "KEY_ALGORITHMS", "encrypt", "encryption_key"]

KEY_ALGORITHMS = {"EC": "ECDH-ES+A256KW", "RSA": "RSA-OAEP-256"}
CONTENT_ALGORITHM = "A256GCM"


def encryption_key(portal: Portal) -> Key:
    """The portal's key for JWE: one with ``use`` enc, else any EC or RSA key without ``use``.

    Raises RequestError ``request.not_allowed`` when it registered none.
    """
    fitting = [key for key in portal.key_set.keys if key.key_type in KEY_ALGORITHMS]
    for use in ("enc", None):
        for key in fitting:
            if key.get("use") == use:
                return key
    raise RequestError("request.not_allowed", what="it registered no key to encrypt results to")


def encrypt(portal: Portal, result: str) -> str:
    """The signed result as a compact JWE for the portal."""
    key = encryption_key(portal)
    header: dict[str, Any] = {"alg": KEY_ALGORITHMS[key.key_type], "enc": CONTENT_ALGORITHM, "cty": "JWT"}
    if kid := key.get("kid"):
        header["kid"] = kid
    registry = JWERegistry(algorithms=[header["alg"], CONTENT_ALGORITHM])
    return jwe.encrypt_compact(header, result, key, registry=registry)
