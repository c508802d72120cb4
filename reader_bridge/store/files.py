"""New files that are there whole or not at all, whenever the process is killed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["write_new"]


def write_new(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that must not exist yet; nobody ever sees a part of it. ``text`` is kept as UTF-8.

    Raises FileExistsError, and OSError for a folder that takes no files.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.link(name, path)  # fails when the name is taken, unlike a rename
    finally:
        os.unlink(name)
