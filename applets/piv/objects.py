"""Codecs of PIV data objects: the content inside tag 53 (SP 800-73-5 part 1 §3 and appendix A).

Inner tags (30, 34, 3E, 70 … FE) are plain: their "constructed" bit means nothing. Readers skip tags that they
do not know, since older cards carry more.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from ...apdu.errors import InputError
from ...apdu.tlv import Tlv

__all__ = [
    "NON_FEDERAL_FASC_N",
    "CardCapabilities",
    "CertificateObject",
    "Chuid",
    "Discovery",
    "FascN",
    "PrintedInformation",
]

ERROR_DETECTION = Tlv(0xFE)
MAX_CERTIFICATE = 1 << 16
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def _objects(raw: bytes) -> Mapping[int, bytes]:
    """The first object of each tag. Raises ValueError."""
    found: dict[int, bytes] = {}
    for tlv in Tlv.parse_all(raw):
        found.setdefault(tlv.tag, tlv.value)
    return found


def _join(parts: Sequence[Tlv]) -> bytes:
    return b"".join(bytes(part) for part in parts)


@dataclass(frozen=True, slots=True)
class FascN:
    """FASC-N: 40 symbols of 4 bits and odd parity (SP 800-73-5 part 1 §3.1.2)."""

    agency: str = "9999"
    system: str = "9999"
    credential: str = "999999"
    series: str = "0"
    issue: str = "1"
    person: str = "0000000000"
    category: str = "3"
    organisation: str = "0000"
    association: str = "1"

    LENGTHS = (4, 4, 6, 1, 1, 10, 1, 4, 1)

    def __post_init__(self) -> None:
        for value, length in zip(self._fields, self.LENGTHS, strict=True):
            if len(value) != length or not (value.isascii() and value.isdigit()):
                raise ValueError(f"a field of the FASC-N has {length} digits")

    @property
    def _fields(self) -> tuple[str, ...]:
        return (
            self.agency,
            self.system,
            self.credential,
            self.series,
            self.issue,
            self.person,
            self.category,
            self.organisation,
            self.association,
        )

    def __bytes__(self) -> bytes:
        start, separator, end = _symbol(0xB), _symbol(0xD), _symbol(0xF)
        head = [[_symbol(int(digit)) for digit in field] for field in self._fields]
        symbols = [start]
        for field in head[:5]:
            symbols += [*field, separator]
        symbols += [symbol for field in head[5:] for symbol in field]
        symbols.append(end)
        check = 0
        for symbol in symbols:
            check ^= symbol
        number = 0
        for symbol in (*symbols, check):
            number = number << 5 | symbol
        return number.to_bytes(25, "big")

    @classmethod
    def parse(cls, raw: bytes) -> FascN:
        """Read it exactly, parity and check symbol included. Raises ValueError."""
        if len(raw) != 25:
            raise ValueError("a FASC-N has 25 bytes")
        number = int.from_bytes(raw, "big")
        values = [VALUES.get(number >> shift & 0x1F, -1) for shift in range(195, -1, -5)]
        offset, fields = 1, []
        for index, length in enumerate(cls.LENGTHS):
            fields.append("".join(f"{value:x}" for value in values[offset : offset + length]))
            offset += length + (1 if index < 5 else 0)
        parsed = cls(*fields)
        if bytes(parsed) != raw:
            raise ValueError("a symbol of the FASC-N is wrong")
        return parsed


def _symbol(value: int) -> int:
    """Four data bits, least significant first, then odd parity."""
    reversed_bits = int(f"{value:04b}"[::-1], 2)
    return reversed_bits << 1 | (1 - value.bit_count() % 2)


VALUES = {_symbol(value): value for value in range(16)}
NON_FEDERAL_FASC_N = FascN()
"""What issuers outside the US government write (agency, system and credential all nines)."""


@dataclass(frozen=True, slots=True)
class Chuid:
    """Card holder unique identifier. ``signature`` is empty where nobody signs it."""

    guid: UUID
    expiry: date
    fasc_n: FascN = NON_FEDERAL_FASC_N
    signature: bytes = b""

    def __bytes__(self) -> bytes:
        return _join((*self._signed[:-1], Tlv(0x3E, self.signature), ERROR_DETECTION))

    @property
    def _signed(self) -> tuple[Tlv, ...]:
        return (
            Tlv(0x30, bytes(self.fasc_n)),
            Tlv(0x34, self.guid.bytes),
            Tlv(0x35, self.expiry.strftime("%Y%m%d").zfill(8).encode()),
            ERROR_DETECTION,
        )

    @classmethod
    def parse(cls, raw: bytes) -> Chuid:
        """Raises ValueError for anything that lacks a readable FASC-N, GUID or expiry date."""
        found = _objects(raw)
        try:
            expiry = found[0x35].decode("ascii")
            day = date(int(expiry[:4]), int(expiry[4:6]), int(expiry[6:8]))
            chuid = cls(UUID(bytes=found[0x34]), day, FascN.parse(found[0x30]), found.get(0x3E, b""))
        except KeyError:
            raise ValueError("a mandatory object of the CHUID is missing") from None
        if len(expiry) != 8 or not expiry.isdigit():
            raise ValueError("the expiry date of the CHUID is not YYYYMMDD")
        return chuid


@dataclass(frozen=True, slots=True)
class CardCapabilities:
    """Card capability container; ``card_identifier`` is 14 bytes of the issuer's choice.

    Only the data model number (10) carries meaning today; the rest is constant.
    """

    card_identifier: bytes

    PREFIX = bytes.fromhex("A000000116FF02")  # RID of the GSC-IS, manufacturer unknown, Java Card

    def __bytes__(self) -> bytes:
        if len(self.card_identifier) != 14:
            raise ValueError("the identifier of a card capability container has 14 bytes")
        head = (
            Tlv(0xF0, self.PREFIX + self.card_identifier),
            Tlv(0xF1, b"\x21"),
            Tlv(0xF2, b"\x21"),
            Tlv(0xF3),
            Tlv(0xF4, b"\x00"),
            Tlv(0xF5, b"\x10"),
        )
        empty = tuple(Tlv(tag) for tag in (0xF6, 0xF7, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE))
        return _join((*head, *empty))

    @classmethod
    def parse(cls, raw: bytes) -> CardCapabilities:
        """Raises ValueError unless the data model is PIV's."""
        found = _objects(raw)
        identifier = found.get(0xF0, b"")
        if found.get(0xF5) != b"\x10" or len(identifier) != 21:
            raise ValueError("this is no card capability container of PIV")
        return cls(identifier[7:])


