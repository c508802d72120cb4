"""A firmware image that comes to a simulated OSDP peripheral as a file (osdp_FILETRANSFER).

The last piece is acknowledged only when the device has verified the whole image and will run it. libosdp's
binding cannot answer with a status of its own, so a refused image gets no answer to its last piece: the
device restarts with the firmware that it had, and says why when it is asked (:mod:`.osdp`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

__all__ = ["ImageFile", "Refused", "Receiver"]


class Refused(Exception):
    """The device does not want this image; the text says why."""


class Receiver(Protocol):
    """The part of the device that holds and starts firmware. ``verdict`` is how the last image ended: empty,
    ``ok``, or why it was refused; it survives a restart."""

    @property
    def hardware_id(self) -> str: ...
    @property
    def version(self) -> tuple[int, int, int]: ...
    @property
    def verdict(self) -> str: ...
    @property
    def largest(self) -> int: ...
    def take(self, image: bytes) -> None:
        """Verify an image and keep it for the next boot. Raises Refused."""
        ...

    def refuse(self, reason: str) -> None:
        """Note that an image was refused before it was whole."""
        ...

    def boot(self) -> None:
        """Start what is to be started now."""
        ...

    def reached(self) -> None:
        """A control panel has opened the secure channel to the running firmware."""
        ...


class ImageFile:
    """One file on its way into the device, as libosdp's file operations, none of which raises."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._content = bytearray()
        self._size = 0
        self._ended = False
        self.defect: Exception | None = None
        """What went wrong inside, for whoever runs the library: nothing is raised into it."""

    @property
    def operations(self) -> Mapping[str, Callable[..., Any]]:
        return {"open": self._open, "read": self._read, "write": self._write, "close": self._close}

    @property
    def begun(self) -> bool:
        """Whether a part of it has come."""
        return bool(self._content)

    def restarts(self) -> bool:
        """Whether the file has ended, well or not, and the device is to restart now."""
        return self._ended

    def _open(self, _file: int, size: int) -> int:
        self._content.clear()
        self._size = size
        return size

    def _write(self, data: bytes, offset: int) -> int:
        if self._ended:
            return 0
        if offset != len(self._content) or offset + len(data) > self._size:
            return self._refused("pieces out of order")
        if self._size > self._receiver.largest:
            return self._refused("too large")
        self._content += data
        if len(self._content) == self._size:
            return self._whole(len(data))
        return len(data)

    def _whole(self, last: int) -> int:
        try:
            self._receiver.take(bytes(self._content))
        except Refused:
            self._ended = True
            return 0
        except Exception as error:
            self.defect = error
            return 0
        return last

    def _refused(self, reason: str) -> int:
        self._receiver.refuse(reason)
        self._ended = True
        return 0

    def _read(self, _most: int, _offset: int) -> bytes:
        return b"\0"

    def _close(self, _file: int) -> int:
        self._ended = len(self._content) == self._size
        return 0
