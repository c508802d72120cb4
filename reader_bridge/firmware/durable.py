"""Files that survive a power cut: written aside, flushed to the disk, then put in place in one step."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ...apdu.errors import InputError

__all__ = ["listed", "make_folder", "write_durably"]

_OWNER_ONLY = 0o600


def make_folder(path: Path) -> Path:
    """The folder, made with mode 0700 when it is missing. Raises InputError ``firmware.journal``."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("firmware.journal", path=str(path), what=error.strerror) from error
    return path


def listed(folder: Path, suffix: str = "") -> list[Path]:
    """What stands in the folder under names with this suffix, sorted; ``Path.glob`` takes a folder that may
    not be read for an empty one. Raises InputError ``firmware.journal``."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == suffix or not suffix)
    except OSError as error:
        raise InputError("firmware.journal", path=str(folder), what=error.strerror) from error


def write_durably(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` with mode 0600, whole or not at all, and on the disk before this returns.

    Raises InputError ``firmware.journal``.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(aside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, _OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise InputError("firmware.journal", path=str(path), what=error.strerror) from error


def _flush_folder(folder: Path) -> None:
    """The new name itself is on the disk too. Windows has no descriptors of folders and needs none."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
