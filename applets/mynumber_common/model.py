"""Identifiers and codecs of the common application: a simple-TLV record with the card's serial (製造番号).

No official APDU specification is public; the record is read by official and open clients.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from ...apdu.errors import Words
from ...apdu.pin import PinChange, PinReference, PinRule

__all__ = ["AID", "INTERNAL_KEY_REFERENCE", "KEY_REFERENCE_BYTES", "PIN", "CardSerial", "Ef"]

AID = bytes.fromhex("D3921000310001010100")
RECORD_TAG = 0x01
KEY_REFERENCE_BYTES = 16
MANUFACTURER_NUMBER = slice(0, 13)
"""What other clients call 製造番号: characters 2 to 15 of the record's 30 bytes."""


class Ef(enum.IntEnum):
    """Elementary files."""

    SERIAL = 0x0001
    KEY_REFERENCE = 0x0002
    INTERNAL_KEY = 0x0019
    PIN = 0x001C
    INTERNAL = 0x001E


INTERNAL_KEY_REFERENCE = 0x99
"""P2 of INTERNAL AUTHENTICATE: key 0019 by short id."""

PIN = PinReference(
    "common",
    AID,
    Ef.PIN,
    PinRule(
        Words("common application PIN", "共通アプリケーションの暗証番号"),
        r"[0-9]{4}",
        Words("4 digits", "数字 4 桁"),
        3,
        4,
        4,
    ),
    PinChange.PROPRIETARY,
)
"""A PIN that no holder is told: its state can be asked, and that is all that tegata does with it."""


@dataclass(frozen=True, slots=True, repr=False)
class CardSerial:
    """Record 1: serial of the card (15 digits), municipality code (5), expiry YYYYMMDD (8)."""

    serial: str = field(repr=False)
    municipality: str = field(repr=False)
    expiry: str = field(repr=False)

    @property
    def manufacturer_number(self) -> str:
        """製造番号 as official and open clients take it: the first 13 of the 28 digits."""
        return self.serial[MANUFACTURER_NUMBER]

    def __bytes__(self) -> bytes:
        value = (self.serial + self.municipality + self.expiry).encode("ascii")
        return bytes((RECORD_TAG, len(value))) + value

    @classmethod
    def parse(cls, raw: bytes) -> CardSerial:
        """Read the record. Raises ValueError."""
        if len(raw) != 30 or raw[:2] != b"\x01\x1c" or not raw[2:].isdigit():
            raise ValueError("record 1 is not 01 1C and 28 digits")
        text = raw[2:].decode("ascii")
        return cls(text[:15], text[15:20], text[20:])
