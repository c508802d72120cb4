"""What a security domain tells of its registry and keys, as typed values (GPC 2.3.1 §11.3, §11.4).

No length is trusted. Card recognition data and capabilities are read by ``recognition``.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...apdu.errors import MalformedResponse
from ...apdu.tlv import Tlv
from .model import KeyType, Privilege, StatusScope, Tag, read_lv
from .model.cap.fields import AID_LENGTHS

__all__ = [
    "KeyInformation",
    "RegisteredKind",
    "Registered",
    "Selection",
    "parse_key_information",
    "parse_legacy_registry",
    "parse_registry",
    "parse_selection",
    "read_objects",
]

LOCKED = 0x80
EXTENDED_TYPE = 0xFF
MAX_SHORT_DATA = 255
CARD_STATES = {
    0x01: "op-ready",
    0x07: "initialized",
    0x0F: "secured",
    0x7F: "card-locked",
    0xFF: "terminated",
}
DOMAIN_STATES = {0x03: "installed", 0x07: "selectable", 0x0F: "personalized"}
APPLICATION_STATES = {0x03: "installed", 0x07: "selectable"}
PACKAGE_STATES = {0x01: "loaded"}
KEY_TYPES = {
    KeyType.DES: "3DES",
    0x81: "3DES-ECB",
    0x82: "DES-CBC",
    0x83: "DES-ECB",
    0x84: "DES",
    0x85: "PSK-TLS",
    KeyType.AES: "AES",
    0x90: "HMAC-SHA1",
    0x91: "HMAC-SHA1-160",
    KeyType.RSA_EXPONENT: "RSA-public-exponent",
    KeyType.RSA_MODULUS: "RSA-modulus",
    0xA2: "RSA-private-modulus",
    0xA3: "RSA-private-exponent",
    0xA4: "RSA-CRT-p",
    0xA5: "RSA-CRT-q",
    0xA6: "RSA-CRT-qinv",
    0xA7: "RSA-CRT-dp",
    0xA8: "RSA-CRT-dq",
    KeyType.EC_PUBLIC: "EC-public",
    KeyType.EC_PRIVATE: "EC-private",
    KeyType.EC_PARAMETERS: "EC-curve",
}
"""Names of key types (GPC 2.3.1 table 11-16)."""


class RegisteredKind(enum.StrEnum):
    """What a line of the registry is."""

    ISSUER_DOMAIN = "issuer-domain"
    DOMAIN = "domain"
    APPLICATION = "application"
    PACKAGE = "package"


@dataclass(frozen=True, slots=True)
class Registered:
    """One line of the card's registry. ``domain``, ``package`` and ``version`` are empty when not told."""

    aid: bytes
    kind: RegisteredKind
    life_cycle: int
    privileges: Privilege = Privilege.NONE
    domain: bytes = b""
    package: bytes = b""
    modules: tuple[bytes, ...] = ()
    version: bytes = b""

    @property
    def locked(self) -> bool:
        """Whether it is locked: for the issuer's domain, the whole card."""
        if self.kind is RegisteredKind.ISSUER_DOMAIN:
            return self.life_cycle == 0x7F
        return self.kind is not RegisteredKind.PACKAGE and bool(self.life_cycle & LOCKED)

    @property
    def state(self) -> str:
        """The name of the life cycle state (GPC 2.3.1 tables 11-3 to 11-6); hex for an application's own."""
        names = {
            RegisteredKind.ISSUER_DOMAIN: CARD_STATES,
            RegisteredKind.DOMAIN: DOMAIN_STATES,
            RegisteredKind.APPLICATION: APPLICATION_STATES,
            RegisteredKind.PACKAGE: PACKAGE_STATES,
        }[self.kind]
        return "locked" if self.locked else names.get(self.life_cycle, f"{self.life_cycle:02X}")

    @property
    def privilege_names(self) -> tuple[str, ...]:
        """Names of the privileges; DAP and delegated management imply the bit of a security domain."""
        named = Privilege.__members__.values()
        flags = [flag for flag in named if flag and self.privileges & flag == flag]
        whole = [flag for flag in flags if not any(flag != other and flag & other == flag for other in flags)]
        if Privilege.SECURITY_DOMAIN in flags:
            whole = list(dict.fromkeys((Privilege.SECURITY_DOMAIN, *whole)))
        return tuple(str(flag.name).lower().replace("_", "-") for flag in whole)

    def to_json(self) -> dict[str, Any]:
        """Plain values, bytes as hex; what the card did not tell is left out."""
        told: dict[str, Any] = {
            "privileges": list(self.privilege_names),
            "domain": self.domain.hex().upper(),
            "package": self.package.hex().upper(),
            "version": ".".join(str(part) for part in self.version),
            "modules": [module.hex().upper() for module in self.modules],
        }
        return {
            "aid": self.aid.hex().upper(),
            "kind": self.kind.value,
            "life_cycle": f"{self.life_cycle:02X}",
            "state": self.state,
            **{name: value for name, value in told.items() if value},
        }


