"""Registered portals: one JSON file each in a folder that the bridge's operator keeps.

The *standing* says on what ground a portal may verify certificates of the JPKI (公的個人認証法 §17, §36): as
an administrative body, as an accredited operator, through such an operator, or only in tests with
simulated cards. A portal without standing gets a pairwise subject, never the certificate.
"""

from __future__ import annotations

import enum
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ...apdu.errors import InputError, RequestError, TegataError
from ..signing.webeid import check_origin
from ..store import write_new
from .shown import check_shown

__all__ = ["Portal", "Portals", "Standing", "make_key", "public_keys"]


log = logging.getLogger(__name__)


class Standing(enum.StrEnum):
    """On what ground a portal may verify."""

    ADMINISTRATIVE = "administrative"
    ACCREDITED = "accredited"
    OPERATOR = "operator"
    TEST = "test"
    NONE = "none"


LOOPBACK = ("127.0.0.1", "localhost", "::1")
RETURN_URL = re.compile(r"https?://[^/?#\s]+([/?][!$-;=?-\[\]_a-z~]*)?")


def _origin(value: str) -> str:
    try:
        check_origin(value)
    except RequestError as error:
        raise ValueError(
            "an origin is scheme://host[:port] as browsers send it: lower case, no default port"
        ) from error
    return value


def _return_url(value: str) -> str:
    """An origin, then visible ASCII without fragment: it goes into a header and into pages."""
    if not RETURN_URL.fullmatch(value):
        raise ValueError("a return address is an http(s) URL in ASCII, without user or fragment")
    parts = urlsplit(value)
    _origin(f"{parts.scheme}://{parts.netloc}")
    return value


def _keys(value: dict[str, Any]) -> dict[str, Any]:
    try:
        return public_keys(json.dumps(value))
    except InputError as error:
        raise ValueError("not a JWK set of public keys") from error


Origin = Annotated[str, AfterValidator(_origin)]
ReturnUrl = Annotated[str, AfterValidator(_return_url)]


class Portal(BaseModel):
    """One registration. ``keys`` is a JWK set of public keys: for its signatures and for JWE to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")
    name: Annotated[str, AfterValidator(check_shown)] = Field(min_length=1, max_length=100)
    standing: Standing
    origins: tuple[Origin, ...] = Field(min_length=1)
    return_urls: tuple[ReturnUrl, ...] = Field(min_length=1)
    keys: Annotated[dict[str, Any], AfterValidator(_keys)]
    pairwise: bool = False
    bare_hash: bool = False

    @property
    def key_set(self) -> KeySet:
        return KeySet.import_key_set(self.keys)  # type: ignore[arg-type]

    @property
    def gets_certificates(self) -> bool:
        """Whether certificates may go to this portal at all."""
        return self.standing is not Standing.NONE and not self.pairwise


def public_keys(raw: str | bytes, path: str = "the key") -> dict[str, Any]:
    """The public part of a JWK or JWK set in JSON; private members are dropped.

    Raises InputError ``portal.file``.
    """
    try:
        found = json.loads(raw)
        keys = found if "keys" in found else {"keys": [found]}
        if any(key.get("kty") == "oct" for key in keys["keys"]) or not keys["keys"]:
            raise ValueError("no public key in it")
        return dict(KeySet.import_key_set(keys).as_dict(private=False))  # type: ignore[arg-type]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, JoseError) as error:
        raise InputError("portal.file", path=path, what="not a JWK or JWK set of public keys") from error


def make_key(path: Path) -> str:
    """Write a new private key for a portal (JWK, P-256 for ES256) to ``path``, readable by its owner alone.

    Returns the key's thumbprint (RFC 7638). Raises InputError ``input.exists``, or ``input.file`` when the
    file cannot be written.
    """
    key = ECKey.generate_key("P-256", private=True, auto_kid=True)
    try:
        write_new(path, json.dumps(key.as_dict(private=True)) + "\n")
    except FileExistsError as error:
        raise InputError("input.exists", path=str(path)) from error
    except OSError as error:
        raise InputError("input.file", path=str(path), what=error.strerror) from error
    return str(key.thumbprint())


class Portals:
    """The registrations in a folder; read anew when asked, so that a new portal needs no restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __iter__(self) -> Iterator[Portal]:
        for path in sorted(self.folder.glob("*.json")):
            yield self._read(path)

    def usable(self) -> Iterator[Portal]:
        """As iterating, but a registration that is not right is told to the operator's log and lets only its
        own portal down."""
        for path in sorted(self.folder.glob("*.json")):
            try:
                yield self._read(path)
            except InputError as error:
                log.warning("%s", error)

    def get(self, portal: str) -> Portal:
        """Raises RequestError ``request.unknown_portal``."""
        for found in self.usable():
            if found.id == portal:
                return found
        raise RequestError("request.unknown_portal")

    def origins(self) -> frozenset[str]:
        """The origins of all portals."""
        return frozenset(origin for portal in self.usable() for origin in portal.origins)

    def add(self, portal: Portal) -> Path:
        """Write a new registration. Raises InputError ``portal.exists``."""
        path = self.folder / f"{portal.id}.json"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_new(path, portal.model_dump_json(indent=2) + "\n", mode=0o644)
        except FileExistsError as error:
            raise InputError("portal.exists", portal=portal.id, path=str(path)) from error
        except OSError as error:
            raise InputError("input.file", path=str(path), what=error.strerror) from error
        return path

    @staticmethod
    def make(**fields: Any) -> Portal:
        """A checked registration. Raises InputError ``portal.file`` that names the first bad field."""
        return _checked(fields, str(fields.get("id", "")))

    def _read(self, path: Path) -> Portal:
        try:
            return _checked(json.loads(path.read_text(encoding="utf-8")), str(path))
        except (OSError, ValueError) as error:
            raise InputError("portal.file", path=str(path), what="it is not readable JSON") from error


def _checked(fields: Any, path: str) -> Portal:
    try:
        portal = Portal.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InputError("portal.file", path=path, what=what) from error
    problem: TegataError | None = None
    for url in (*portal.origins, *portal.return_urls):
        parts = urlsplit(url)
        plain = parts.scheme == "http" and portal.standing is not Standing.TEST
        if plain and parts.hostname not in LOOPBACK:
            problem = InputError("portal.file", path=path, what=f"{url} must be https")
    if problem is not None:
        raise problem
    return portal
