"""The template of a VERIFY that a reader fills in on its PIN pad (PC/SC part 10 §2.5.2; CCID 1.1 §6.1.11).

A template is a whole VERIFY (ISO/IEC 7816-4:2020 §11.5.6) whose data field is the PIN block before the PIN is
in it: ``30`` in every place that must hold a digit, ``FF`` in every place that may. ``00200080 08
303030303030FFFF`` asks for six to eight digits and fills up with FF; ``00200080 04 30303030`` for just four.
Without Lc and data field the PIN goes to the card at its own length, and the reader puts Lc before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from .command import Command

__all__ = ["CANCELLED", "TIMED_OUT", "PadTemplate"]

TIMED_OUT = 0x6400
"""The status word of a reader at whose pad nobody typed in time (PC/SC part 10 §2.5)."""
CANCELLED = 0x6401
"""The status word of a reader at whose pad the cancel key was pressed."""
MUST, MAY = 0x30, 0xFF
HEADER = 4
LEAST, MOST = 4, 16
"""Digits of a PIN of which the template says no more."""


@dataclass(frozen=True, slots=True)
class PadTemplate:
    """``header`` is CLA INS P1 P2; the PIN has ``shortest`` to ``longest`` digits, in ASCII. It stands at the
    left of a ``block`` of so many bytes, filled up with FF; 0: at its own length."""

    header: bytes
    shortest: int
    longest: int
    block: int

    @property
    def apdu(self) -> bytes:
        """The command as the reader gets it: no digit is in it, every place is FF."""
        return self.header + (bytes([self.block]) + bytes([MAY]) * self.block if self.block else b"")

    @classmethod
    def parse(cls, template: bytes) -> PadTemplate:
        """Read a template. Raises ValueError for any other form. A block of FF alone asks for four digits or
        more, or as many as it has places."""
        header, length, block = template[:HEADER], template[HEADER : HEADER + 1], template[HEADER + 1 :]
        if len(header) == HEADER and not length:
            return cls(header, LEAST, MOST, 0)
        digits = len(block) - len(block.lstrip(bytes([MUST])))
        if length != bytes([len(block) & 0xFF]) or not 1 <= len(block) <= 15:
            raise ValueError("a template is CLA INS P1 P2, and Lc and a PIN block of 1 to 15 bytes")
        if block[digits:].strip(bytes([MAY])):
            raise ValueError("a PIN block before the PIN holds 30 in places of digits, then FF")
        return cls(header, digits or min(LEAST, len(block)), len(block), len(block))

    @classmethod
    def command(cls, p2: int, shortest: int, longest: int) -> Command:
        """The template of a VERIFY for ``shortest`` to ``longest`` digits, in a block of ``longest``."""
        block = bytes([MUST]) * shortest + bytes([MAY]) * (longest - shortest)
        return Command(0x00, 0x20, 0x00, p2, block)
