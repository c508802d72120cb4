"""A 個人番号 that was read for a purpose: it prints as stars, and lives no longer than its ``with`` block."""

from __future__ import annotations

from types import TracebackType

from ...apdu.secret import Secret
from .model import my_number_check_digit

__all__ = ["MyNumber"]


class MyNumber:
    """Twelve digits and the purpose they were read for. A context manager; or call :meth:`wipe`."""

    __slots__ = ("_digits", "purpose")

    def __init__(self, digits: str, purpose: str) -> None:
        self._digits = Secret(digits.encode("ascii"))
        self.purpose = purpose

    def reveal(self) -> str:
        """The digits, for the one use that the purpose names. Raises ValueError after :meth:`wipe`."""
        return self._digits.reveal().decode("ascii")

    @property
    def check_digit_fits(self) -> bool:
        """Whether the twelfth digit follows from the others; on simulated cards it does not, on purpose."""
        digits = self.reveal()
        return my_number_check_digit(digits[:11]) == int(digits[11])

    def wipe(self) -> None:
        """Overwrite the digits."""
        self._digits.wipe()

    def __repr__(self) -> str:
        return "************"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return repr(self)

    def __enter__(self) -> MyNumber:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()
