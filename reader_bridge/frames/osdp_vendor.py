"""What peripherals of this house answer to osdp_MFG, beyond what the standard lets a control panel ask.

The standard has no question for the hardware that a firmware image must fit, and none for why a file was not
taken. A question is one number as data; the answer comes as osdp_MFGREP, the same number and UTF-8 text.
"""

from __future__ import annotations

import enum

__all__ = ["LONGEST_TEXT", "VENDOR", "Question", "text_of", "vendor_code"]

VENDOR = bytes.fromhex("025447")
"""In place of an OUI: the bit of locally administered numbers is set, so it is nobody's."""
LONGEST_TEXT = 60


class Question(enum.IntEnum):
    """What may be asked."""

    HARDWARE_ID = 1
    VERDICT = 2
    """How the last file ended: empty (none came), ``ok``, or the reason for which it was refused."""


def vendor_code(vendor: bytes) -> int:
    """The three bytes as libosdp's number."""
    return int.from_bytes(vendor, "little")


def text_of(data: bytes) -> str:
    """The text of an answer; what is no text, or commands a terminal, is shown as such."""
    text = data[:LONGEST_TEXT].decode("utf-8", "replace").strip("\0 ")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
