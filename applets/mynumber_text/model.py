"""Identifiers and codecs of the text application (券面事項入力補助 AP).

No official APDU specification is public. The four attributes (EF 0002) are read by many clients; the
signature, the card-verifiable certificate and the check numbers follow measurements that one author
published.
"""

from __future__ import annotations

import enum
import unicodedata
from dataclasses import dataclass, field
from datetime import date

from ...apdu.errors import Words
from ...apdu.tlv import Tlv, parse_length, parse_tag

__all__ = [
    "AID",
    "CHECK_NUMBER_TRIES",
    "MAX_ATTRIBUTES_BYTES",
    "PIN_DIGITS",
    "PIN_NAME",
    "PIN_RULE",
    "PIN_TRIES",
    "Attributes",
    "Ef",
    "basic_info",
    "certificate",
    "check_number_b",
    "issuer_signature",
    "key_record",
    "my_number_check_digit",
    "my_number_file",
    "public_key_value",
]

AID = bytes.fromhex("D3921000310001010408")
PIN_NAME = Words("text application PIN", "券面事項入力補助用暗証番号")
PIN_RULE = Words("4 digits", "数字 4 桁")
PIN_DIGITS, PIN_TRIES = 4, 3
CHECK_NUMBER_TRIES = 10
BASIC_INFO_BYTES = 256
MAX_ATTRIBUTES_BYTES = 4096


class Ef(enum.IntEnum):
    """Elementary files."""

    MY_NUMBER = 0x0001
    ATTRIBUTES = 0x0002
    ISSUER_SIGNATURE = 0x0003
    CERTIFICATE = 0x0004
    BASIC_INFO = 0x0005
    KEY_RECORD = 0x0007
    FILLER = 0x0008
    PIN = 0x0011
    BLOCKED_REFERENCE = 0x0012
    INTERNAL_KEY = 0x0013
    CHECK_NUMBER_A = 0x0014
    CHECK_NUMBER_B = 0x0015


INTERNAL_FILES = (0x0010, 0x001C, 0x001E)

SEXES = ("0", "1", "2", "9")
HIDDEN = ("Cc", "Cf", "Cs")
"""Unicode categories that a name has no use for: they steer terminals and turn the direction of text."""

ATTRIBUTES, OFFSETS, NAME, ADDRESS, BIRTH, SEX = 0xFF20, 0xDF21, 0xDF22, 0xDF23, 0xDF24, 0xDF25


@dataclass(frozen=True, slots=True)
class Attributes:
    """EF 0002: name, address, birth date, sex (1 male, 2 female, 9 or 0 other)."""

    name: str = field(repr=False)
    address: str = field(repr=False)
    birth: date = field(repr=False)
    sex: str = field(repr=False)

    def __bytes__(self) -> bytes:
        parts = [
            bytes(Tlv(NAME, self.name.encode())),
            bytes(Tlv(ADDRESS, self.address.encode())),
            bytes(Tlv(BIRTH, f"{self.birth:%Y%m%d}".encode())),
            bytes(Tlv(SEX, self.sex.encode())),
        ]
        offsets_length = len(bytes(Tlv(OFFSETS, bytes(2 * len(parts)))))
        total = offsets_length + sum(map(len, parts))
        at = len(bytes(Tlv(ATTRIBUTES, bytes(total)))) - total + offsets_length
        offsets = b""
        for part in parts:
            offsets += at.to_bytes(2, "big")
            at += len(part)
        return bytes(Tlv.build(ATTRIBUTES, [Tlv(OFFSETS, offsets), *parts]))

    @classmethod
    def parse(cls, raw: bytes) -> Attributes:
        """Read the file; bytes after the data object are padding. Raises ValueError."""
        whole, _ = Tlv.read(raw, 0)
        if whole.tag != ATTRIBUTES:
            raise ValueError(f"expected data object FF20, got {whole.tag:X}")

        def text(tag: int) -> str:
            found = whole.find(tag)
            if found is None:
                raise ValueError(f"data object {tag:X} is missing")
            return found.value.decode("utf-8")

        birth = text(BIRTH)
        if len(birth) != 8 or not birth.isascii() or not birth.isdecimal():
            raise ValueError("the birth date is not eight digits")
        day = date(int(birth[:4]), int(birth[4:6]), int(birth[6:]))
        found = cls(text(NAME), text(ADDRESS), day, text(SEX))
        if any(unicodedata.category(character) in HIDDEN for character in found.name + found.address):
            raise ValueError("name or address holds control characters")
        if found.sex not in SEXES:
            raise ValueError("the sex is none of the known digits")
        return found


