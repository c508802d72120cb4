"""Files made of one data object with data objects inside, as the My Number Card writes them.

The outer object may be followed by padding. Its first inner object may be a table of offsets: unsigned 16-bit
numbers, counted from the start of the file to the tags of the objects after it. Lengths need not be minimal:
signatures cover the bytes as they stand on the card, so every part keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .tlv import Tlv, parse_length, parse_tag

__all__ = ["Part", "build_record", "parse_record"]

OFFSET_BYTES = 2


@dataclass(frozen=True, slots=True)
class Part:
    """One inner data object: where its tag stands in the file, its bytes with header, and its value."""

    tag: int
    offset: int
    raw: bytes
    value: bytes

    def __repr__(self) -> str:
        # Values are names, addresses and numbers of people.
        return f"<Part {self.tag:X} at {self.offset}, {len(self.value)} bytes>"


def parse_record(
    raw: bytes, outer: int, tags: Sequence[int], *, offsets: int | None = None
) -> dict[int, Part]:
    """The parts of the object ``outer`` at the beginning of ``raw``, which must be ``tags`` in this order.

    With ``offsets``, a table of that tag comes first and must tell the truth: a reader that goes by offsets
    must not see other parts than one that goes by tags. Raises ValueError.
    """
    tag, at = parse_tag(raw, 0)
    if tag != outer:
        raise ValueError(f"expected data object {outer:X}, got {tag:X}")
    length, at = parse_length(raw, at)
    end = at + length
    if end > len(raw):
        raise ValueError(f"data object {outer:X} claims {length} bytes, {len(raw) - at} are there")
    found = []
    while at < end:
        inner, after = Tlv.read(raw[:end], at)
        found.append(Part(inner.tag, at, bytes(raw[at:after]), inner.value))
        at = after
    wanted = [*([] if offsets is None else [offsets]), *tags]
    if [part.tag for part in found] != wanted:
        raise ValueError(f"data object {outer:X} does not hold {', '.join(f'{tag:X}' for tag in wanted)}")
    if offsets is not None:
        _check_offsets(found[0], found[1:])
    return {part.tag: part for part in found}


def build_record(outer: int, parts: Sequence[Tlv], *, offsets: int | None = None) -> bytes:
    """The inverse of :func:`parse_record`, with the shortest lengths. Raises ValueError for an offset that
    does not fit two bytes."""
    encoded = [bytes(part) for part in parts]
    if offsets is None:
        return bytes(Tlv.build(outer, encoded))
    table = len(bytes(Tlv(offsets, bytes(OFFSET_BYTES * len(parts)))))
    total = table + sum(map(len, encoded))
    at = len(bytes(Tlv(outer, bytes(total)))) - total + table
    places = b""
    for part in encoded:
        if at > 0xFFFF:
            raise ValueError("the file is too long for its offsets")
        places += at.to_bytes(OFFSET_BYTES, "big")
        at += len(part)
    return bytes(Tlv.build(outer, [Tlv(offsets, places), *encoded]))


def _check_offsets(table: Part, parts: Sequence[Part]) -> None:
    expected = b"".join(part.offset.to_bytes(OFFSET_BYTES, "big") for part in parts if part.offset <= 0xFFFF)
    if table.value != expected:
        raise ValueError(f"the offsets in data object {table.tag:X} do not lead to the objects after it")
