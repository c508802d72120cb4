"""Identifiers and codecs of the visual application (券面事項確認 AP).

No official APDU specification is public. The order of the card-face record is read by many clients; its
signature, the age record and the number's image follow measurements that one author published. What the
public keys in these files are for is not published: this model takes them for the public half of key 001A,
vouched for by the issuer together with what stands beside them; and it takes DF13 and DF43 as signatures over
the complete data objects before them (a host takes bare values too).
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from datetime import date

from ...apdu.cvc import KEY_ID_BYTES, RsaPublicKey
from ...apdu.errors import Words
from ...apdu.pin import PinReference, PinRule
from ...apdu.records import Part, build_record, parse_record
from ...apdu.tlv import Tlv

__all__ = [
    "AID",
    "CHECK_NUMBER_TRIES",
    "FACE_DIGEST_INFO",
    "INTERNAL_FILES",
    "MAX_FACE_BYTES",
    "PINS",
    "AgeRecord",
    "BasicInfo",
    "CardFace",
    "Ef",
    "NumberImage",
    "birth_pin",
    "face_digests",
    "face_objects",
]

AID = bytes.fromhex("D3921000310001010402")
CHECK_NUMBER_TRIES = 10
MAX_FACE_BYTES = 32768
FILLER = b"\xff" * 16
SIGNATURE_BYTES = 256
PNG = b"\x89PNG\r\n\x1a\n"

FACE_DIGEST_INFO = bytes.fromhex("3071300D060960864801650304020105000460")
"""What comes before the 96 bytes of three SHA-256 values in the block that DF28 signs: a DigestInfo of
SHA-256 whose octet string is three times as long as the algorithm's."""


class Ef(enum.IntEnum):
    """Elementary files."""

    AGE_RECORD = 0x0001
    CARD_FACE = 0x0002
    BASIC_INFO = 0x0003
    CERTIFICATE = 0x0004
    NUMBER_IMAGE = 0x0005
    FILLER = 0x0006
    BIRTH_PIN = 0x0011
    CHECK_NUMBER_B = 0x0012
    CHECK_NUMBER_A = 0x0013
    INTERNAL_KEY = 0x001A


INTERNAL_FILES = (0x001C, 0x001E)

