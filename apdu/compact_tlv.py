"""COMPACT-TLV and the historical bytes of an ATR (ISO/IEC 7816-4:2020 §12.1.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["CardCapabilities", "CompactTlv", "Historical"]

TLV_STATUS_LAST, TLV = 0x00, 0x80
STATUS_LENGTH = 3
CAPABILITIES = 0x7


@dataclass(frozen=True, slots=True)
class CompactTlv:
    """A data object of one byte tag and length (a nibble each) and up to 15 bytes of value."""

    tag: int
    value: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.tag <= 15 or len(self.value) > 15:
            raise ValueError("tag and length of a COMPACT-TLV object are one nibble each")

    def __bytes__(self) -> bytes:
        return bytes((self.tag << 4 | len(self.value),)) + self.value

    @classmethod
    def parse_all(cls, raw: bytes) -> tuple[CompactTlv, ...]:
        """Read objects until the end. Raises ValueError when the last one is cut off."""
        out, offset = [], 0
        while offset < len(raw):
            tag, length = raw[offset] >> 4, raw[offset] & 0x0F
            value = raw[offset + 1 : offset + 1 + length]
            if len(value) != length:
                raise ValueError(f"COMPACT-TLV object {tag:X} claims {length} bytes, {len(value)} are there")
            out.append(cls(tag, value))
            offset += 1 + length
        return tuple(out)

    @staticmethod
    def build(objects: Iterable[CompactTlv]) -> bytes:
        """The inverse of :meth:`parse_all`."""
        return b"".join(bytes(item) for item in objects)


@dataclass(frozen=True, slots=True)
class CardCapabilities:
    """The three software function tables of tag 7 (§12.1.1.9); absent ones are 0."""

    selection: int = 0
    coding: int = 0
    commands: int = 0

    @property
    def command_chaining(self) -> bool:
        return bool(self.commands & 0x80)

    @property
    def extended_length(self) -> bool:
        return bool(self.commands & 0x40)

    @property
    def short_ef_identifier(self) -> bool:
        return bool(self.selection & 0x04)


@dataclass(frozen=True, slots=True)
class Historical:
    """Historical bytes: category indicator, data objects, and for category 00 three status bytes.

    Bytes of any other category are proprietary and stand in ``proprietary``.
    """

    category: int | None = None
    objects: tuple[CompactTlv, ...] = ()
    status: bytes = b""
    proprietary: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> Historical:
        """Read the historical bytes of an ATR. Raises ValueError for a cut-off object."""
        if not raw:
            return cls()
        category, rest = raw[0], raw[1:]
        if category == TLV:
            return cls(category, CompactTlv.parse_all(rest))
        if category == TLV_STATUS_LAST:
            if len(rest) < STATUS_LENGTH:
                raise ValueError("category 00 ends with three status bytes")
            return cls(category, CompactTlv.parse_all(rest[:-STATUS_LENGTH]), rest[-STATUS_LENGTH:])
        return cls(category, proprietary=rest)

    def __bytes__(self) -> bytes:
        if self.category is None:
            return b""
        body = CompactTlv.build(self.objects) + self.status + self.proprietary
        return bytes((self.category,)) + body

    @property
    def capabilities(self) -> CardCapabilities | None:
        """The card capabilities, None when the card does not state them."""
        value = next((item.value for item in self.objects if item.tag == CAPABILITIES), None)
        if not value or len(value) > 3:
            return None
        return CardCapabilities(*value)
