"""A lock between processes: one file a reader, locked for as long as the reader is open.

The system frees the lock when the process ends, however it ends. POSIX has ``flock``, Windows
``msvcrt.locking``; both stand here and nowhere else.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import tempfile
from pathlib import Path

__all__ = ["FileLock", "lock_folder"]

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_folder() -> Path:
    """Where locks lie: under ``$TEGATA_HOME``, else in the user's runtime folder, else in a temporary one."""
    if home := os.environ.get("TEGATA_HOME"):
        return Path(home).expanduser() / "locks"
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "tegata"
    return Path(tempfile.gettempdir()) / f"tegata-{_user()}"


def _user() -> str:
    if sys.platform == "win32":
        return os.environ.get("USERNAME", "user")
    return str(os.getuid())


class FileLock:
    """An exclusive lock by name. Raises BlockingIOError at once when another process holds it."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        folder = folder or lock_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"
        try:
            # Whoever made the folder in /tmp first must not make us create files elsewhere by a link.
            self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise BlockingIOError(name) from error
        try:
            _lock(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            raise BlockingIOError(name) from error

    def release(self) -> None:
        """Give the lock back; more than once does no harm."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
