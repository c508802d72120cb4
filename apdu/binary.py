"""Reading a transparent file with READ BINARY (ISO/IEC 7816-4:2020 §11.3.3), bounded against a card that
lies."""

from __future__ import annotations

from .card import Card
from .command import Command
from .errors import MalformedResponse
from .tlv import parse_length, parse_tag

__all__ = ["read_bytes", "read_object"]

CHUNK = 256
MAX_ROUNDS = 256


def read_object(card: Card, *, limit: int, secret: bool = False) -> bytes:
    """The one BER-TLV object at the beginning of the current file, header included; padding is not read.

    The length comes from the object's own header (a length longer than needed is accepted) and is at most
    ``limit`` bytes. ``secret`` hides the answers from recorders. Raises StatusError, and MalformedResponse
    for a card that contradicts itself.
    """
    head = _read(card, 0, CHUNK, secret)
    try:
        _, offset = parse_tag(head, 0)
        length, offset = parse_length(head, offset)
    except ValueError as error:
        raise MalformedResponse(str(error), "the file") from error
    total = offset + length
    if total > limit:
        raise MalformedResponse(f"an object of {total} bytes (at most {limit} make sense)", "the file")
    return _continue(card, head, total, secret)


def read_bytes(card: Card, length: int, *, secret: bool = False) -> bytes:
    """The first ``length`` bytes of the current file. Raises StatusError and MalformedResponse."""
    return _continue(card, b"", length, secret)


def _continue(card: Card, content: bytes, total: int, secret: bool) -> bytes:
    for _ in range(MAX_ROUNDS):
        if len(content) >= total:
            return content[:total]
        content += _read(card, len(content), min(CHUNK, total - len(content)), secret)
    raise MalformedResponse(f"{MAX_ROUNDS} answers did not fill {total} bytes", "READ BINARY")


def _read(card: Card, offset: int, length: int, secret: bool) -> bytes:
    hidden = ((0, None),) if secret else ()
    command = Command(0x00, 0xB0, offset >> 8, offset & 0xFF, le=length, secret_answer=hidden)
    answer = card.expect(command).data
    if not 1 <= len(answer) <= length:
        raise MalformedResponse(f"{len(answer)} bytes where 1 to {length} were asked for", "READ BINARY")
    return answer
