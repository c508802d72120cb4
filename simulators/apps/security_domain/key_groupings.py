"""Keys of a security domain in data groupings: ``00B9`` says what follows, a grouping each holds the values
(GPC 2.3.1 §11.11.4; facts §2.6).

Two layouts of ``00B9`` are read: a ``B9`` for each key that says all of it, and ``B7`` with what the keys
have in common before shorter ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ....apdu.tlv import Tlv
from ....applets.security_domain.model import KeyType
from .keystore import ACCESS_DOMAIN, SYMMETRIC, CardKey

__all__ = ["KEYS", "read_keys"]

KEYS, SYMMETRIC_VALUE, MODULUS, EXPONENT, POINT, SCALAR = 0x00B9, 0x8113, 0x0010, 0x0011, 0x0036, 0x8137
COMMON, KEY = 0xB7, 0xB9
USAGE, ACCESS, TYPE, LENGTH, KID, KVN, KCV, CURVE = 0x95, 0x96, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85
Grouping = tuple[int, bytes]
Decrypt = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class _Description:
    """What ``00B9`` says of one key."""

    objects: dict[int, bytes]

    def number(self, tag: int, default: int = -1) -> int:
        value = self.objects.get(tag, b"")
        return int.from_bytes(value, "big") if value else default

    def key(self, components: tuple[tuple[int, bytes], ...]) -> CardKey:
        kid, version = self.number(KID), self.number(KVN)
        if not 1 <= kid <= 0x7F or not 1 <= version <= 0x7F:
            raise ValueError("a key has no identifier or no version")
        usage = self.objects.get(USAGE, b"")
        if len(usage) > 2:
            raise ValueError("a usage has one byte or two")
        return CardKey(kid, version, components, usage, self.number(ACCESS, ACCESS_DOMAIN) & 0xFF)


def read_keys(groupings: Sequence[Grouping], decrypt: Decrypt) -> list[tuple[CardKey, bytes]]:
    """The keys and the check values sent with them. Raises ValueError for anything else or missing."""
    found: list[tuple[CardKey, bytes]] = []
    waiting: list[_Description] = []
    rest = list(groupings)
    while rest:
        if rest[0][0] == KEYS:
            if waiting:
                raise ValueError("a key was described and has no value")
            waiting = _descriptions(rest.pop(0)[1])
            continue
        if not waiting:
            raise ValueError("a value stands without description")
        description = waiting.pop(0)
        key = description.key(_components(description, rest, decrypt))
        found.append((key, description.objects.get(KCV, b"")))
    if waiting or not found:
        raise ValueError("a key was described and has no value")
    return found


def _descriptions(raw: bytes) -> list[_Description]:
    common: dict[int, bytes] = {}
    found = []
    for entry in Tlv.parse_all(raw):
        objects = {tlv.tag: tlv.value for tlv in entry.children}
        if entry.tag == COMMON:
            common = objects
        elif entry.tag == KEY:
            found.append(_Description({**common, **objects}))
        else:
            raise ValueError(f"{entry.tag:X} does not describe a key")
    return found


def _components(
    description: _Description, rest: list[Grouping], decrypt: Decrypt
) -> tuple[tuple[int, bytes], ...]:
    """The values of one key, taken off the head of ``rest``."""
    kind = description.number(TYPE)
    if kind in SYMMETRIC:
        length = description.number(LENGTH)
        value = _take(rest, SYMMETRIC_VALUE)
        if length not in SYMMETRIC[KeyType(kind)] or not 0 <= len(value) - length < 16:
            raise ValueError("a key has the wrong length")
        return ((kind, decrypt(value)[:length]),)
    if kind in (KeyType.RSA_MODULUS, KeyType.RSA_EXPONENT):
        return ((KeyType.RSA_MODULUS, _take(rest, MODULUS)), (KeyType.RSA_EXPONENT, _take(rest, EXPONENT)))
    if kind == KeyType.EC_PARAMETERS:
        curve = (KeyType.EC_PARAMETERS, description.objects.get(CURVE, b"\x00"))
        if rest[0][0] == POINT:
            return ((KeyType.EC_PUBLIC, rest.pop(0)[1]), curve)
        # A scalar is encrypted in whole blocks; its true length is the one described.
        scalar, length = decrypt(_take(rest, SCALAR)), description.number(LENGTH)
        return ((KeyType.EC_PRIVATE, scalar[:length] if length > 0 else scalar), curve)
    raise ValueError(f"keys of type {kind:X} are not for this card")


def _take(rest: list[Grouping], number: int) -> bytes:
    if not rest or rest[0][0] != number:
        raise ValueError(f"the grouping {number:04X} has to follow")
    return rest.pop(0)[1]
