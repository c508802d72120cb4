"""A ring of keys that a person brings along: the makers' well-known ones, or a key file (scheme ``static:``).

``static:default`` is the key 40…4F in all three places. ``static:FILE`` is a file that its owner alone can
read, either 16, 24 or 32 bytes in hex, or TOML::

    enc = "404142…"          # three keys of one length …
    mac = "404142…"
    dek = "404142…"

    key = "404142…"          # … or one for all three,
    scheme = "visa2"         # … or one master, from which each card's keys come in this way
    algorithm = "3des"       # optional: aes or 3des, where neither the channel nor the scheme tells

Such a ring is for cards as makers deliver them, for tests, and to get away from. In references its name is
``static`` and the master's label is that of the file.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...apdu.errors import InputError, Words
from ...apdu.ports import KeyRef
from ...apdu.regular_files import read_regular
from ...apdu.secret import Secret
from .computing import GP_DEFAULT, Master, MemoryRing
from .keys import MemoryKey
from .schemes import FIXED, KEY_LENGTHS, SCHEMES, master_algorithm

__all__ = ["DEFAULT", "StaticKeyRing", "open_keyring", "read_key"]

DEFAULT = "default"
PLACES = ("enc", "mac", "dek")
LARGEST = 4096


@dataclass(frozen=True, slots=True)
class _Given:
    """What a person gave: a key for each place, or one master under every usage."""

    keys: Mapping[str, Secret]
    scheme: str = FIXED
    algorithm: str = ""


def open_keyring(rest: str) -> StaticKeyRing:
    """The ring that ``static:REST`` names: ``default`` or a file. Raises InputError ``keyring.key_file``."""
    return StaticKeyRing.default() if rest == DEFAULT else StaticKeyRing.from_file(Path(rest))


class StaticKeyRing(MemoryRing):
    """One set of keys, or one master, under the label :attr:`label`."""

    name = "static"

    def __init__(
        self,
        label: str,
        keys: Mapping[str, Secret],
        *,
        scheme: str | None = FIXED,
        algorithm: str = "",
    ) -> None:
        """``keys`` has ``enc``, ``mac`` and ``dek``; a ``scheme`` of None lets the one key serve any."""
        self.label = label
        self.scheme = scheme
        self.algorithm = algorithm
        self._keys = {place: Secret(key.reveal()) for place, key in keys.items()}

    @classmethod
    def default(cls) -> StaticKeyRing:
        """The makers' well-known key, as it is or as a master of whatever scheme."""
        return cls(DEFAULT, dict.fromkeys(PLACES, Secret(GP_DEFAULT)), scheme=None)

    @classmethod
    def from_file(cls, path: Path) -> StaticKeyRing:
        """Raises InputError ``keyring.key_file``; what stands in the file is never quoted."""
        given = _read(path)
        label = re.sub(r"[^A-Za-z0-9._-]", "-", path.stem).lstrip("._-")[:64] or "keys"
        return cls(label, given.keys, scheme=given.scheme, algorithm=given.algorithm)

    @property
    def length(self) -> int:
        """Bytes of the key of each place, or of the master."""
        return len(self._keys["enc"])

    def close(self) -> None:
        """Overwrite the keys in memory."""
        for key in self._keys.values():
            key.wipe()

    def _masters(self) -> Mapping[str, Master]:
        return {self.label: self._of("enc")}

    def _held(self, ref: KeyRef) -> MemoryKey | None:
        if ref.master != self.label:
            return None
        master = self._of(ref.usage)
        if not master.serves(ref):
            raise InputError("keyring.reference", what=f"scheme {ref.scheme!r} with master {ref.master}")
        return MemoryKey(Secret(master.key.reveal()), master_algorithm(ref.scheme) or ref.algorithm)

    def _of(self, usage: str) -> Master:
        return Master(
            self._keys.get(usage, self._keys["enc"]),
            algorithm=(self.algorithm or None) if self.scheme == FIXED else None,
            scheme=self.scheme,
        )

    def __repr__(self) -> str:
        return f"StaticKeyRing({self.label!r})"


def read_key(path: Path) -> tuple[Secret, str]:
    """The one key in a file, and its algorithm, empty when the file does not tell. Raises InputError
    ``keyring.key_file``."""
    given = _read(path)
    if given.scheme != FIXED or any(key is not given.keys["enc"] for key in given.keys.values()):
        raise _refused(
            path, Words("one key stands in it, and no scheme", "鍵を一つだけ書きます (scheme なし)")
        )
    return given.keys["enc"], given.algorithm


def _read(path: Path) -> _Given:
    if os.name == "posix" and path.is_file() and path.stat().st_mode & 0o077:
        raise _refused(path, Words("others can read it", "ほかの人も読めます"))
    if not path.is_file():
        raise _refused(path, Words("there is no such file", "そのファイルはありません"))
    try:
        text = read_regular(path, LARGEST).decode("utf-8").strip()
        found = {"key": text} if re.fullmatch(r"[0-9A-Fa-f\s]+", text) else tomllib.loads(text)
    except ValueError:  # a TOML error quotes the line
        raise _refused(path, Words("it is neither hex nor TOML", "16 進数でも TOML でもありません")) from None
    scheme, algorithm = found.pop("scheme", FIXED), found.pop("algorithm", "")
    if scheme not in SCHEMES or algorithm not in ("", *KEY_LENGTHS):
        raise _refused(path, Words("scheme or algorithm is unknown", "scheme または algorithm が不明です"))
    if set(found) not in ({"key"}, set(PLACES)) or (scheme != FIXED and "key" not in found):
        what = Words("it has key, or enc, mac and dek", "key、または enc・mac・dek の三つを書きます")
        raise _refused(path, what)
    keys = {name: _key(path, value, master_algorithm(scheme) or algorithm) for name, value in found.items()}
    if len({len(key) for key in keys.values()}) != 1:
        raise _refused(path, Words("its keys differ in length", "鍵の長さが揃っていません"))
    return _Given(keys if "enc" in keys else dict.fromkeys(PLACES, keys["key"]), scheme, algorithm)


def _key(path: Path, text: Any, algorithm: str) -> Secret:
    try:
        raw = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        raw = b""
    lengths = KEY_LENGTHS[algorithm or "aes"]
    if len(raw) not in lengths:
        words = ", ".join(map(str, lengths))
        what = Words(f"a key has {words} bytes, in hex", f"鍵は {words} バイトの 16 進数です")
        raise _refused(path, what)
    return Secret(raw)


def _refused(path: Path, what: Words) -> InputError:
    return InputError("keyring.key_file", path=str(path), what=what)