@dataclass(frozen=True, slots=True)
class PrintedInformation:
    """What is printed on the card. ASCII; the limits are those of SP 800-73-5 part 1 table 16."""

    name: str
    affiliation: str
    expiry: date
    serial: str
    issuer: str
    organisation: str = ""
    department: str = ""

    LIMITS = {
        "name": 125,
        "affiliation": 20,
        "serial": 20,
        "issuer": 15,
        "organisation": 20,
        "department": 20,
    }

    def __post_init__(self) -> None:
        for field, limit in self.LIMITS.items():
            value = getattr(self, field)
            if len(value) > limit or not (value.isascii() and (value.isprintable() or not value)):
                raise InputError("piv.text", field=field, rule=f"at most {limit} printable ASCII characters")

    def __bytes__(self) -> bytes:
        expiry = f"{self.expiry.year:04}{MONTHS[self.expiry.month - 1]}{self.expiry.day:02}"
        parts = [
            Tlv(0x01, self.name.encode()),
            Tlv(0x02, self.affiliation.encode()),
            Tlv(0x04, expiry.encode()),
            Tlv(0x05, self.serial.encode()),
            Tlv(0x06, self.issuer.encode()),
        ]
        if self.organisation or self.department:
            parts += [Tlv(0x07, self.organisation.encode()), Tlv(0x08, self.department.encode())]
        return _join((*parts, ERROR_DETECTION))

    @classmethod
    def parse(cls, raw: bytes) -> PrintedInformation:
        """Raises ValueError for anything else."""
        text = {tag: value.decode("ascii") for tag, value in _objects(raw).items()}
        expiry = text.get(0x04, "")
        if len(expiry) != 9 or expiry[4:7] not in MONTHS or not (expiry[:4] + expiry[7:]).isdigit():
            raise ValueError("the expiry date of the printed information is not YYYYMMMDD")
        day = date(int(expiry[:4]), MONTHS.index(expiry[4:7]) + 1, int(expiry[7:]))
        try:
            return cls(
                text[0x01],
                text[0x02],
                day,
                text[0x05],
                text[0x06],
                text.get(0x07, ""),
                text.get(0x08, ""),
            )
        except (KeyError, InputError):
            raise ValueError("a field of the printed information is missing or too long") from None


@dataclass(frozen=True, slots=True)
class CertificateObject:
    """A certificate as its object holds it; always written plain, read plain or compressed."""

    certificate: bytes

    def __bytes__(self) -> bytes:
        return _join((Tlv(0x70, self.certificate), Tlv(0x71, b"\x00"), ERROR_DETECTION))

    @classmethod
    def parse(cls, raw: bytes) -> CertificateObject:
        """Raises ValueError for an empty object, and for more than 64 KiB out of a compressed one."""
        found = _objects(raw)
        value, info = found.get(0x70, b""), found.get(0x71, b"\x00")
        if not value:
            raise ValueError("the certificate object is empty")
        # 01 is gzip (bits 1 and 2 name the compression); some writers put it into the high bits.
        return cls(_decompress(value) if info and info[0] & 0x83 in (0x01, 0x80) else value)


def _decompress(value: bytes) -> bytes:
    """gzip, or the "Net iD" form: 01 00, length little-endian, zlib."""
    wrapper = zlib.MAX_WBITS
    if value[:2] == b"\x01\x00":
        value = value[4:]
    else:
        wrapper += 16
    unpacker = zlib.decompressobj(wrapper)
    try:
        plain = unpacker.decompress(value, MAX_CERTIFICATE)
    except zlib.error:
        raise ValueError("the compressed certificate is damaged") from None
    if not unpacker.eof:
        raise ValueError("the compressed certificate is cut off or too long")
    return plain


@dataclass(frozen=True, slots=True)
class Discovery:
    """Discovery object, with its own tag 7E: the application's AID and the PIN usage policy."""

    aid: bytes
    policy: int

    def __bytes__(self) -> bytes:
        return bytes(Tlv.build(0x7E, (Tlv(0x4F, self.aid), Tlv(0x5F2F, self.policy.to_bytes(2, "big")))))

    @classmethod
    def parse(cls, raw: bytes) -> Discovery:
        """Raises ValueError for anything else."""
        outer = Tlv.parse(raw)
        aid, policy = outer.find(0x4F), outer.find(0x5F2F)
        if outer.tag != 0x7E or aid is None or policy is None or len(policy.value) != 2:
            raise ValueError("this is no discovery object")
        return cls(aid.value, int.from_bytes(policy.value, "big"))
