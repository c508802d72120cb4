"""The device's end of a serial line, and the shape of a firmware that lives on it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Firmware", "Unplugged", "Wire"]


class Unplugged(Exception):
    """The line is gone: the cable was pulled, or the simulator is being stopped."""


class Wire(Protocol):
    """Bytes from and to the host. Both methods raise Unplugged when the line is gone."""

    def read(self, timeout: float | None = None) -> bytes:
        """What has arrived, as soon as at least one byte has; nothing when ``timeout`` seconds pass without
        one. None waits for ever."""
        ...

    def write(self, data: bytes) -> None: ...


class Firmware(Protocol):
    """A device's program. ``run`` is called in a thread of its own each time the line is plugged in, and
    ends by Unplugged; what outlives that (flash, settings, cards) lives in the object."""

    def run(self, wire: Wire) -> None: ...
