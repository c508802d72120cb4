"""BER-TLV and simple PIV-style TLV (ISO/IEC 7816-4:2020 §6.3, X.690 §8.1).

Lengths from cards are untrusted: indefinite, over-long and overlapping lengths are refused with
ValueError. Non-minimal lengths (``FF40 82 009F`` on the My Number Card) are accepted when reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Tlv", "encode_length", "parse_length", "parse_tag"]

MAX_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Tlv:
    """One data object: ``tag`` as an integer of its bytes (``0x5FC102``), ``value`` as raw bytes."""

    tag: int
    value: bytes = b""

    def __bytes__(self) -> bytes:
        return tag_bytes(self.tag) + encode_length(len(self.value)) + self.value

    @property
    def constructed(self) -> bool:
        """Bit 6 of the first tag byte. Inner PIV tags lie about it: see facts of SP 800-73."""
        return bool(tag_bytes(self.tag)[0] & 0x20)

    @property
    def children(self) -> tuple[Tlv, ...]:
        """The value read as data objects. Raises ValueError when it is not made of them."""
        return tuple(Tlv.parse_all(self.value))

    def find(self, *path: int) -> Tlv | None:
        """The first object at ``path`` below this one, or None."""
        here: Tlv | None = self
        for tag in path:
            if here is None:
                return None
            here = next((child for child in here.children if child.tag == tag), None)
        return here

    @classmethod
    def build(cls, tag: int, children: Iterable[Tlv | bytes]) -> Tlv:
        """A constructed object from its parts, in order."""
        return cls(tag, b"".join(bytes(child) for child in children))

    @classmethod
    def parse(cls, raw: bytes) -> Tlv:
        """Read exactly one object. Raises ValueError when bytes are left over or missing."""
        tlv, end = cls.read(raw, 0)
        if end != len(raw):
            raise ValueError(f"{len(raw) - end} bytes follow the data object {tlv.tag:X}")
        return tlv

    @classmethod
    def parse_all(cls, raw: bytes, *, filler: bool = False) -> list[Tlv]:
        """Read objects until the end. With ``filler``, bytes ``00`` before, between and after objects are
        skipped (ISO/IEC 7816-4:2020 §6.3: they have no meaning there)."""
        found: list[Tlv] = []
        offset = 0
        while offset < len(raw):
            if filler and raw[offset] == 0x00:
                offset += 1
                continue
            tlv, offset = cls.read(raw, offset)
            found.append(tlv)
        return found

    @classmethod
    def read(cls, raw: bytes, offset: int) -> tuple[Tlv, int]:
        """Read one object at ``offset``; returns it and the offset after it."""
        tag, offset = parse_tag(raw, offset)
        length, offset = parse_length(raw, offset)
        if offset + length > len(raw):
            raise ValueError(f"data object {tag:X} claims {length} bytes, {len(raw) - offset} are there")
        return cls(tag, bytes(raw[offset : offset + length])), offset + length


def tag_bytes(tag: int) -> bytes:
    """The tag as it stands on the wire. Raises ValueError for a number that no reader would take back."""
    if tag < 0:
        raise ValueError("a tag is not negative")
    raw = tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big")
    if parse_tag(raw, 0)[1] != len(raw):
        raise ValueError(f"{tag:X} is not one BER tag")
    return raw


def parse_tag(raw: bytes, offset: int) -> tuple[int, int]:
    """A tag of one to three bytes at ``offset``; returns it and the offset after it."""
    if offset >= len(raw):
        raise ValueError("a data object ends before its tag")
    first = raw[offset]
    end = offset + 1
    if first & 0x1F == 0x1F:
        while True:
            if end >= len(raw):
                raise ValueError(f"the tag at offset {offset} is cut off")
            end += 1
            if not raw[end - 1] & 0x80:
                break
            if end - offset >= 3:
                raise ValueError(f"the tag at offset {offset} is longer than three bytes")
    return int.from_bytes(raw[offset:end], "big"), end


def parse_length(raw: bytes, offset: int) -> tuple[int, int]:
    """A BER length (definite, at most four length bytes) at ``offset``."""
    if offset >= len(raw):
        raise ValueError("a data object ends before its length")
    first = raw[offset]
    if first < 0x80:
        return first, offset + 1
    count = first & 0x7F
    if count == 0 or count > MAX_LENGTH_BYTES:
        raise ValueError(f"length byte {first:02X} at offset {offset} is not supported")
    end = offset + 1 + count
    if end > len(raw):
        raise ValueError(f"the length at offset {offset} is cut off")
    return int.from_bytes(raw[offset + 1 : end], "big"), end


def encode_length(length: int) -> bytes:
    """The shortest BER length."""
    if length < 0x80:
        return bytes((length,))
    body = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(body),)) + body
