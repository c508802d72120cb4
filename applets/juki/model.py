"""Identifiers of the 住民基本台帳 application (住基 AP).

Only its PIN is known to the public; everything else needs the terminals of the municipalities.
"""

from __future__ import annotations

import enum

from ...apdu.errors import Words
from ...apdu.pin import PinChange, PinReference, PinRule

__all__ = ["AID", "INTERNAL_FILES", "KEY_REFERENCE_BYTES", "PIN", "PINS", "Ef"]

AID = bytes.fromhex("D3921000310001010401")
KEY_REFERENCE_BYTES = 16


class Ef(enum.IntEnum):
    """Elementary files."""

    KEY_REFERENCE = 0x0002
    PIN = 0x001C
    INTERNAL = 0x001E


INTERNAL_FILES = (Ef.INTERNAL,)

PIN = PinReference(
    "juki",
    AID,
    Ef.PIN,
    PinRule(
        Words("resident register PIN", "住民基本台帳用暗証番号"),
        r"[0-9]{4}",
        Words("4 digits", "数字 4 桁"),
        3,
        4,
        4,
    ),
    PinChange.PROPRIETARY,
)
PINS = (PIN,)
