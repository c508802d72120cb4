"""Receipts: the card's proof that it did what a token allowed (GPC 2.3.1 §11.1.6, §C.5).

The answer carries the receipt and the confirmation data; what was signed besides follows from the command.
"""

from __future__ import annotations

from dataclasses import dataclass

from ....apdu.tlv import encode_length, parse_length
from .signatures import VerifyingKey, verify

__all__ = [
    "Confirmation",
    "Receipt",
    "combined_context",
    "delete_context",
    "extradition_context",
    "install_context",
    "load_context",
    "receipt_input",
    "update_context",
]

COUNTER_LENGTH = 2
COUNTER_MAX = 0xFFFF


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Confirmation data (GPC 2.3.1 table 11-4).

    ``counter`` is the receipt's number; ``unique`` the values of 42 and 45 of the domain that made it, one
    behind the other; ``token_number`` that of the token's ``93``, and ``token_digest``, when they are there.
    """

    counter: int
    unique: bytes = b""
    token_number: bytes = b""
    token_digest: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.counter <= COUNTER_MAX:
            raise ValueError("a receipt counter has two bytes")

    def __bytes__(self) -> bytes:
        optional = [_lv(part) for part in (self.token_number, self.token_digest) if part]
        counter = self.counter.to_bytes(COUNTER_LENGTH, "big")
        return _lv(counter) + _lv(self.unique) + b"".join(optional)

    @classmethod
    def parse(cls, raw: bytes, *, numbered: bool) -> Confirmation:
        """Read confirmation data; ``numbered``: the token had a number, so its answer repeats it.

        Raises ValueError.
        """
        fields, offset = [], 0
        while offset < len(raw):
            value, offset = _read(raw, offset)
            fields.append(value)
        most = 4 if numbered else 3
        if not 2 <= len(fields) <= most or len(fields[0]) != COUNTER_LENGTH:
            raise ValueError("confirmation data of a form that the standard does not have")
        number = fields.pop(2) if numbered and len(fields) > 2 else b""
        digest = fields[2] if len(fields) > 2 else b""
        return cls(int.from_bytes(fields[0], "big"), fields[1], number, digest)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt as a card gives it."""

    signature: bytes
    confirmation: Confirmation

    def __bytes__(self) -> bytes:
        inner = _lv(self.signature) + bytes(self.confirmation)
        return _lv(inner)

    @classmethod
    def parse(cls, raw: bytes, *, numbered: bool = False) -> Receipt | None:
        """Read the data of an answer; None when it is empty or ``00``: the card made no receipt.

        Some cards leave the length around the whole away. Raises ValueError.
        """
        if raw in (b"", b"\x00"):
            return None
        length, start = parse_length(raw, 0)
        inner = raw[start:] if start + length == len(raw) else raw
        signature, offset = _read(inner, 0)
        if not signature:
            raise ValueError("a confirmation without a receipt")
        return cls(signature, Confirmation.parse(inner[offset:], numbered=numbered))

    def verify(self, key: VerifyingKey, context: bytes) -> bool:
        """Whether this is the receipt for ``context``, made with ``key``."""
        return verify(key, receipt_input(self.confirmation, context), self.signature)

    def to_json(self) -> dict[str, object]:
        """Plain values, bytes as hex."""
        confirmation = self.confirmation
        return {
            "receipt": self.signature.hex().upper(),
            "counter": confirmation.counter,
            "unique": confirmation.unique.hex().upper(),
            "token_number": confirmation.token_number.hex().upper(),
            "token_digest": confirmation.token_digest.hex().upper(),
        }


def receipt_input(confirmation: Confirmation, context: bytes) -> bytes:
    """What a receipt signs: the confirmation data, and the context of the operation."""
    return bytes(confirmation) + context


def load_context(package: bytes, domain: bytes) -> bytes:
    """Of INSTALL [for load], answered by the last LOAD."""
    return _lv(package) + _lv(domain)


def install_context(package: bytes, instance: bytes) -> bytes:
    """Of INSTALL [for install], [for make selectable] and both."""
    return _lv(package) + _lv(instance)


def combined_context(package: bytes, instance: bytes, domain: bytes) -> bytes:
    """Of INSTALL [for load, install and make selectable]."""
    return _lv(package) + _lv(instance) + _lv(domain)


def extradition_context(old: bytes, aid: bytes, new: bytes) -> bytes:
    """Of INSTALL [for extradition] of ``aid`` from one domain to another."""
    return _lv(old) + _lv(aid) + _lv(new)


def update_context(old: bytes, aid: bytes, new: bytes, privileges: bytes, parameters: bytes) -> bytes:
    """Of INSTALL [for registry update]."""
    return extradition_context(old, aid, new) + _lv(privileges) + _lv(parameters)


def delete_context(aid: bytes) -> bytes:
    """Of DELETE: the AID that was named, also when related applications went with it."""
    return _lv(aid)


def _lv(value: bytes) -> bytes:
    return encode_length(len(value)) + value


def _read(raw: bytes, offset: int) -> tuple[bytes, int]:
    length, start = parse_length(raw, offset)
    if start + length > len(raw):
        raise ValueError("a field of the confirmation is cut off")
    return raw[start : start + length], start + length
