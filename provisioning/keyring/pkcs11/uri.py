"""The URLs of PKCS #11 tokens (RFC 7512).

``pkcs11:token=badges;serial=1234?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/run/pin``

Path attributes choose the token: ``token``, ``serial``, ``manufacturer``, ``model``, ``slot-id``. Query
attributes: ``module-path`` (or the variable :data:`MODULE`), ``pin-source`` (a file), and of our own
``timeout`` (seconds that the module may take for one answer). ``pin-value`` is refused: a URL stands in
process lists, histories and configuration files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ....apdu.errors import InputError, Words

__all__ = ["MODULE", "Pkcs11Uri"]

MODULE = "TEGATA_PKCS11_MODULE"
TOKEN_ATTRIBUTES = ("token", "serial", "manufacturer", "model", "slot-id")
QUERY_ATTRIBUTES = ("module-path", "pin-source", "timeout")
TIMEOUT = 30.0
LONGEST = 3600.0


@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """Which token, through which module. ``token`` holds what the URL says of it, by attribute."""

    module: str
    token: Mapping[str, str] = field(default_factory=dict)
    pin_source: Path | None = None
    timeout: float = TIMEOUT

    @classmethod
    def parse(cls, rest: str, environment: Mapping[str, str] | None = None) -> Pkcs11Uri:
        """What stands after ``pkcs11:``. Raises InputError ``pkcs11.token`` or ``pkcs11.module``."""
        path, _, query = rest.partition("?")
        token = _attributes(path, ";", TOKEN_ATTRIBUTES)
        options = _attributes(query, "&", QUERY_ATTRIBUTES)
        values = os.environ if environment is None else environment
        module = options.get("module-path") or values.get(MODULE, "")
        if not module:
            what = Words("no module-path stands in the URL", "URL に module-path がありません")
            raise InputError("pkcs11.module", module="-", what=what)
        if not token.get("slot-id", "0").isdecimal():
            raise _refused("slot-id", Words("slot-id is a number", "slot-id は数字です"))
        return cls(
            module, token, _source(options.get("pin-source", "")), _seconds(options.get("timeout", ""))
        )

    def __str__(self) -> str:
        """The token as a sentence may name it."""
        return self.token.get("token") or self.token.get("serial") or self.token.get("slot-id") or "-"


def _attributes(text: str, separator: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if name == "pin-value":
            what = Words(
                "a PIN does not belong into a URL; use pin-source", "PIN は URL に書けません (pin-source)"
            )
            raise _refused(name, what)
        if not equals or name not in known or name in found:
            choices = ", ".join(known)
            what = Words(f"attributes here are {choices}, each once", f"使える属性: {choices} (各一回)")
            raise _refused(name, what)
        try:
            found[name] = unquote(value, errors="strict")
        except UnicodeDecodeError:
            raise _refused(name, Words(f"{name} is not UTF-8", f"{name} が UTF-8 ではありません")) from None
    return found


def _source(text: str) -> Path | None:
    if not text:
        return None
    parts = urlsplit(text)
    if text.startswith("|") or parts.scheme not in ("", "file") or parts.netloc:
        raise _refused("pin-source", Words("pin-source is a file here", "pin-source はファイルです"))
    return Path(parts.path)


def _seconds(text: str) -> float:
    try:
        seconds = float(text or TIMEOUT)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST:
        raise _refused("timeout", Words("timeout is seconds, up to 3600", "timeout は 3600 までの秒数です"))
    return seconds


def _refused(name: str, what: Words) -> InputError:
    return InputError("pkcs11.token", token=name or "-", what=what)
