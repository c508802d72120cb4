"""Names that others gave to their devices and programs, fit for a terminal."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """``text`` with ``?`` for control characters: escape sequences would be obeyed by the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
