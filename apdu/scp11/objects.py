"""Data objects around SCP11 keys: certificate store, allow list, authorities (GPC 2.3.1 Amendment F 1.4 §7).

Read with GET DATA, written with STORE DATA. Both sides use these codecs. Hosts of different makers leave out
or add a data object here and there; what is known of them is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..tlv import Tlv

__all__ = [
    "AUTHORITY_KIDS",
    "CaIdentifier",
    "KeyNumber",
    "Stored",
    "allow_list",
    "certificate_store",
    "is_authority",
    "key_reference",
    "parse_ca_identifiers",
    "parse_certificate_store",
    "parse_key_reference",
    "parse_stored",
]

CONTROL_REFERENCE, KEY, CA_ID, CA_KIND = 0xA6, 0x83, 0x42, 0x80
STORE, ALLOW_LIST, ALLOW_LIST_COUNTER, SERIAL = 0xBF21, 0x70, 0x92, 0x93
IDENTIFIERS = (0xFF33, 0xFF34)
CERTIFICATES = (0x30, 0x7F21)
AUTHORITY_KIDS = (0x10, *range(0x20, 0x30))
"""Keys that verify hosts' certificates: PK.CA-KLOC.ECDSA."""
MAX_ID = MAX_SERIAL = 20


class KeyNumber(NamedTuple):
    """Key identifier and key version number."""

    kid: int
    version: int


def is_authority(kid: int) -> bool:
    """Whether keys with this identifier verify hosts' certificates."""
    return kid in AUTHORITY_KIDS


def key_reference(key: KeyNumber) -> bytes:
    """``A6 { 83 kid version }``."""
    return bytes(Tlv.build(CONTROL_REFERENCE, (Tlv(KEY, bytes(key)),)))


def parse_key_reference(raw: bytes) -> KeyNumber | bytes:
    """What GET DATA asks for: ``A6 { 83 kid version }``, or ``A6 { 42 id of an authority }``.

    Raises ValueError for anything else.
    """
    outer = Tlv.parse(raw)
    parts = outer.children
    if outer.tag != CONTROL_REFERENCE or len(parts) != 1:
        raise ValueError("a control reference template A6 with one data object is expected")
    return _key_number(parts[0].value) if parts[0].tag == KEY else _ca_id(parts[0])


def certificate_store(key: KeyNumber, certificates: Iterable[bytes]) -> bytes:
    """STORE DATA of a key's certificates, the leaf last."""
    return key_reference(key) + bytes(Tlv(STORE, b"".join(certificates)))


def allow_list(key: KeyNumber, serials: Iterable[bytes]) -> bytes:
    """STORE DATA of the serial numbers that an authority's certificates must have; none: the list goes."""
    return key_reference(key) + bytes(Tlv.build(ALLOW_LIST, (Tlv(SERIAL, serial) for serial in serials)))


@dataclass(frozen=True, slots=True)
class CaIdentifier:
    """Which authority belongs to a key: its subject key identifier."""

    key: KeyNumber
    identifier: bytes

    @property
    def of_card(self) -> bool:
        """KLCC, which certifies cards' keys; else KLOC, which certifies hosts'."""
        return not is_authority(self.key.kid)

    def stored(self) -> bytes:
        """STORE DATA ``A6 { 80 kind, 42 id, 83 kid version }``."""
        kind = Tlv(CA_KIND, bytes((self.of_card,)))
        parts = (kind, Tlv(CA_ID, self.identifier), Tlv(KEY, bytes(self.key)))
        return bytes(Tlv.build(CONTROL_REFERENCE, parts))

    def __bytes__(self) -> bytes:
        """One entry of the lists FF33 and FF34."""
        return bytes(Tlv(CA_ID, self.identifier)) + bytes(Tlv(KEY, bytes(self.key)))