BIRTH_PIN = PinReference(
    "visual-birth",
    AID,
    Ef.BIRTH_PIN,
    PinRule(
        Words("birth date of the visual application", "生年月日による暗証"),
        r"[0-9]{6}",
        Words("6 digits: year of the era, month, day", "数字 6 桁、和暦の年月日"),
        CHECK_NUMBER_TRIES,
        6,
        6,
        may_be_unlimited=True,
    ),
)
"""How many tries the birth date has is not published; ten, as the check numbers, is this model's guess."""
CHECK_NUMBER_B = PinReference(
    "visual-b",
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
CHECK_NUMBER_A = PinReference(
    "visual-a",
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
PINS = (BIRTH_PIN, CHECK_NUMBER_B, CHECK_NUMBER_A)


def birth_pin(check_number_b: str) -> str:
    """The PIN 0011: the birth date with the year of its Japanese era, the first six digits of 照合番号 B."""
    return check_number_b[:6]


@dataclass(frozen=True, slots=True, repr=False)
class AgeRecord:
    """EF 0001: ``FF10 { DF11 birth date, DF12 public key, DF13 signature }``, 547 bytes."""

    birth: date
    key: RsaPublicKey
    signature: bytes

    @property
    def signed(self) -> bytes:
        """The data objects DF11 and DF12, over which DF13 is made."""
        return bytes(Tlv(0xDF11, _day_bytes(self.birth))) + bytes(Tlv(0xDF12, bytes(self.key)))

    def __bytes__(self) -> bytes:
        return bytes(Tlv.build(0xFF10, [self.signed, Tlv(0xDF13, self.signature)]))

    @classmethod
    def parse(cls, raw: bytes) -> AgeRecord:
        """Read the file; bytes after the data object are padding. Raises ValueError."""
        parts = parse_record(raw, 0xFF10, (0xDF11, 0xDF12, 0xDF13))
        return cls(
            parse_day(parts[0xDF11].value), RsaPublicKey.parse(parts[0xDF12].value), _signature(parts[0xDF13])
        )


@dataclass(frozen=True, slots=True, repr=False)
class CardFace:
    """EF 0002: ``FF20`` with a table of nine offsets (DF21) and DF22 to DF2A.

    ``birth`` is the text of DF22 (eight digits; unknown days are not forced into a calendar), ``sex`` 1 male,
    2 female, 9 or 0 other; ``name_image``, ``address_image`` and ``security_code_image`` are PNG, ``photo``
    is JPEG 2000 in grey; ``key`` see the module; ``expiry`` is the card's.
    """

    birth: str
    sex: str
    key: RsaPublicKey
    name_image: bytes
    address_image: bytes
    photo: bytes
    signature: bytes
    expiry: date
    security_code_image: bytes

    TAGS = (0xDF22, 0xDF23, 0xDF24, 0xDF25, 0xDF26, 0xDF27, 0xDF28, 0xDF29, 0xDF2A)

    @property
    def digests(self) -> bytes:
        """Three SHA-256 values, 96 bytes: over DF22‖DF23‖DF24, DF25‖DF26 and DF27, as complete objects."""
        return face_digests({tag: bytes(part) for tag, part in self._parts().items()})

    def _parts(self) -> dict[int, Tlv]:
        values = (
            self.birth.encode("ascii"),
            self.sex.encode("ascii"),
            bytes(self.key),
            self.name_image,
            self.address_image,
            self.photo,
            self.signature,
            _day_bytes(self.expiry),
            self.security_code_image,
        )
        return {tag: Tlv(tag, value) for tag, value in zip(self.TAGS, values, strict=True)}

    def __bytes__(self) -> bytes:
        return build_record(0xFF20, list(self._parts().values()), offsets=0xDF21)

    @classmethod
    def parse(cls, raw: bytes) -> CardFace:
        """Read the file; bytes after the data object are padding. Raises ValueError."""
        parts = parse_record(raw, 0xFF20, cls.TAGS, offsets=0xDF21)
        birth, sex = _digits(parts[0xDF22], 8), _digits(parts[0xDF23], 1)
        return cls(
            birth,
            sex,
            RsaPublicKey.parse(parts[0xDF24].value),
            parts[0xDF25].value,
            parts[0xDF26].value,
            parts[0xDF27].value,
            _signature(parts[0xDF28]),
            parse_day(parts[0xDF29].value),
            parts[0xDF2A].value,
        )


def face_digests(objects: dict[int, bytes]) -> bytes:
    """The 96 bytes that DF28 signs behind :data:`FACE_DIGEST_INFO`, from the complete objects by tag."""
    groups = ((0xDF22, 0xDF23, 0xDF24), (0xDF25, 0xDF26), (0xDF27,))
    return b"".join(hashlib.sha256(b"".join(objects[tag] for tag in group)).digest() for group in groups)


def face_objects(raw: bytes) -> dict[int, bytes]:
    """The complete objects of EF 0002 by tag, as they stand on the card. Raises ValueError."""
    return {tag: part.raw for tag, part in parse_record(raw, 0xFF20, CardFace.TAGS, offsets=0xDF21).items()}


@dataclass(frozen=True, slots=True)
class BasicInfo:
    """EF 0003: ``FF30 { DF31 four bytes, DF32 key id, DF33 version, DF34 municipality, DF35 }``.

    ``profile``: version of the specification, support of extended length, vendor, vendor's value.
    ``encrypted`` is a key id and 256 bytes that only terminals of the issuer can decrypt.
    """

    key_id: bytes
    municipality: str
    encrypted: bytes
    version: int = 1
    profile: bytes = bytes.fromhex("06030E01")

    def __bytes__(self) -> bytes:
        parts = [
            Tlv(0xDF31, self.profile),
            Tlv(0xDF32, self.key_id),
            Tlv(0xDF33, bytes((self.version,))),
            Tlv(0xDF34, self.municipality.encode("ascii")),
            Tlv(0xDF35, self.encrypted),
        ]
        return build_record(0xFF30, parts)

    @classmethod
    def parse(cls, raw: bytes) -> BasicInfo:
        """Read the file; bytes after the data object are padding. Raises ValueError."""
        parts = parse_record(raw, 0xFF30, (0xDF31, 0xDF32, 0xDF33, 0xDF34, 0xDF35))
        lengths = {0xDF31: 4, 0xDF32: KEY_ID_BYTES, 0xDF33: 1, 0xDF35: KEY_ID_BYTES + 256}
        for tag, length in lengths.items():
            if len(parts[tag].value) != length:
                raise ValueError(f"data object {tag:X} has not {length} bytes")
        return cls(
            parts[0xDF32].value,
            _digits(parts[0xDF34], 5),
            parts[0xDF35].value,
            parts[0xDF33].value[0],
            parts[0xDF31].value,
        )


@dataclass(frozen=True, slots=True, repr=False)
class NumberImage:
    """EF 0005: ``FF40 { DF41 PNG of the number, DF42 public key, DF43 signature }``."""

    image: bytes
    key: RsaPublicKey
    signature: bytes

    @property
    def signed(self) -> bytes:
        """The data objects DF41 and DF42, over which DF43 is made."""
        return bytes(Tlv(0xDF41, self.image)) + bytes(Tlv(0xDF42, bytes(self.key)))

    def __bytes__(self) -> bytes:
        return bytes(Tlv.build(0xFF40, [self.signed, Tlv(0xDF43, self.signature)]))

    @classmethod
    def parse(cls, raw: bytes) -> NumberImage:
        """Read the file; bytes after the data object are padding. Raises ValueError."""
        parts = parse_record(raw, 0xFF40, (0xDF41, 0xDF42, 0xDF43))
        if not parts[0xDF41].value.startswith(PNG):
            # Without an image, bare values are the key alone, which the issuer signs in other records too.
            raise ValueError("data object DF41 is no PNG image")
        return cls(parts[0xDF41].value, RsaPublicKey.parse(parts[0xDF42].value), _signature(parts[0xDF43]))


def parse_day(raw: bytes) -> date:
    """A date of eight ASCII digits. Raises ValueError."""
    text = raw.decode("ascii")
    if len(text) != 8 or not text.isdecimal():
        raise ValueError("the date is not eight digits")
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _day_bytes(day: date) -> bytes:
    return f"{day:%Y%m%d}".encode("ascii")


def _digits(part: Part, count: int) -> str:
    text = part.value.decode("ascii")
    if len(text) != count or not text.isdecimal():
        raise ValueError(f"data object {part.tag:X} is not {count} digits")
    return text


def _signature(part: Part) -> bytes:
    if len(part.value) != SIGNATURE_BYTES:
        raise ValueError(f"data object {part.tag:X} has not the length of a signature")
    return part.value
