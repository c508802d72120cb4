"""Identifiers and codecs of the text application (券面事項入力補助 AP).

No official APDU specification is public. The four attributes (EF 0002) are read by many clients; the
signature, the card-verifiable certificate and the check numbers follow measurements that one author
published. Whether DF52 is made over the value of DF51 or the complete object is not published: a card of this
model takes the value, a host either.
"""

from __future__ import annotations

import enum
import unicodedata
from dataclasses import dataclass, field
from datetime import date

from ...apdu.cvc import KEY_ID_BYTES, RsaPublicKey
from ...apdu.errors import Words
from ...apdu.pin import PinChange, PinReference, PinRule
from ...apdu.records import build_record, parse_record
from ...apdu.tlv import Tlv

__all__ = [
    "AID",
    "CHECK_NUMBER_TRIES",
    "MAX_ATTRIBUTES_BYTES",
    "PINS",
    "PIN_TRIES",
    "Attributes",
    "BasicInfo",
    "Ef",
    "IssuerSignature",
    "KeyRecord",
    "attributes_digest_input",
    "check_number_b",
    "my_number_check_digit",
    "my_number_file",
    "parse_my_number_file",
]

AID = bytes.fromhex("D3921000310001010408")
PIN_TRIES = 3
CHECK_NUMBER_TRIES = 10
BASIC_INFO_BYTES = 256
MAX_ATTRIBUTES_BYTES = 4096
NUMBER_FILE_BYTES = 17
SIGNATURE_BYTES = 256


class Ef(enum.IntEnum):
    """Elementary files."""

    MY_NUMBER = 0x0001
    ATTRIBUTES = 0x0002
    ISSUER_SIGNATURE = 0x0003
    CERTIFICATE = 0x0004
    BASIC_INFO = 0x0005
    SESSION_KEY = 0x0006
    KEY_RECORD = 0x0007
    FILLER = 0x0008
    PIN = 0x0011
    BLOCKED_REFERENCE = 0x0012
    INTERNAL_KEY = 0x0013
    CHECK_NUMBER_A = 0x0014
    CHECK_NUMBER_B = 0x0015


INTERNAL_FILES = (0x0010, 0x001C, 0x001E)

PIN = PinReference(
    "text",
    AID,
    Ef.PIN,
    PinRule(
        Words("text application PIN", "券面事項入力補助用暗証番号"),
        r"[0-9]{4}",
        Words("4 digits", "数字 4 桁"),
        PIN_TRIES,
        4,
        4,
    ),
    PinChange.CHANGE_REFERENCE_DATA,
)
CHECK_NUMBER_A = PinReference(
    "text-a",
    AID,
    Ef.CHECK_NUMBER_A,
    PinRule(
        Words("check number A", "照合番号 A"),
        r"[0-9]{12}",
        Words("12 digits", "数字 12 桁"),
        CHECK_NUMBER_TRIES,
        12,
        12,
    ),
)
CHECK_NUMBER_B = PinReference(
    "text-b",
    AID,
    Ef.CHECK_NUMBER_B,
    PinRule(
        Words("check number B", "照合番号 B"),
        r"[0-9]{14}",
        Words("14 digits", "数字 14 桁"),
        CHECK_NUMBER_TRIES,
        14,
        14,
    ),
)
PINS = (PIN, CHECK_NUMBER_A, CHECK_NUMBER_B)

