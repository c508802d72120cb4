"""One file on its way to a peripheral (osdp_FILETRANSFER, §6.26), as libosdp's file operations.

The methods that libosdp calls run in the panel's thread and never raise; :meth:`Transfer.watch` runs in the
thread of whoever waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ....apdu.errors import ReaderError

__all__ = ["OPAQUE", "Transfer"]

OPAQUE = 1
"""The file type of contents that the standard does not know."""


class Transfer:
    """``image`` and how far it has come."""

    def __init__(self, image: bytes, file_id: int = OPAQUE) -> None:
        self.image = image
        self.file_id = file_id
        self.begun = False
        self.closed = False
        self._taken = 0
        self._outcome: bool | None = None
        self._changed = threading.Condition()

    @property
    def operations(self) -> Mapping[str, Callable[..., Any]]:
        """What libosdp wants to call."""
        return {"open": self._open, "read": self._read, "write": self._write, "close": self._close}

    def fail(self) -> None:
        """It did not arrive whole."""
        self.settle(False)

    def settle(self, arrived: bool) -> None:
        """Whether the peripheral has answered for the whole file. The first word counts."""
        with self._changed:
            if self._outcome is None:
                self._outcome = arrived
                self._taken = len(self.image) if arrived else self._taken
            self._changed.notify_all()

    def watch(self, silence: float) -> Iterator[int]:
        """Yield the bytes taken as they grow. Raises ReaderError ``osdp.transfer``."""
        seen = -1
        while True:
            with self._changed:

                def news(last: int = seen) -> bool:
                    return self._taken != last or self._outcome is not None

                moved = self._changed.wait_for(news, silence)
                taken, outcome = self._taken, self._outcome
            if taken != seen and outcome is not False:
                seen = taken
                yield taken
            if outcome:
                return
            if outcome is False or not moved:
                self.fail()
                raise ReaderError("osdp.transfer", taken=taken, size=len(self.image))

    # Called by libosdp

    def _open(self, _file: int, _size: int) -> int:
        return len(self.image)

    def _read(self, most: int, offset: int) -> bytes:
        if not 0 <= offset < len(self.image):  # all was taken, and it was not content
            self.fail()
            return b"\0"  # nothing at all would leave an error pending in the library
        with self._changed:
            self._taken = offset
            self._changed.notify_all()
        return self.image[offset : offset + most]

    def _write(self, _data: bytes, _offset: int) -> int:
        return 0

    def _close(self, _file: int) -> int:
        self.closed = True
        return 0
