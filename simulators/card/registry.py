"""The card's registry: what is on it, who owns it, in which state (GPC 2.3.1 §5, §6.6, §11.1.1, §11.1.2)."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...applets.security_domain.model import Privilege

__all__ = ["Kind", "LifeCycle", "Privilege", "RegistryEntry", "ancestors", "entries", "entry_key", "implicit"]

PREFIX = "registry/"
NO_MEMORY = (0, 0)
LOCKED = 0x80
BYTES = ("domain", "package", "module", "version", "provider", "implicit")


class Kind(enum.StrEnum):
    """What an entry is. ``PACKAGE`` is an executable load file, its modules listed in the entry."""

    ISSUER_DOMAIN = "isd"
    DOMAIN = "ssd"
    APPLICATION = "application"
    PACKAGE = "package"

    @property
    def is_domain(self) -> bool:
        return self in (Kind.ISSUER_DOMAIN, Kind.DOMAIN)


class LifeCycle(enum.IntEnum):
    """Life cycle bytes (GPC 2.3.1 tables 11-3 to 11-6)."""

    LOADED = 0x01
    INSTALLED = 0x03
    SELECTABLE = 0x07
    PERSONALIZED = 0x0F
    CARD_OP_READY = 0x01
    CARD_INITIALIZED = 0x07
    CARD_SECURED = 0x0F
    CARD_LOCKED = 0x7F
    CARD_TERMINATED = 0xFF


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One line of the registry. ``order`` keeps the order of installation; ``model`` names the Python
    class of an application (see ``simulators.apps``); ``modules`` maps module AIDs of a package to models.

    ``imports`` are the packages of the card that a package needs, ``provider`` names the application provider
    (5F20). Of the system parameters of INSTALL: ``implicit`` selection (CF, one byte each), ``restrict``
    (D9), and bytes of memory, volatile and not: ``quota`` at most (C7, C8), ``reserved`` at least (D7, D8).
    """

    aid: bytes
    kind: Kind
    life_cycle: int
    privileges: int = 0
    domain: bytes = b""
    package: bytes = b""
    module: bytes = b""
    model: str = ""
    version: bytes = b""
    modules: tuple[tuple[bytes, str], ...] = ()
    order: int = 0
    imports: tuple[bytes, ...] = ()
    provider: bytes = b""
    implicit: bytes = b""
    restrict: int = 0
    quota: tuple[int, int] = NO_MEMORY
    reserved: tuple[int, int] = NO_MEMORY

    @property
    def selectable(self) -> bool:
        """Whether SELECT may find it (GPC 2.3.1 §6.4.2): selectable and not locked."""
        if self.kind is Kind.PACKAGE:
            return False
        if self.kind is Kind.ISSUER_DOMAIN:
            return True
        return self.life_cycle & 0x07 == 0x07 and not self.locked

    @property
    def locked(self) -> bool:
        """Whether an application or supplementary domain is in the state LOCKED (GPC 2.3.1 §5.3)."""
        return self.kind in (Kind.DOMAIN, Kind.APPLICATION) and bool(self.life_cycle & LOCKED)

    def with_(self, **changes: Any) -> RegistryEntry:
        return replace(self, **changes)

    def to_bytes(self) -> bytes:
        data: dict[str, Any] = {
            "aid": self.aid.hex(),
            "kind": str(self.kind),
            "life_cycle": self.life_cycle,
            "order": self.order,
        }
        if self.privileges:
            data["privileges"] = self.privileges
        for name in BYTES:
            if value := getattr(self, name):
                data[name] = value.hex()
        if self.model:
            data["model"] = self.model
        if self.modules:
            data["modules"] = [[aid.hex(), model] for aid, model in self.modules]
        if self.imports:
            data["imports"] = [aid.hex() for aid in self.imports]
        if self.restrict:
            data["restrict"] = self.restrict
        for name in ("quota", "reserved"):
            if (memory := getattr(self, name)) != NO_MEMORY:
                data[name] = memory
        return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> RegistryEntry:
        data = json.loads(raw)
        for name in ("aid", *BYTES):
            data[name] = bytes.fromhex(data.get(name, ""))
        data["kind"] = Kind(data["kind"])
        data["modules"] = tuple((bytes.fromhex(aid), model) for aid, model in data.get("modules", ()))
        data["imports"] = tuple(bytes.fromhex(aid) for aid in data.get("imports", ()))
        for name in ("quota", "reserved"):
            data[name] = tuple(data.get(name, NO_MEMORY))
        return cls(**data)


def entry_key(aid: bytes) -> str:
    """The key of an entry in non-volatile memory."""
    return PREFIX + aid.hex()


def entries(memory: Mapping[str, bytes]) -> list[RegistryEntry]:
    """All entries in order of installation."""
    found = [RegistryEntry.from_bytes(value) for key, value in memory.items() if key.startswith(PREFIX)]
    return sorted(found, key=lambda entry: entry.order)


def ancestors(registry: Iterable[RegistryEntry], entry: RegistryEntry) -> list[bytes]:
    """The domains above ``entry``, the nearest first. A domain that belongs to itself is the top of its own
    hierarchy (GPC 2.3.1 §7.2)."""
    domains = {other.aid: other.domain for other in registry if other.kind.is_domain}
    above: list[bytes] = []
    aid = entry.domain
    while aid and aid not in above:
        above.append(aid)
        aid = domains.get(aid, b"")
    return above


CONTACTLESS, CONTACT, CHANNEL_MASK = 0x80, 0x40, 0x1F


def implicit(registry: Iterable[RegistryEntry], channel: int, *, contactless: bool) -> RegistryEntry | None:
    """The application that is current on a channel before any SELECT, if one asked to be (GPC 2.3.1 §6.4.1,
    table 11-50): by implicit selection, on the basic channel also by the privilege Card Reset."""
    usable = [entry for entry in registry if entry.selectable]
    interface = CONTACTLESS if contactless else CONTACT
    for entry in usable:
        if any(byte & interface and byte & CHANNEL_MASK == channel for byte in entry.implicit):
            return entry
    if channel:
        return None
    return next((entry for entry in usable if entry.privileges & Privilege.CARD_RESET), None)