def parse_ca_identifiers(raw: bytes) -> tuple[CaIdentifier, ...]:
    """The value of FF33 or FF34, or the whole object. Raises ValueError."""
    parts = Tlv.parse_all(raw)
    if len(parts) == 1 and parts[0].tag in IDENTIFIERS:
        parts = list(parts[0].children)
    if len(parts) % 2 or [part.tag for part in parts] != [CA_ID, KEY] * (len(parts) // 2):
        raise ValueError("identifiers of authorities come in pairs of the data objects 42 and 83")
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return tuple(CaIdentifier(_key_number(key.value), _ca_id(identifier)) for identifier, key in pairs)


def parse_certificate_store(raw: bytes) -> tuple[bytes, ...]:
    """The certificates in the value of BF21, or in the whole object. Raises ValueError."""
    parts = Tlv.parse_all(raw)
    if len(parts) == 1 and parts[0].tag == STORE:
        raw, parts = parts[0].value, list(parts[0].children)
    if any(part.tag not in CERTIFICATES for part in parts) or len({part.tag for part in parts}) > 1:
        raise ValueError("a certificate store holds certificates of one format")
    found, offset = [], 0
    while offset < len(raw):
        _, end = Tlv.read(raw, offset)
        found.append(raw[offset:end])
        offset = end
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Stored:
    """One thing that STORE DATA says of a key: certificates, an allow list, or an authority's identifier."""

    key: KeyNumber
    certificates: tuple[bytes, ...] | None = None
    serials: tuple[bytes, ...] | None = None
    identifier: bytes | None = None


def parse_stored(raw: bytes) -> Stored:
    """Read the data of STORE DATA. Raises ValueError for anything but one of the three."""
    reference, *rest = Tlv.parse_all(raw) or [Tlv(0)]
    if reference.tag != CONTROL_REFERENCE:
        raise ValueError("a key is named before anything else")
    inner = {part.tag: part.value for part in reference.children}
    if KEY not in inner or len(inner) != len(reference.children):
        raise ValueError("a key is named by A6 with the data object 83")
    key = _key_number(inner[KEY])
    if not rest:
        return Stored(key, identifier=_authority(key, inner))
    if set(inner) != {KEY}:
        raise ValueError("certificates and allow lists belong to a key alone")
    if rest[0].tag == ALLOW_LIST_COUNTER:
        rest = rest[1:]
    if len(rest) != 1 or rest[0].tag not in (STORE, ALLOW_LIST):
        raise ValueError("one certificate store or one allow list is expected")
    if rest[0].tag == STORE:
        return Stored(key, certificates=parse_certificate_store(rest[0].value))
    serials = rest[0].children
    if any(part.tag != SERIAL or not 0 < len(part.value) <= MAX_SERIAL + 1 for part in serials):
        raise ValueError("an allow list is made of serial numbers 93")
    return Stored(key, serials=tuple(part.value for part in serials))


def _authority(key: KeyNumber, inner: dict[int, bytes]) -> bytes:
    """The identifier; the kind of authority may be left out, and must fit the key when it is there."""
    if not {KEY, CA_ID} <= set(inner) <= {KEY, CA_ID, CA_KIND}:
        raise ValueError("an authority is named by the data objects 42 and 83")
    if inner.get(CA_KIND, bytes((not is_authority(key.kid),))) != bytes((not is_authority(key.kid),)):
        raise ValueError("the kind of the authority does not fit the key")
    return _ca_id(Tlv(CA_ID, inner[CA_ID]))


def _key_number(raw: bytes) -> KeyNumber:
    if len(raw) != 2:
        raise ValueError("a key is named by its identifier and its version")
    return KeyNumber(*raw)


def _ca_id(tlv: Tlv) -> bytes:
    if tlv.tag != CA_ID or not 0 < len(tlv.value) <= MAX_ID:
        raise ValueError(f"an identifier of an authority is a data object 42 of 1 to {MAX_ID} bytes")
    return tlv.value
