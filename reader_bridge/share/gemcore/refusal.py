"""How a command of the host ends without success."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(Exception):
    """The reader does not do what the host asked; ``error`` is bError."""

    def __init__(self, error: int) -> None:
        super().__init__(f"bError {error:02X}")
        self.error = error