SEXES = ("0", "1", "2", "9")
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that a name has no use for: they steer terminals and turn the direction of text."""

ATTRIBUTES, OFFSETS, NAME, ADDRESS, BIRTH, SEX = 0xFF20, 0xDF21, 0xDF22, 0xDF23, 0xDF24, 0xDF25


@dataclass(frozen=True, slots=True, repr=False)
class Attributes:
    """EF 0002: name, address, birth date, sex (1 male, 2 female, 9 or 0 other)."""

    name: str = field(repr=False)
    address: str = field(repr=False)
    birth: date = field(repr=False)
    sex: str = field(repr=False)

    TAGS = (NAME, ADDRESS, BIRTH, SEX)

    def __bytes__(self) -> bytes:
        values = (self.name, self.address, f"{self.birth:%Y%m%d}", self.sex)
        parts = [Tlv(tag, value.encode()) for tag, value in zip(self.TAGS, values, strict=True)]
        return build_record(ATTRIBUTES, parts, offsets=OFFSETS)

    @classmethod
    def parse(cls, raw: bytes) -> Attributes:
        """Read the file; bytes after the data object are padding. Raises ValueError."""
        parts = parse_record(raw, ATTRIBUTES, cls.TAGS, offsets=OFFSETS)
        name, address, birth, sex = (parts[tag].value.decode("utf-8") for tag in cls.TAGS)
        if len(birth) != 8 or not birth.isascii() or not birth.isdecimal():
            raise ValueError("the birth date is not eight digits")
        if any(unicodedata.category(character) in HIDDEN for character in name + address):
            raise ValueError("name or address holds control characters")
        if sex not in SEXES:
            raise ValueError("the sex is none of the known digits")
        return cls(name, address, date(int(birth[:4]), int(birth[4:6]), int(birth[6:])), sex)


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


def parse_my_number_file(raw: bytes) -> str:
    """The twelve digits of EF 0001. Raises ValueError, which never tells what was read."""
    if len(raw) != NUMBER_FILE_BYTES or raw[:3] != bytes.fromhex("FF100C") or raw[15:] != b"\xff\xff":
        raise ValueError("EF 0001 is not FF10 with twelve bytes and FFFF")
    if not raw[3:15].isdigit():
        raise ValueError("the number is not twelve digits")
    return raw[3:15].decode("ascii")


def attributes_digest_input(attributes: bytes) -> bytes:
    """The bytes of EF 0002 from the tag DF22 to the end of its data object, which DF32 is the hash of."""
    parts = parse_record(attributes, ATTRIBUTES, Attributes.TAGS, offsets=OFFSETS)
    return b"".join(parts[tag].raw for tag in Attributes.TAGS)


@dataclass(frozen=True, slots=True, repr=False)
class IssuerSignature:
    """EF 0003: ``FF30 { DF31, DF32, DF33 }``: SHA-256 over the whole of EF 0001 (17 bytes), SHA-256 over
    :func:`attributes_digest_input`, and the issuer's signature over both data objects; 336 bytes.

    It is as secret as the number: twelve digits are found again from their hash in no time.
    """

    number_digest: bytes
    attributes_digest: bytes
    signature: bytes

    @property
    def signed(self) -> bytes:
        """The data objects DF31 and DF32, over which DF33 is made."""
        return issuer_signature(self.number_digest, self.attributes_digest)

    def __bytes__(self) -> bytes:
        return bytes(Tlv.build(0xFF30, [self.signed, Tlv(0xDF33, self.signature)]))

    @classmethod
    def parse(cls, raw: bytes) -> IssuerSignature:
        """Read the file; bytes after the data object are padding. Raises ValueError."""
        parts = parse_record(raw, 0xFF30, (0xDF31, 0xDF32, 0xDF33))
        found = cls(*(parts[tag].value for tag in (0xDF31, 0xDF32, 0xDF33)))
        if [len(found.number_digest), len(found.attributes_digest)] != [32, 32]:
            raise ValueError("a SHA-256 value has 32 bytes")
        if len(found.signature) != SIGNATURE_BYTES:
            raise ValueError("data object DF33 has not the length of a signature")
        if found.signed != parts[0xDF31].raw + parts[0xDF32].raw:
            raise ValueError("the digests are written in an unusual way")
        return found


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """EF 0007: ``FF50 { DF51, DF52 }``: the public half of key 0013 and the issuer's signature over the value
    of DF51; 536 bytes."""

    key: RsaPublicKey
    signature: bytes

    def __bytes__(self) -> bytes:
        return build_record(0xFF50, [Tlv(0xDF51, bytes(self.key)), Tlv(0xDF52, self.signature)])

    @classmethod
    def parse(cls, raw: bytes) -> KeyRecord:
        """Read the file; bytes after the data object are padding. Raises ValueError."""
        parts = parse_record(raw, 0xFF50, (0xDF51, 0xDF52))
        if len(parts[0xDF52].value) != SIGNATURE_BYTES:
            raise ValueError("data object DF52 has not the length of a signature")
        found = cls(RsaPublicKey.parse(parts[0xDF51].value), parts[0xDF52].value)
        if bytes(found.key) != parts[0xDF51].value:
            raise ValueError("the public key is written in an unusual way")
        return found


@dataclass(frozen=True, slots=True)
class BasicInfo:
    """EF 0005: ``FF40 { DF41 four bytes, DF42 key id, DF43 value }``, with the lengths that real cards write
    in one byte more than needed (``FF40 82009F``, ``DF43 820080``), padded to 256 bytes.

    ``profile``: version of the specification, support of extended length, vendor, vendor's value. ``value``
    has 32 bytes; 96 bytes FF follow it inside DF43.
    """

    key_id: bytes
    value: bytes
    profile: bytes = bytes.fromhex("01030E01")

    def __bytes__(self) -> bytes:
        return basic_info(self.key_id, self.value, self.profile)

    @classmethod
    def parse(cls, raw: bytes) -> BasicInfo:
        """Read the file; lengths of any form are taken. Raises ValueError."""
        parts = parse_record(raw, 0xFF40, (0xDF41, 0xDF42, 0xDF43))
        profile, key_id, value = (parts[tag].value for tag in (0xDF41, 0xDF42, 0xDF43))
        if (len(profile), len(key_id), len(value)) != (4, KEY_ID_BYTES, 128):
            raise ValueError("the basic information has parts of unusual length")
        return cls(key_id, value[:32], profile)


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


def basic_info(key_id: bytes, value: bytes, profile: bytes = bytes.fromhex("01030E01")) -> bytes:
    """EF 0005, with the lengths that real cards write in one byte more than needed (``FF40 82009F``)."""
    if len(key_id) != 16 or len(value) != 32:
        raise ValueError("the key id has 16 bytes, the value 32")
    inside = (
        bytes(Tlv(0xDF41, profile))
        + bytes(Tlv(0xDF42, key_id))
        + bytes.fromhex("DF43820080")
        + value
        + b"\xff" * 96
    )
    return (bytes.fromhex("FF4082") + len(inside).to_bytes(2, "big") + inside).ljust(
        BASIC_INFO_BYTES, b"\xff"
    )