@dataclass(frozen=True, slots=True)
class KeyInformation:
    """One key of a domain: the type of its first component, ``length`` in bytes, and what else is told.

    For elliptic curve keys ``length`` may be 0: the card gives the curve (``F0``) instead, among
    ``components``. ``usage`` and ``access`` are of the extended form (GPC 2.3.1 table 11-29).
    """

    kid: int
    version: int
    type: int
    length: int
    components: tuple[tuple[int, int], ...] = field(default=(), compare=False)
    usage: bytes = field(default=b"", compare=False)
    access: bytes = field(default=b"", compare=False)

    @property
    def type_name(self) -> str:
        """The type in words, such as ``AES``; hex for one that is not known."""
        return KEY_TYPES.get(self.type, f"{self.type:02X}")

    def to_json(self) -> dict[str, Any]:
        """Plain values; usage and access only when told."""
        told = {"usage": self.usage.hex().upper(), "access": self.access.hex().upper()}
        return {
            "kid": f"{self.kid:02X}",
            "version": f"{self.version:02X}",
            "type": self.type_name,
            "length": self.length,
            **{name: value for name, value in told.items() if value},
        }


@dataclass(frozen=True, slots=True)
class Selection:
    """The answer to SELECT. ``max_data`` is the longest command data field that the domain takes in the
    short form; ``max_block`` what it claims, more where it takes the extended form; ``recognition`` the
    content of ``73``, where the FCI carries it."""

    aid: bytes
    max_data: int = 255
    card_locked: bool = False
    max_block: int = 255
    recognition: bytes = b""


def read_objects(raw: bytes, where: str) -> list[Tlv]:
    """The data objects in an answer. Raises MalformedResponse."""
    try:
        return Tlv.parse_all(raw)
    except ValueError as error:
        raise MalformedResponse(str(error), where) from None


def parse_selection(raw: bytes, asked: bytes, *, locked: bool) -> Selection:
    """Read the FCI; a card that gives none, or a bare one, is taken as it was asked for."""
    fci = next((tlv for tlv in read_objects(raw, "FCI") if tlv.tag == Tag.FCI), None)
    if fci is None:
        return Selection(asked, card_locked=locked)
    objects = {tlv.tag: tlv.value for tlv in read_objects(fci.value, "FCI")}
    proprietary = read_objects(objects.get(Tag.FCI_PROPRIETARY, b""), "FCI")
    told = next((tlv.value for tlv in proprietary if tlv.tag == Tag.MAX_COMMAND_DATA), b"")
    most = int.from_bytes(told, "big") or MAX_SHORT_DATA
    recognition = next((tlv.value for tlv in proprietary if tlv.tag == Tag.CARD_RECOGNITION), b"")
    aid = _aid(objects.get(Tag.AID, b""), "FCI") or asked
    return Selection(aid, min(most, MAX_SHORT_DATA), locked, most, recognition)


def _aid(raw: bytes, where: str) -> bytes:
    """An AID that a card names, or nothing. Raises MalformedResponse for a length that no AID has."""
    if raw and len(raw) not in AID_LENGTHS:
        raise MalformedResponse(f"an AID of {len(raw)} bytes", where)
    return raw


def parse_registry(raw: bytes, scope: int) -> list[Registered]:
    """The entries ``E3`` of GET STATUS with P2 = 02, asked with P1 = ``scope``. Raises MalformedResponse."""
    return [
        _registered(read_objects(entry.value, "GET STATUS"), scope)
        for entry in read_objects(raw, "GET STATUS")
        if entry.tag == Tag.REGISTRY_ENTRY
    ]


