"""What a security domain tells, as typed values (GPC 2.3.1 §11.3, §11.4). No length is trusted."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from ...apdu.errors import MalformedResponse
from ...apdu.tlv import Tlv
from .model import GLOBALPLATFORM_OID, Privilege, StatusScope, Tag

__all__ = [
    "CardData",
    "KeyInformation",
    "RegisteredKind",
    "Registered",
    "Selection",
    "parse_card_data",
    "parse_key_information",
    "parse_registry",
    "parse_selection",
    "read_objects",
]

LOCKED = 0x80
EXTENDED_TYPE = 0xFF


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
        """Whether the life cycle says locked; meaningful for applications and domains."""
        return bool(self.life_cycle & LOCKED)


@dataclass(frozen=True, slots=True)
class KeyInformation:
    """One key of a domain. ``type`` 88 is AES; ``length`` in bytes."""

    kid: int
    version: int
    type: int
    length: int


@dataclass(frozen=True, slots=True)
class CardData:
    """Card recognition data: the GlobalPlatform version, and (protocol, i) of each secure channel."""

    version: str
    protocols: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """The answer to SELECT. ``max_data`` is the longest command data field that the domain takes."""

    aid: bytes
    max_data: int = 255
    card_locked: bool = False


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
    most = int.from_bytes(told, "big") or 255
    return Selection(objects.get(Tag.AID, asked), min(most, 255), locked)


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
        aid=aid,
        kind=_kind(scope, privileges),
        life_cycle=life_cycle[0],
        privileges=privileges,
        domain=first.get(Tag.DOMAIN, b""),
        package=first.get(Tag.PACKAGE, b""),
        modules=tuple(tlv.value for tlv in objects if tlv.tag == Tag.MODULE),
        version=first.get(Tag.VERSION, b""),
    )


def _kind(scope: int, privileges: Privilege) -> RegisteredKind:
    if scope == StatusScope.ISSUER_DOMAIN:
        return RegisteredKind.ISSUER_DOMAIN
    if scope != StatusScope.APPLICATIONS:
        return RegisteredKind.PACKAGE
    domain = privileges & Privilege.SECURITY_DOMAIN
    return RegisteredKind.DOMAIN if domain else RegisteredKind.APPLICATION


def parse_key_information(raw: bytes) -> tuple[KeyInformation, ...]:
    """The content of ``E0``: ``C0`` templates, basic or extended (GPC 2.3.1 §11.3.3.1.1)."""
    found = []
    for tlv in read_objects(raw, "key information"):
        value = tlv.value
        if tlv.tag != Tag.KEY or len(value) < 4:
            raise MalformedResponse("a key template of the wrong form", "key information")
        kid, version, kind = value[:3]
        if kind == EXTENDED_TYPE:
            if len(value) < 6:
                raise MalformedResponse("an extended key template that is too short", "key information")
            kind, length = value[3], int.from_bytes(value[4:6], "big")
        else:
            length = value[3] or 256
        found.append(KeyInformation(kid, version, kind, length))
    return tuple(found)


def parse_card_data(raw: bytes) -> CardData:
    """The content of ``66`` (GPC 2.3.1 §H.2); object identifiers of others are left out."""
    recognition = next(
        (tlv for tlv in read_objects(raw, "card data") if tlv.tag == Tag.CARD_RECOGNITION), None
    )
    version, protocols = "", []
    for template in read_objects(recognition.value if recognition else b"", "card data"):
        if template.tag not in (0x60, 0x64):
            continue
        for oid in read_objects(template.value, "card data"):
            arcs = oid.value.removeprefix(GLOBALPLATFORM_OID)
            if template.tag == 0x60 and arcs[:1] == b"\x02":
                version = ".".join(str(arc) for arc in arcs[1:])
            elif template.tag == 0x64 and arcs[:1] == b"\x04" and len(arcs) == 3:
                protocols.append((arcs[1], arcs[2]))
    return CardData(version, tuple(protocols))
