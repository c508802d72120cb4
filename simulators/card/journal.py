"""The card file: an append-only, versioned journal of writes, flushed per write before the response leaves.

Layout: the line ``tegata-card 1\\n``, then records ``length(4) crc32(4) body``; a body is ``op(1)
key-length(2) key value``. ``op``: P put, N put without atomicity, D delete, B begin, C commit. Integers are
big-endian.

Power-up is the card's own recovery: a record that was cut off is dropped (atomic), or its first bytes are
kept over the old value (non-atomic); writes of a transaction without its commit are undone. The file is then
written anew when it has grown to several times its content. Mode 0600; an exclusive lock
keeps a second opener out.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from ...apdu.errors import InputError
from .kernel import Write
from .lock import lock_file

__all__ = ["FileStore", "MemoryStore"]

MAGIC = b"tegata-card 1\n"
HEAD = struct.Struct(">II")
MAX_RECORD = 1 << 20
COMPACT_FACTOR = 4
COMPACT_MINIMUM = 1 << 18


class MemoryStore:
    """Non-volatile memory without a file, with the same behaviour at a tear."""

    def __init__(self, content: Mapping[str, bytes] | None = None) -> None:
        self.content: dict[str, bytes] = dict(content or {})
        self._before: dict[str, bytes] | None = None

    def apply(self, write: Write) -> None:
        """One whole write."""
        if write.mark == "begin":
            self._before = dict(self.content)
        elif write.mark == "commit":
            self._before = None
        elif write.key is not None:
            if write.value is None:
                self.content.pop(write.key, None)
            else:
                self.content[write.key] = write.value

    def tear(self, write: Write) -> None:
        """The part of a write that reaches the memory when the power goes in the middle of it."""
        if write.key is not None and write.value is not None and not write.atomic:
            half = write.value[: (len(write.value) + 1) // 2]
            self.content[write.key] = half + self.content.get(write.key, b"")[len(half) :]

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was begun and not committed."""
        return self._before is not None

    def recover(self) -> None:
        """What the card does at power-up: undo a transaction that was not committed."""
        if self._before is not None:
            self.content, self._before = self._before, None

    def fork(self) -> MemoryStore:
        """An independent copy of the memory as it is now."""
        return MemoryStore(self.content)

    def close(self) -> None:
        """Nothing to release."""


class FileStore(MemoryStore):
    """Non-volatile memory in a card file.

    Raises InputError ``cardfile.*`` for a file that is not one, or is in use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file: IO[bytes] = path.open("r+b")
        except FileNotFoundError:
            raise InputError("cardfile.missing", file=path) from None
        except IsADirectoryError:
            raise InputError("cardfile.foreign", file=path) from None
        except PermissionError:
            raise InputError("cardfile.permission", file=path) from None
        try:
            lock_file(self._file, path)
            super().__init__()
            self._load()
        except BaseException:
            self._file.close()
            raise

    @classmethod
    def create(cls, path: Path, content: Mapping[str, bytes]) -> FileStore:
        """A new card file. Raises InputError ``cardfile.exists`` rather than overwrite one."""
        image = _image(content)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise InputError("cardfile.exists", file=path) from None
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            raise InputError("cardfile.permission", file=path) from None
        with os.fdopen(descriptor, "wb") as file:
            file.write(image)
            file.flush()
            os.fsync(file.fileno())
        return cls(path)

    def apply(self, write: Write) -> None:
        """One whole write, in the file before this returns."""
        self._file.write(_record(write))
        self._file.flush()
        super().apply(write)

    def tear(self, write: Write) -> None:
        """The first part of a record, as a power cut leaves it."""
        record = _record(write)
        self._file.write(record[: HEAD.size + (len(record) - HEAD.size + 1) // 2])
        self._file.flush()

    def recover(self) -> None:
        """Read the file again as the card does at power-up."""
        self._load()

    def close(self) -> None:
        self._file.close()

    def _load(self) -> None:
        self._file.seek(0)
        raw = self._file.read()
        if not raw.startswith(MAGIC):
            raise InputError("cardfile.foreign", file=self.path)
        memory = MemoryStore()
        offset = len(MAGIC)
        torn = b""
        while offset < len(raw):
            body = _read_record(raw, offset)
            if body is None:
                torn = raw[offset:]
                break
            memory.apply(_parse(body, self.path))
            offset += HEAD.size + len(body)
        if torn:
            _apply_torn(memory, torn)
        dirty = bool(torn) or memory.in_transaction
        memory.recover()
        self.content, self._before = memory.content, None
        image = _image(self.content)
        if dirty or len(raw) > max(COMPACT_MINIMUM, COMPACT_FACTOR * len(image)):
            self._rewrite(image)
        else:
            self._file.seek(0, os.SEEK_END)

    def _rewrite(self, image: bytes) -> None:
        """Replace the content in place through a copy, so that a kill at any point leaves a whole file."""
        copy = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(image)
            file.flush()
            os.fsync(file.fileno())
        fresh = copy.open("r+b")
        lock_file(fresh, self.path)
        copy.replace(self.path)
        self._file.close()
        self._file = fresh
        self._file.seek(0, os.SEEK_END)


def _image(content: Mapping[str, bytes]) -> bytes:
    return MAGIC + b"".join(_record(Write(key, value)) for key, value in sorted(content.items()))


def _record(write: Write) -> bytes:
    if write.mark:
        body = b"B" if write.mark == "begin" else b"C"
    else:
        key = (write.key or "").encode()
        op = b"D" if write.value is None else b"P" if write.atomic else b"N"
        body = op + len(key).to_bytes(2, "big") + key + (write.value or b"")
    return HEAD.pack(len(body), zlib.crc32(body)) + body


def _read_record(raw: bytes, offset: int) -> bytes | None:
    """The body at ``offset``, or None when it was cut off or damaged."""
    if offset + HEAD.size > len(raw):
        return None
    length, crc = HEAD.unpack_from(raw, offset)
    body = raw[offset + HEAD.size : offset + HEAD.size + length]
    if length > MAX_RECORD or len(body) < length or zlib.crc32(body) != crc:
        return None
    return body


def _parse(body: bytes, path: Path) -> Write:
    op = body[:1]
    if op in (b"B", b"C"):
        return Write(None, mark="begin" if op == b"B" else "commit")
    if op not in (b"P", b"N", b"D") or len(body) < 3:
        raise InputError("cardfile.foreign", file=path)
    end = 3 + int.from_bytes(body[1:3], "big")
    return Write(body[3:end].decode(), None if op == b"D" else body[end:], atomic=op == b"P")


def _apply_torn(memory: MemoryStore, torn: bytes) -> None:
    """Keep the first bytes of a torn non-atomic write over the old value; drop any other torn record."""
    body = torn[HEAD.size :]
    if body[:1] != b"N" or len(body) < 3:
        return
    end = 3 + int.from_bytes(body[1:3], "big")
    if len(body) <= end:
        return
    key, part = body[3:end].decode(errors="replace"), body[end:]
    memory.content[key] = part + memory.content.get(key, b"")[len(part) :]
