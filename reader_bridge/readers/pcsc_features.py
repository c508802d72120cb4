"""What a PC/SC reader can do beyond exchanging APDUs (PC/SC part 10, with amendment 1), and its PIN pad.

A reader answers ``CM_IOCTL_GET_FEATURE_REQUEST`` with tags, each with the control code that uses the
feature; one of these tells its properties. Whatever a reader gets wrong in these answers counts as absent:
it may still hold cards.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from ...apdu.pad import PadTemplate

__all__ = [
    "Feature",
    "Properties",
    "names_of",
    "parse_features",
    "parse_pin_properties",
    "parse_properties",
    "pin_verify",
]

GET_FEATURE_REQUEST = 3400
ANSWER_MAX = 512
PAD_SECONDS = 30


class Feature(enum.IntEnum):
    """Tags of §2.3."""

    VERIFY_PIN_START = 0x01
    VERIFY_PIN_FINISH = 0x02
    MODIFY_PIN_START = 0x03
    MODIFY_PIN_FINISH = 0x04
    GET_KEY_PRESSED = 0x05
    VERIFY_PIN_DIRECT = 0x06
    MODIFY_PIN_DIRECT = 0x07
    MCT_READER_DIRECT = 0x08
    MCT_UNIVERSAL = 0x09
    IFD_PIN_PROPERTIES = 0x0A
    ABORT = 0x0B
    SET_SPE_MESSAGE = 0x0C
    VERIFY_PIN_DIRECT_APP_ID = 0x0D
    MODIFY_PIN_DIRECT_APP_ID = 0x0E
    WRITE_DISPLAY = 0x0F
    GET_KEY = 0x10
    IFD_DISPLAY_PROPERTIES = 0x11
    GET_TLV_PROPERTIES = 0x12
    CCID_ESC_COMMAND = 0x13
    EXECUTE_PACE = 0x20


class _Property(enum.IntEnum):
    """Tags of the properties (§2.6.14)."""

    LCD_LAYOUT = 0x01
    ENTRY_VALIDATION = 0x02
    TIMEOUT_2 = 0x03
    LCD_MAX_CHARACTERS = 0x04
    LCD_MAX_LINES = 0x05
    MIN_PIN_SIZE = 0x06
    MAX_PIN_SIZE = 0x07
    FIRMWARE_ID = 0x08
    PPDU_SUPPORT = 0x09
    MAX_APDU_DATA = 0x0A
    VENDOR = 0x0B
    PRODUCT = 0x0C


SHOWN = {
    Feature.VERIFY_PIN_DIRECT: "pin-pad",
    Feature.MODIFY_PIN_DIRECT: "pin-change",
    Feature.WRITE_DISPLAY: "display",
    Feature.CCID_ESC_COMMAND: "escape",
    Feature.EXECUTE_PACE: "pace",
}
"""What a :class:`~tegata.apdu.ports.Reader` calls them among its features."""


@dataclass(frozen=True, slots=True)
class Properties:
    """What a reader says of itself. Zero or empty: it does not say.

    ``max_apdu_data`` is the most data bytes of an APDU (65536 for extended length). ``lcd`` is columns and
    lines. PIN sizes are digits on its pad.
    """

    firmware: str = ""
    vendor: int = 0
    product: int = 0
    max_apdu_data: int = 0
    min_pin: int = 0
    max_pin: int = 0
    entry_validation: int = 0
    lcd: tuple[int, int] = (0, 0)

    @property
    def usb_id(self) -> str:
        """``vvvv:pppp`` as ``lsusb`` writes it, empty where the reader does not tell."""
        return f"{self.vendor:04x}:{self.product:04x}" if self.vendor else ""


def parse_features(raw: bytes) -> dict[int, int]:
    """Tag to control code (4 bytes, most significant first), up to the first entry of another form."""
    found: dict[int, int] = {}
    for at in range(0, len(raw) - 5, 6):
        tag, length = raw[at], raw[at + 1]
        if length != 4:
            break
        found[tag] = int.from_bytes(raw[at + 2 : at + 6], "big")
    return found


def names_of(features: Mapping[int, int]) -> frozenset[str]:
    """The words for these tags; those that say nothing to a user have none."""
    return frozenset(name for tag, name in SHOWN.items() if tag in features)


def parse_properties(raw: bytes) -> Properties:
    """Properties as tag, length, value; numbers have the least significant byte first. Unknown tags and what
    follows a cut entry are left out."""
    values: dict[int, bytes] = {}
    rest = raw
    while len(rest) >= 2 and len(rest) >= 2 + rest[1]:
        values.setdefault(rest[0], rest[2 : 2 + rest[1]])
        rest = rest[2 + rest[1] :]

    def number(tag: int) -> int:
        value = values.get(tag, b"")
        return int.from_bytes(value, "little") if len(value) <= 4 else 0

    layout = number(_Property.LCD_LAYOUT)
    firmware = values.get(_Property.FIRMWARE_ID, b"").decode("ascii", "replace").strip("\0 ")
    return Properties(
        firmware="".join(letter for letter in firmware if letter.isprintable()),
        vendor=number(_Property.VENDOR),
        product=number(_Property.PRODUCT),
        max_apdu_data=number(_Property.MAX_APDU_DATA),
        min_pin=number(_Property.MIN_PIN_SIZE),
        max_pin=number(_Property.MAX_PIN_SIZE),
        entry_validation=number(_Property.ENTRY_VALIDATION),
        lcd=(layout & 0xFF, layout >> 8 & 0xFF),
    )


def parse_pin_properties(raw: bytes) -> Properties:
    """The older PIN_PROPERTIES structure (§2.6.8): wLcdLayout, bEntryValidationCondition, bTimeOut2."""
    if len(raw) < 4:
        return Properties()
    return Properties(lcd=(raw[0], raw[1]), entry_validation=raw[2])


def pin_verify(template: PadTemplate, *, seconds: int = PAD_SECONDS) -> bytes:
    """The PIN_VERIFY structure (§2.6.2, packed, least significant byte first) for ``template``.

    ASCII digits, left-justified, from the first byte of the data field (bmFormatString 82); the length is
    not inserted; the entry ends with the validation key, not by reaching the longest length, so that a
    person may still correct the last digit. The driver fills bTeoPrologue for T=1 itself.
    """
    ascii_from_first_byte, validation_key, english = 0x82, 0x02, 0x0409
    head = struct.pack(
        "<BBBBBHBBHB3sI",
        seconds,
        seconds,
        ascii_from_first_byte,
        template.block,
        0x00,
        template.shortest << 8 | template.longest,
        validation_key,
        0x01,
        english,
        0x00,
        bytes(3),
        len(template.apdu),
    )
    return head + template.apdu
