"""Files that a person put into a folder, read so that no entry of the folder hangs or fills this program."""

from __future__ import annotations

from pathlib import Path

__all__ = ["read_regular"]


def read_regular(path: Path, limit: int) -> bytes:
    """The content of a regular file (or a link to one) of at most ``limit`` bytes.

    Raises ValueError for anything else: a folder, a pipe, a device, a dead link, a file that is too large or
    cannot be opened.
    """
    if not path.is_file():
        raise ValueError("it is no file")
    try:
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise ValueError("the file cannot be opened") from error
    if len(content) > limit:
        raise ValueError(f"a file of this kind has at most {limit} bytes")
    return content
