"""A portal's request: a compact JWS (RFC 7515) with JWT claims (RFC 7519), used once within sixty seconds."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from ...apdu.errors import RequestError, TegataError
from ..signing.pdf import check_pdf
from ..signing.webeid import check_nonce, check_origin
from .portals import Portal, Portals
from .shown import check_shown

__all__ = [
    "ALGORITHMS",
    "MAX_BYTES",
    "Assertion",
    "Authenticate",
    "Document",
    "Hash",
    "Request",
    "Sign",
    "read_assertion",
    "read_request",
]

ALGORITHMS = {"ES256": "EC", "RS256": "RSA", "EdDSA": "OKP", "Ed25519": "OKP"}
"""What portals may sign with, and the kind of key that belongs to it. ``none`` and HMAC are not there."""
DELIVERY = timedelta(seconds=60)
SKEW = timedelta(seconds=5)
MAX_BYTES = 24 * 1024 * 1024
REQUEST_TYPE = "tegata-request+jwt"
ASSERTION_TYPE = "tegata-assertion+jwt"


def _base64(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise ValueError("not base64") from error


def _shown_if_any(text: str) -> str:
    return check_shown(text) if text else text


Bytes = Annotated[bytes, BeforeValidator(_base64)]
Shown = Annotated[str, AfterValidator(_shown_if_any)]


class _Header(BaseModel):
    """The protected header. Nothing else may stand in it: no key, no certificate, no ``crit``."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    alg: str
    typ: str
    kid: str | None = None


class _Claims(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    iss: str
    aud: str
    jti: str = Field(min_length=16, max_length=128)
    iat: int
    exp: int


class Assertion(_Claims):
    """Proof that a back end is the portal; ``sub`` is the transaction that it asks about."""

    sub: str


class _Request(_Claims):
    return_url: str
    state: str = Field(default="", max_length=512)
    purpose: Shown = Field(default="", max_length=200)


class Authenticate(_Request):
    """A login: what is signed follows from origin and nonce alone; there is no place for a digest."""

    verb: Literal["authenticate"]
    origin: str
    nonce: str


class Document(BaseModel):
    """A whole document: ``pdf`` becomes PAdES, ``cms`` gets a detached signature."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: Literal["pdf", "cms"]
    label: Shown = Field(min_length=1, max_length=200)
    document: Bytes


class Hash(BaseModel):
    """A SHA-256 of something that stays at the portal; without a label it is a bare hash."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: Literal["hash"]
    label: Shown = Field(default="", max_length=200)
    sha256: Annotated[Bytes, Field(min_length=32, max_length=32)]


Item = Annotated[Document | Hash, Field(discriminator="kind")]


class Sign(_Request):
    """Signatures with the signature key over up to twenty items."""

    verb: Literal["sign"]
    items: tuple[Item, ...] = Field(min_length=1, max_length=20)


Request = Authenticate | Sign
_ANY: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="verb")])
_HEADER: TypeAdapter[_Header] = TypeAdapter(_Header)
_ASSERTION: TypeAdapter[Assertion] = TypeAdapter(Assertion)


def read_request(text: str, portals: Portals, bridge: str, now: datetime) -> tuple[Portal, Request]:
    """The portal and its request, verified and within the portal's rights; not yet checked for replay.

    Raises RequestError ``request.*`` and ``signature.document``.
    """
    portal, claims = _read(text, portals, REQUEST_TYPE, _ANY)
    _in_time_and_place(claims, bridge, now)
    if claims.return_url not in portal.return_urls:
        raise RequestError("request.not_allowed", what="the return address is not registered")
    if isinstance(claims, Authenticate):
        _check_login(claims, portal)
    else:
        _check_items(claims, portal)
    return portal, claims


def read_assertion(text: str, portals: Portals, bridge: str, now: datetime) -> tuple[Portal, Assertion]:
    """Who asks, and about which transaction; not yet checked for replay. Raises RequestError."""
    portal, claims = _read(text, portals, ASSERTION_TYPE, _ASSERTION)
    _in_time_and_place(claims, bridge, now)
    return portal, claims


def _read(text: str, portals: Portals, kind: str, model: TypeAdapter[Any]) -> tuple[Portal, Any]:
    try:
        parts = text.encode("ascii").split(b".", 3)
        header, payload, signature = (urlsafe_b64decode(part) for part in parts)
        claims = model.validate_json(payload)
        protected = _HEADER.validate_json(header)
        for part in (header, payload):
            json.loads(part, object_pairs_hook=_each_once)
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise RequestError("request.malformed", what=what) from error
    except (ValueError, binascii.Error) as error:
        raise RequestError("request.malformed", what="not a compact JWS") from error
    if protected.typ != kind:
        raise RequestError("request.malformed", what=f"its typ must be {kind}")
    portal = portals.get(claims.iss)
    signed = b".".join(parts[:2])
    if not any(_verifies(key, protected, signed, signature) for key in portal.key_set.keys):
        raise RequestError("request.signature", what="no registered key made it")
    return portal, claims


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    """Two readers may take two different ones of a name that stands twice (RFC 8725 §2.4)."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice")


def _verifies(key: Key, header: _Header, signed: bytes, signature: bytes) -> bool:
    """Whether this registered key made the signature. ``kid`` only spares tries."""
    if key.key_type != ALGORITHMS.get(header.alg) or key.get("use", "sig") != "sig":
        return False
    if header.kid is not None and key.get("kid") not in (None, header.kid):
        return False
    try:
        return bool(JWSRegistry.algorithms[header.alg].verify(signed, signature, key))
    except (JoseError, ValueError):
        return False


def _in_time_and_place(claims: _Claims, bridge: str, now: datetime) -> None:
    if claims.aud != bridge:
        raise RequestError("request.audience")
    try:
        issued, ends = (datetime.fromtimestamp(moment, UTC) for moment in (claims.iat, claims.exp))
    except (OverflowError, ValueError, OSError) as error:
        raise RequestError("request.malformed", what="iat or exp") from error
    if not (issued <= now + SKEW and now < ends <= issued + DELIVERY):
        raise RequestError("request.late")


def _check_login(claims: Authenticate, portal: Portal) -> None:
    check_origin(claims.origin)
    check_nonce(claims.nonce)
    if claims.origin not in portal.origins:
        raise RequestError("request.not_allowed", what="the origin is not registered")


def _check_items(claims: Sign, portal: Portal) -> None:
    if not portal.gets_certificates:
        raise RequestError("request.not_allowed", what="signatures carry certificates")
    problems: list[TegataError] = []
    for item in claims.items:
        if isinstance(item, Hash):
            if not item.label and not portal.bare_hash:
                problems.append(RequestError("request.not_allowed", what="hashes without a label"))
        elif item.kind == "pdf":
            check_pdf(item.document, item.label)
    if problems:
        raise problems[0]
