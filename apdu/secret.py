"""A holder for PINs and keys that is hard to leak by accident.

What it does: prints as ``***``, compares in constant time, refuses to be pickled or copied, and
overwrites its own buffer. What it cannot do: Python and the libraries below it may keep copies that
were made while the value was in use (``bytes`` handed to a cipher, a string typed at a prompt);
those live until the memory is reused.
"""

from __future__ import annotations

import hmac
from types import TracebackType
from typing import NoReturn

__all__ = ["Secret"]


class Secret:
    """A mutable buffer of secret bytes.

    Use it as a context manager, or call :meth:`wipe` when done; it is wiped on deletion as well.
    """

    __slots__ = ("_buffer",)

    def __init__(self, value: bytes | bytearray | memoryview) -> None:
        self._buffer = bytearray(value)

    @classmethod
    def from_text(cls, text: str) -> Secret:
        """The ASCII bytes of a PIN or password. Raises ValueError, without the text, for other characters."""
        try:
            return cls(text.encode("ascii"))
        except UnicodeEncodeError:
            raise ValueError("a PIN or password of a card holds ASCII characters only") from None

    def reveal(self) -> bytes:
        """A copy of the value, for the one call that needs it. Raises ValueError after :meth:`wipe`."""
        if not self._buffer:
            raise ValueError("this secret was already wiped")
        return bytes(self._buffer)

    def wipe(self) -> None:
        """Overwrite the buffer with zeros and empty it."""
        for index in range(len(self._buffer)):
            self._buffer[index] = 0
        self._buffer = bytearray()

    def __len__(self) -> int:
        return len(self._buffer)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._buffer, other._buffer)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return "***"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not serialised")

    def __copy__(self) -> NoReturn:
        raise TypeError("a Secret is not copied; make a new one from reveal()")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a Secret is not copied; make a new one from reveal()")

    def __enter__(self) -> Secret:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def __del__(self) -> None:
        if hasattr(self, "_buffer"):
            self.wipe()
