"""Data groupings (DGI) and their journey in STORE DATA blocks (GPC 2.3.1 §11.11, EMV CPS 1.1 §2).

A data grouping is a two-byte tag, a length (one byte 00–FE, or FF and two bytes) and a value. Blocks cut the
stream anywhere, so a card reads it with :func:`read_dgis`, block by block.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Dgi", "cut", "read_dgis"]

LONG = 0xFF
MAX_VALUE = 0xFFFF


@dataclass(frozen=True, slots=True)
class Dgi:
    """One data grouping. ``secret`` marks a value that no recorder may show."""

    tag: int
    value: bytes
    secret: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.tag <= 0xFFFF or len(self.value) > MAX_VALUE:
            raise ValueError("a data grouping has a two-byte tag and at most 65535 bytes")

    def __bytes__(self) -> bytes:
        return self.tag.to_bytes(2, "big") + self._length + self.value

    @property
    def _length(self) -> bytes:
        count = len(self.value)
        return bytes((count,)) if count < LONG else bytes((LONG,)) + count.to_bytes(2, "big")

    def __repr__(self) -> str:
        shown = f"{len(self.value)} bytes ***" if self.secret else self.value.hex().upper()
        return f"<Dgi {self.tag:04X} {shown}>"


def read_dgis(raw: bytes) -> tuple[list[Dgi], bytes]:
    """The complete data groupings at the head of ``raw``, and the bytes of one that is not complete yet.

    Keep the rest and put the next block behind it; a rest after the last block is a fault of the sender.
    """
    found: list[Dgi] = []
    offset = 0
    while True:
        head = offset + 3
        if head > len(raw):
            return found, raw[offset:]
        length = raw[head - 1]
        if length == LONG:
            head += 2
            if head > len(raw):
                return found, raw[offset:]
            length = int.from_bytes(raw[head - 2 : head], "big")
        if head + length > len(raw):
            return found, raw[offset:]
        tag = int.from_bytes(raw[offset : offset + 2], "big")
        found.append(Dgi(tag, bytes(raw[head : head + length])))
        offset = head + length


def cut(dgis: Iterable[Dgi], size: int) -> list[tuple[bytes, tuple[tuple[int, int], ...]]]:
    """The stream of ``dgis`` in blocks of at most ``size`` bytes, each with its secret spans."""
    if size < 1:
        raise ValueError("a block holds at least one byte")
    stream, spans = b"", []
    for dgi in dgis:
        stream += bytes(dgi)
        if dgi.secret:
            spans.append((len(stream) - len(dgi.value), len(stream)))
    edges = [*range(0, max(len(stream), 1), size), len(stream)]
    return [
        (
            stream[start:stop],
            tuple(
                (max(first, start) - start, min(last, stop) - start)
                for first, last in spans
                if first < stop and last > start
            ),
        )
        for start, stop in pairwise(edges)
    ]
