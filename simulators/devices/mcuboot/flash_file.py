"""The flash of a simulated reader in a file: killing the simulator is a power cut.

The file begins with 16 KiB of head: the line ``tegata-flash 1``, a JSON object with the geometry and the
fuses, spaces. Then come the bytes of the flash. Each step is written in place before the next begins. Mode
0600; an exclusive lock keeps a second simulator out.
"""

from __future__ import annotations

import io
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Self

from ....apdu.errors import InputError, Words
from ...card.lock import lock_file
from .flash import Flash, Geometry
from .fuses import Fuses

__all__ = ["FlashFile"]

MAGIC = b"tegata-flash 1\n"
HEAD = 1 << 14

_EXISTS = Words("it is there already and was not touched", "既に存在するため変更しませんでした")
_LARGE = Words("the keys do not fit its head", "鍵が収まりません")
_USED = Words("another program uses it", "別のプログラムが使用中です")
_FOREIGN = Words("it is not a flash file of this version", "この版のフラッシュファイルではありません")


class FlashFile(Flash):
    """Raises InputError ``simreader.flash`` for a file that is not one, or is in use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open(path)
        try:
            geometry, self.fuses, content = self._read()
            super().__init__(geometry, content)
        except BaseException:
            self._file.close()
            raise

    @classmethod
    def create(cls, path: Path, fuses: Fuses, content: Flash) -> Self:
        """A new file with the bytes of ``content``. Nothing that exists is overwritten."""
        described = {"geometry": asdict(content.geometry), "fuses": fuses.to_json()}
        head = MAGIC + json.dumps(described).encode()
        if len(head) > HEAD:
            raise InputError("simreader.flash", file=path, what=_LARGE)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(head.ljust(HEAD) + content.content())
        except FileExistsError:
            raise InputError("simreader.flash", file=path, what=_EXISTS) from None
        except OSError as error:
            raise InputError("simreader.flash", file=path, what=error.strerror) from None
        return cls(path)

    def close(self) -> None:
        self._file.close()

    def _put(self, place: int, data: bytes) -> None:
        super()._put(place, data)
        self._file.seek(HEAD + place)
        while data:  # a disk that fills up takes a part first
            data = data[self._file.write(data) :]

    def _read(self) -> tuple[Geometry, Fuses, bytes]:
        raw = self._file.read(HEAD)
        if not raw.startswith(MAGIC):
            raise InputError("simreader.flash", file=self.path, what=_FOREIGN)
        try:
            described = json.loads(raw[len(MAGIC) :])
            geometry = Geometry(**{name: int(value) for name, value in described["geometry"].items()})
            geometry.check()
            fuses = Fuses.from_json(described["fuses"])
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InputError("simreader.flash", file=self.path, what=_FOREIGN) from None
        content = self._file.read(geometry.size + 1)
        if len(content) != geometry.size:
            raise InputError("simreader.flash", file=self.path, what=_FOREIGN)
        return geometry, fuses, content


def _open(path: Path) -> io.FileIO:
    if path.exists() and not path.is_file():  # opening a device or a pipe may wait, or do something
        raise InputError("simreader.flash", file=path, what=_FOREIGN)
    try:
        file = io.FileIO(path, "r+b")
    except OSError as error:
        raise InputError("simreader.flash", file=path, what=error.strerror) from None
    try:
        lock_file(file, path)
    except InputError:
        file.close()
        raise InputError("simreader.flash", file=path, what=_USED) from None
    return file
