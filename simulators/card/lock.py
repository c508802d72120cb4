"""An exclusive lock on an open file, held until it is closed or its process dies (flock or msvcrt)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

from ...apdu.errors import InputError

__all__ = ["lock_file"]

if sys.platform == "win32":
    import msvcrt

    LOCK_OFFSET = 1 << 40

    def lock_file(file: IO[bytes], path: Path) -> None:
        """Raises InputError ``cardfile.locked`` when another process holds the lock."""
        file.seek(LOCK_OFFSET)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            raise InputError("cardfile.locked", file=path) from None
        file.seek(0)

else:
    import fcntl

    def lock_file(file: IO[bytes], path: Path) -> None:
        """Raises InputError ``cardfile.locked`` when another process holds the lock."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("cardfile.locked", file=path) from None
