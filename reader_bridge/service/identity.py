"""Who this bridge is: a key that signs results, an id that is its thumbprint, a secret for pairwise subjects.

The id is the JWK thumbprint URI of the key (RFC 9278), so that a portal that knows the id can check the
key without having it delivered.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from ...apdu.errors import InputError
from ..store import write_new

__all__ = ["Identity"]

THUMBPRINT_URI = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:"


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """The key and the secret; neither appears in a repr."""

    key: ECKey
    secret: bytes

    @classmethod
    def load(cls, path: Path) -> Identity:
        """The identity in ``path`` (mode 0600), made on first use. Raises InputError ``store.open``."""
        if path.exists():
            return cls._read(path)
        made = cls.make()
        try:
            write_new(path, json.dumps({"key": made.key.as_dict(private=True), "secret": made.secret.hex()}))
        except FileExistsError:  # another process was faster
            return cls._read(path)
        except OSError as error:
            raise InputError("store.open", path=str(path), what=error.strerror) from error
        return made

    @classmethod
    def make(cls) -> Identity:
        return cls(ECKey.generate_key("P-256", private=True), secrets.token_bytes(32))

    @classmethod
    def _read(cls, path: Path) -> Identity:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return cls(ECKey.import_key(found["key"]), bytes.fromhex(found["secret"]))
        except (OSError, ValueError, KeyError, TypeError, JoseError) as error:
            raise InputError("store.open", path=str(path), what="it holds no identity of a bridge") from error

    @property
    def id(self) -> str:
        """What requests name as ``aud`` and results as ``iss``."""
        return THUMBPRINT_URI + self.key.thumbprint()

    def sign(self, claims: dict[str, Any]) -> str:
        """A result as a compact JWS, ES256, with the public key in its header."""
        header = {"alg": "ES256", "typ": "tegata-result+jwt", "jwk": self.key.as_dict(private=False)}
        return jwt.encode(header, claims, self.key, algorithms=["ES256"])

    def pairwise(self, portal: str, public_key: bytes) -> str:
        """A stable name of a holder's key for one portal that no other portal can relate to its own.

        ``public_key`` is the SubjectPublicKeyInfo (DER) of the authentication certificate.
        """
        name = portal.encode()
        message = len(name).to_bytes(4, "big") + name + public_key
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()
