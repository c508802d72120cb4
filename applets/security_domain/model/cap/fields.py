"""The fields of a CAP file, read one after the other, and the error that says where one is wrong."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["AID_LENGTHS", "CapError", "Fields", "Version"]

AID_LENGTHS = range(5, 17)
"""Bytes of an AID (ISO 7816-5; JCVM 3.1 §4.2)."""


class CapError(ValueError):
    """A CAP file or load file that is not well formed.

    ``what`` is wrong in ``component`` (empty: in the file as a whole), ``offset`` bytes after the component's
    tag (in the file as a whole: after its first byte); None where no single byte is at fault.
    """

    def __init__(self, what: str, component: str = "", offset: int | None = None) -> None:
        self.what = what
        self.component = component
        self.offset = offset
        super().__init__(f"{self.where}: {what}")

    @property
    def where(self) -> str:
        place = f"{self.component} component" if self.component else "the file"
        return place if self.offset is None else f"{place}, byte {self.offset}"

    def __reduce__(self) -> tuple[type[CapError], tuple[str, str, int | None]]:
        return CapError, (self.what, self.component, self.offset)


class Version(NamedTuple):
    """A version of a package, or of the CAP format. In files the minor number comes first."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class Fields:
    """Big-endian fields of a component (JCVM 3.1 §6.1). Every length is checked against what is there."""

    __slots__ = ("_data", "at", "component")

    def __init__(self, component: str, data: bytes, at: int = 0) -> None:
        self.component = component
        self._data = data
        self.at = at

    @property
    def left(self) -> int:
        return len(self._data) - self.at

    def error(self, what: str, at: int | None = None) -> CapError:
        """The error to raise; ``at`` is where the field begins (default: where reading has come to)."""
        return CapError(what, self.component, self.at if at is None else at)

    def take(self, count: int, what: str) -> bytes:
        if count > self.left:
            raise self.error(f"{what} takes {count} bytes, {self.left} are left")
        begin, self.at = self.at, self.at + count
        return self._data[begin : self.at]

    def number(self, width: int, what: str) -> int:
        return int.from_bytes(self.take(width, what), "big")

    def u1(self, what: str) -> int:
        return self.number(1, what)

    def u2(self, what: str) -> int:
        return self.number(2, what)

    def u4(self, what: str) -> int:
        return self.number(4, what)

    def aid(self, what: str) -> bytes:
        """A length byte and an AID of 5 to 16 bytes."""
        begin = self.at
        length = self.u1(f"the length of {what}")
        if length not in AID_LENGTHS:
            raise self.error(f"{what} has {length} bytes; an AID has 5 to 16", begin)
        return self.take(length, what)

    def version(self, what: str) -> Version:
        minor, major = self.take(2, f"the version of {what}")
        return Version(major, minor)

    def text(self, what: str) -> str:
        """A length byte and UTF-8 text that can be printed; "" for a length of zero."""
        begin = self.at
        try:
            text = self.take(self.u1(f"the length of {what}"), what).decode()
        except UnicodeDecodeError:
            raise self.error(f"{what} is not UTF-8", begin) from None
        if not text.isprintable():
            raise self.error(f"{what} has characters that cannot be printed", begin)
        return text

    def end(self) -> None:
        """Nothing may follow."""
        if self.left:
            raise self.error(f"{self.left} bytes follow the last field")