def my_number_check_digit(eleven: str) -> int:
    """The twelfth digit of a 個人番号 (番号法 総務省令 85/2014 §5)."""
    digits = [int(character) for character in reversed(eleven)]
    if len(digits) != 11:
        raise ValueError("the check digit is made of eleven digits")
    total = sum(digit * (index + 2 if index < 6 else index - 4) for index, digit in enumerate(digits))
    rest = total % 11
    return 0 if rest <= 1 else 11 - rest


def my_number_file(number: str) -> bytes:
    """EF 0001: ``FF10`` with twelve digits, then ``FFFF``."""
    return bytes(Tlv(0xFF10, number.encode("ascii"))) + b"\xff\xff"


def check_number_b(birth: date, expiry_year: int, security_code: str) -> str:
    """照合番号 B: birth date with the year of its Japanese era, year of expiry, security code on the face."""
    starts = (
        (date(2019, 5, 1), 2019),
        (date(1989, 1, 8), 1989),
        (date(1926, 12, 25), 1926),
        (date(1912, 7, 30), 1912),
    )
    first_year = next((year for start, year in starts if birth >= start), 1868)
    return f"{birth.year - first_year + 1:02d}{birth:%m%d}{expiry_year:04d}{security_code}"


def attributes_digest_input(attributes: bytes) -> bytes:
    """The bytes of EF 0002 from the tag DF22 to the end, which the issuer's signature covers."""
    _, offset = parse_length(attributes, parse_tag(attributes, 0)[1])
    _, after = Tlv.read(attributes, offset)
    return attributes[after:]


def issuer_signature(number_digest: bytes, attributes_digest: bytes) -> bytes:
    """The data objects DF31 and DF32 of EF 0003, over which its signature DF33 is made."""
    return bytes(Tlv(0xDF31, number_digest)) + bytes(Tlv(0xDF32, attributes_digest))


def public_key_value(modulus: bytes) -> bytes:
    """An RSA public key as the card's certificates carry it: ``90`` exponent 65537, ``91`` modulus."""
    return bytes(Tlv(0x90, b"\x01\x00\x01")) + bytes(Tlv(0x91, modulus))


def certificate(body: bytes, signature: bytes) -> bytes:
    """EF 0004: a card-verifiable certificate; ``body`` is issuer key id, subject key id and public key."""
    return bytes(Tlv.build(0x7F21, [Tlv(0x5F4E, body), Tlv(0x5F37, signature)]))


def key_record(public_key: bytes, signature: bytes) -> bytes:
    """EF 0007: the public half of key 0013 and the issuer's signature over it."""
    return bytes(Tlv.build(0xFF50, [Tlv(0xDF51, public_key), Tlv(0xDF52, signature)]))


def basic_info(key_id: bytes, value: bytes) -> bytes:
    """EF 0005, with the lengths that real cards write in one byte more than needed (``FF40 82009F``)."""
    if len(key_id) != 16 or len(value) != 32:
        raise ValueError("the key id has 16 bytes, the value 32")
    inside = (
        bytes(Tlv(0xDF41, bytes.fromhex("01030E01")))
        + bytes(Tlv(0xDF42, key_id))
        + bytes.fromhex("DF43820080")
        + value
        + b"\xff" * 96
    )
    return (bytes.fromhex("FF4082") + len(inside).to_bytes(2, "big") + inside).ljust(
        BASIC_INFO_BYTES, b"\xff"
    )
