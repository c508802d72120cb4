"""BER-TLV and the answer of GET STATUS, as GlobalPlatformPro reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


def ber(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and value of each object; tags of one or two bytes."""
    at = 0
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 0x1F == 0x1F:
            tag, at = tag << 8 | data[at], at + 1
        length = data[at]
        at += 1
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        assert at + length <= len(data), f"tag {tag:X} is cut off"
        yield tag, data[at : at + length]
        at += length


def tlv(tag: int, value: bytes) -> bytes:
    """One object, its length in one to three bytes."""
    head = bytes([tag]) if tag < 0x100 else tag.to_bytes(2, "big")
    size = len(value)
    if size < 0x80:
        return head + bytes([size]) + value
    if size < 0x100:
        return head + bytes([0x81, size]) + value
    return head + b"\x82" + size.to_bytes(2, "big") + value


@dataclass(frozen=True)
class Entry:
    """``kind``: ISD, APP, SSD or PKG."""

    kind: str
    aid: bytes
    life_cycle: int
    privileges: bytes = b""
    domain: bytes = b""
    load_file: bytes = b""
    version: bytes = b""
    modules: tuple[bytes, ...] = ()


KINDS = {0x80: "ISD", 0x40: "APP", 0x20: "PKG", 0x10: "PKG"}
_STATES = {"ISD": {0x01, 0x07, 0x0F, 0x7F, 0xFF}, "PKG": {0x00, 0x01}}


def known_state(kind: str, state: int) -> bool:
    """A byte that GlobalPlatformPro cannot name makes it stop."""
    if kind in _STATES:
        return state in _STATES[kind]
    if kind == "SSD":
        return state in (0x03, 0x07, 0x0F) or state & 0x83 == 0x83
    return state == 0x03 or state & 0x07 in (0x03, 0x07)


def parse_status(p1: int, answers: bytes) -> list[Entry]:
    """The entries of one GET STATUS, its continuations joined."""
    found = []
    for tag, value in ber(answers):
        if tag != 0xE3:
            continue
        fields: dict[int, bytes] = {}
        modules = []
        for name, content in ber(value):
            if name == 0x84:
                modules.append(content)
            fields[name] = content
        privileges = fields.get(0xC5, b"")
        kind = KINDS[p1]
        if kind == "APP" and privileges[:1] and privileges[0] & 0x80:
            kind = "SSD"
        state = fields[0x9F70][0]
        assert known_state(kind, state), f"{kind} in the unknown state {state:02X}"
        found.append(
            Entry(
                kind,
                fields[0x4F],
                state,
                privileges,
                fields.get(0xCC, b""),
                fields.get(0xC4, b""),
                fields.get(0xCE, b""),
                tuple(modules),
            )
        )
    return found