def _registered(objects: Sequence[Tlv], scope: int) -> Registered:
    first: dict[int, bytes] = {}
    for tlv in objects:
        first.setdefault(tlv.tag, tlv.value)
    aid, life_cycle = first.get(Tag.REGISTRY_AID, b""), first.get(Tag.LIFE_CYCLE, b"")
    if not aid or not life_cycle:
        raise MalformedResponse("a registry entry without AID or life cycle", "GET STATUS")
    raw_privileges = first.get(Tag.PRIVILEGES, b"")[:3].ljust(3, b"\x00")
    privileges = Privilege(int.from_bytes(raw_privileges, "big"))
    return Registered(
        aid=_aid(aid, "GET STATUS"),
        kind=_kind(scope, privileges),
        life_cycle=life_cycle[0],
        privileges=privileges,
        domain=_aid(first.get(Tag.DOMAIN, b""), "GET STATUS"),
        package=_aid(first.get(Tag.PACKAGE, b""), "GET STATUS"),
        modules=tuple(_aid(tlv.value, "GET STATUS") for tlv in objects if tlv.tag == Tag.MODULE),
        version=first.get(Tag.VERSION, b""),
    )


def _kind(scope: int, privileges: Privilege) -> RegisteredKind:
    if scope == StatusScope.ISSUER_DOMAIN:
        return RegisteredKind.ISSUER_DOMAIN
    if scope != StatusScope.APPLICATIONS:
        return RegisteredKind.PACKAGE
    domain = privileges & Privilege.SECURITY_DOMAIN
    return RegisteredKind.DOMAIN if domain else RegisteredKind.APPLICATION


def parse_legacy_registry(raw: bytes, scope: int) -> list[Registered]:
    """The entries of GET STATUS with P2 = 00 (GPC 2.3.1 table 11-35). Raises MalformedResponse.

    Length and AID, life cycle, first byte of privileges; with P1 = 10 the modules behind it.
    """
    found, offset = [], 0
    try:
        while offset < len(raw):
            aid, offset = read_lv(raw, offset)
            if not aid or offset + 2 > len(raw):
                raise ValueError("an entry is cut off")
            life_cycle, privilege = raw[offset], raw[offset + 1]
            offset += 2
            modules = []
            if scope == StatusScope.PACKAGES_AND_MODULES:
                count, offset = raw[offset], offset + 1
                for _ in range(count):
                    module, offset = read_lv(raw, offset)
                    modules.append(module)
            privileges = Privilege(privilege << 16)
            kind = _kind(scope, privileges)
            found.append(
                Registered(_aid(aid, "GET STATUS"), kind, life_cycle, privileges, modules=tuple(modules))
            )
    except (ValueError, IndexError):
        raise MalformedResponse("an entry of the older form that is cut off", "GET STATUS") from None
    return found


def parse_key_information(raw: bytes) -> tuple[KeyInformation, ...]:
    """The content of ``E0``: ``C0`` templates, basic or extended (GPC 2.3.1 §11.3.3.1.1).

    Raises MalformedResponse.
    """
    found = []
    for tlv in read_objects(raw, "key information"):
        if tlv.tag != Tag.KEY or len(tlv.value) < 4:
            raise MalformedResponse("a key template of the wrong form", "key information")
        extended = tlv.value[2] == EXTENDED_TYPE
        found.append((_extended_key if extended else _basic_key)(tlv.value))
    return tuple(found)


def _basic_key(value: bytes) -> KeyInformation:
    pairs = [(value[at], value[at + 1]) for at in range(2, len(value) - 1, 2)]
    kind, length = pairs[0]
    # A length byte of 00 says 256 or more; the second pair of an EC key names the curve.
    curve = any(other == KeyType.EC_PARAMETERS for other, _ in pairs)
    return KeyInformation(value[0], value[1], kind, length or (0 if curve else 256), tuple(pairs))


def _extended_key(value: bytes) -> KeyInformation:
    components, offset = [], 2
    while value[offset : offset + 1] == bytes((EXTENDED_TYPE,)):
        if offset + 4 > len(value):
            raise MalformedResponse("an extended key template that is too short", "key information")
        components.append((value[offset + 1], int.from_bytes(value[offset + 2 : offset + 4], "big")))
        offset += 4
    try:
        usage, offset = read_lv(value, offset) if offset < len(value) else (b"", offset)
        access, offset = read_lv(value, offset) if offset < len(value) else (b"", offset)
    except ValueError as error:
        raise MalformedResponse(str(error), "key information") from None
    kind, length = components[0]
    return KeyInformation(value[0], value[1], kind, length, tuple(components), usage, access)
