"""Where a simulated OSDP peripheral keeps its key: in memory, or in a file that its owner alone can read."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ...apdu.errors import InputError
from ...apdu.regular_files import read_regular
from ...apdu.secret import Secret

__all__ = ["KeyStore"]

_LARGEST = 256


class KeyStore:
    """The SCBK, 16 bytes; None until one was set. With a ``path`` it outlives the process."""

    def __init__(self, key: Secret | None = None, path: Path | None = None) -> None:
        self._path = path
        self._key = None if key is None else Secret(key.reveal())
        if path is not None and path.exists():
            self._key = _read(path)

    def load(self) -> Secret | None:
        return self._key

    def save(self, key: Secret) -> None:
        """Keep a new key; the file is replaced as a whole."""
        self._key = Secret(key.reveal())
        if self._path is None:
            return
        temporary = self._path.with_name(f".{self._path.name}.new")
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(key.reveal().hex() + "\n")
        temporary.replace(self._path)


def _read(path: Path) -> Secret:
    try:
        text = read_regular(path, _LARGEST).decode("ascii").strip()
    except ValueError:
        text = ""
    if not re.fullmatch("[0-9A-Fa-f]{32}", text):
        raise InputError("simreader.osdp_key", path=str(path))
    return Secret(bytes.fromhex(text))
