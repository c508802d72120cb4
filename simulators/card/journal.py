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

import errno
import io
import os
import stat
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

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

    Raises InputError ``cardfile.*`` for a file that is not one, is damaged or in use, and when a write does
    not fit the disk: nothing of that write is kept then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # A link is followed once: rewriting replaces the file, never the link.
        self._place = Path(os.path.realpath(path))
        self._file = self._open()
        try:
            super().__init__()
            self._load()
        except BaseException:
            self._file.close()
            raise

    @classmethod
    def create(cls, path: Path, content: Mapping[str, bytes]) -> FileStore:
        """A new card file. Raises InputError ``cardfile.exists`` rather than overwrite one."""
        try:
            _write_file(path, _image(content)).close()
        except FileExistsError:
            raise InputError("cardfile.exists", file=path) from None
        except OSError as error:
            raise _refusal(error, path) from None
        return cls(path)

    def apply(self, write: Write) -> None:
        """One whole write, in the file before this returns."""
        end = self._file.seek(0, os.SEEK_END)
        try:
            _write_all(self._file, _record(write))
        except OSError as error:
            self._file.truncate(end)
            raise _refusal(error, self.path) from None
        super().apply(write)

    def tear(self, write: Write) -> None:
        """The first part of a record, as a power cut leaves it."""
        record = _record(write)
        self._file.seek(0, os.SEEK_END)
        _write_all(self._file, record[: HEAD.size + (len(record) - HEAD.size + 1) // 2])

    def recover(self) -> None:
        """Read the file again as the card does at power-up."""
        self._load()

    def close(self) -> None:
        self._file.close()

    def _open(self) -> io.FileIO:
        """The locked file that the path names: not one that was replaced before its lock was free."""
        while True:
            file = _open_regular(self._place, self.path)
            try:
                lock_file(file, self.path)
                if self._place.exists() and os.path.samestat(os.fstat(file.fileno()), self._place.stat()):
                    return file
            except BaseException:
                file.close()
                raise
            file.close()

    def _load(self) -> None:
        self._file.seek(0)
        if self._file.read(len(MAGIC)) != MAGIC:
            raise InputError("cardfile.foreign", file=self.path)
        raw = MAGIC + self._file.readall()
        try:
            memory, kept, torn = _replay(raw)
            partly = not memory.in_transaction and _apply_torn(memory, torn)
        except ValueError as error:
            raise InputError("cardfile.damaged", file=self.path, what=str(error)) from None
        memory.recover()
        self.content, self._before = memory.content, None
        image = _image(self.content)
        if partly or len(raw) > max(COMPACT_MINIMUM, COMPACT_FACTOR * len(image)):
            self._rewrite(image)
        elif kept != len(raw):
            self._file.truncate(kept)

    def _rewrite(self, image: bytes) -> None:
        """Replace the file through a copy, so that a kill at any point leaves a whole one."""
        copy = self._place.with_name(self._place.name + ".new")
        try:
            copy.unlink(missing_ok=True)
            fresh = _write_file(copy, image)
        except OSError as error:
            raise _refusal(error, self.path) from None
        lock_file(fresh, self.path)
        copy.replace(self._place)
        self._file.close()
        self._file = fresh


def _open_regular(place: Path, path: Path) -> io.FileIO:
    """``place`` for reading and writing; ``path`` is its name in sentences."""
    try:
        # Asked first: opening a device or a pipe may wait, or do something.
        if not stat.S_ISREG(place.stat().st_mode):
            raise InputError("cardfile.foreign", file=path)
        return open(place, "r+b", buffering=0)
    except FileNotFoundError:
        raise InputError("cardfile.missing", file=path) from None
    except OSError:
        raise InputError("cardfile.permission", file=path) from None


def _write_file(path: Path, image: bytes) -> io.FileIO:
    """A new file with this content, on the disk and open; no file when it does not fit. Raises OSError."""
    file = io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b")
    try:
        _write_all(file, image)
        os.fsync(file.fileno())
    except OSError:
        file.close()
        path.unlink(missing_ok=True)
        raise
    return file


def _write_all(file: io.FileIO, raw: bytes) -> None:
    """All of ``raw``: a disk that fills up takes a part first."""
    while raw:
        raw = raw[file.write(raw) :]


def _refusal(error: OSError, path: Path) -> InputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return InputError("cardfile.full", file=path)
    return InputError("cardfile.permission", file=path)


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


def _replay(raw: bytes) -> tuple[MemoryStore, int, bytes]:
    """The memory after all whole records, the length of the file without what recovery undoes, and the
    record that was cut off. Raises ValueError for damage that no loss of power leaves."""
    memory = MemoryStore()
    offset = kept = len(MAGIC)
    while (body := _read_record(raw, offset)) is not None:
        write = _parse(body)
        if write.mark and memory.in_transaction == (write.mark == "begin"):
            raise ValueError(f"a transaction out of place at byte {offset}")
        memory.apply(write)
        offset += HEAD.size + len(body)
        kept = kept if memory.in_transaction else offset
    torn = raw[offset:]
    # Only the last record can be torn. Whole ones behind it say that its length is damaged instead.
    if any(_whole_to_the_end(torn, start) for start in range(1, len(torn))):
        raise ValueError(f"a record of a wrong length at byte {offset}")
    return memory, kept, torn


def _read_record(raw: bytes, offset: int) -> bytes | None:
    """The body at ``offset``, None when the file ends before it does. Raises ValueError."""
    if offset + HEAD.size > len(raw):
        return None
    length, crc = HEAD.unpack_from(raw, offset)
    if not 1 <= length <= MAX_RECORD:
        raise ValueError(f"a record of {length} bytes at byte {offset}")
    body = raw[offset + HEAD.size : offset + HEAD.size + length]
    if len(body) < length:
        return None
    if zlib.crc32(body) != crc:
        raise ValueError(f"a wrong checksum at byte {offset}")
    return body


def _whole_to_the_end(raw: bytes, offset: int) -> bool:
    """Whether one record or more, and nothing else, stand between ``offset`` and the end."""
    try:
        while (body := _read_record(raw, offset)) is not None:
            offset += HEAD.size + len(body)
            if offset == len(raw):
                return True
    except ValueError:
        pass
    return False


def _parse(body: bytes) -> Write:
    op = body[:1]
    if body in (b"B", b"C"):
        return Write(None, mark="begin" if op == b"B" else "commit")
    end = 3 + int.from_bytes(body[1:3], "big")
    if op not in (b"P", b"N", b"D") or not 3 <= end <= len(body):
        raise ValueError("a record of an unknown kind")
    return Write(body[3:end].decode(), None if op == b"D" else body[end:], atomic=op == b"P")


def _apply_torn(memory: MemoryStore, torn: bytes) -> bool:
    """Keep the first bytes of a torn non-atomic write over the old value, if any came; drop any other."""
    body = torn[HEAD.size :]
    end = 3 + int.from_bytes(body[1:3], "big")
    if body[:1] != b"N" or len(body) <= max(end, 3):
        return False
    key, part = body[3:end].decode(), body[end:]
    memory.content[key] = part + memory.content.get(key, b"")[len(part) :]
    return True
