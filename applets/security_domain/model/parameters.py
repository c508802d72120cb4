"""The parameters field of INSTALL (GPC 2.3.1 tables 11-48 to 11-52): what is reserved, given and bound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ....apdu.tlv import Tlv
from . import SystemParameter, Tag
from .tokens import ControlReference

__all__ = ["DomainParameters", "InstallParameters", "LoadParameters"]

SHORT_NUMBER_MAX = 0xFFFF
SCP_TAG, ACCEPT_TAG, RELEASE_TAG = 0x81, 0x82, 0x87


@dataclass(frozen=True, slots=True)
class LoadParameters:
    """Of INSTALL [for load]: bytes of memory that must be there, None for "not said"."""

    code: int | None = None
    volatile: int | None = None
    non_volatile: int | None = None
    reference: ControlReference | None = None

    def __bytes__(self) -> bytes:
        asked = (
            (SystemParameter.CODE_MINIMUM, self.code),
            (SystemParameter.VOLATILE_QUOTA, self.volatile),
            (SystemParameter.NON_VOLATILE_QUOTA, self.non_volatile),
        )
        system = [Tlv(tag, _number(value)) for tag, value in asked if value is not None]
        return _system(system) + _reference(self.reference)


@dataclass(frozen=True, slots=True)
class InstallParameters:
    """Of the other forms of INSTALL. ``application`` is the content of ``C9``, which is always there when
    ``for_application``; ``system`` that of ``EF``: numbers become two or four bytes."""

    application: bytes = b""
    system: Mapping[SystemParameter, int | bytes] = field(default_factory=dict)
    reference: ControlReference | None = None
    for_application: bool = True

    def __bytes__(self) -> bytes:
        own = bytes(Tlv(Tag.APPLICATION_PARAMETERS, self.application)) if self.for_application else b""
        system = [
            Tlv(tag, value if isinstance(value, bytes) else _number(value))
            for tag, value in self.system.items()
        ]
        return own + _system(system) + _reference(self.reference)


@dataclass(frozen=True, slots=True)
class DomainParameters:
    """What ``C9`` of a supplementary security domain says on most cards (common practice, not GPC).

    ``protocols`` are secure channels with their i (``81``); ``accept`` and ``release`` whether applications
    may be extradited to it (``82``) and from it (``87``); None says nothing and leaves it to the card.
    """

    protocols: tuple[tuple[int, int], ...] = ()
    accept: bytes | None = None
    release: bytes | None = None

    ALLOWED = bytes.fromhex("2020")
    """The value of ``82`` and ``87`` that allows it with a secure channel of the domain."""

    def __bytes__(self) -> bytes:
        parts = [Tlv(SCP_TAG, bytes(pair)) for pair in self.protocols]
        parts += [
            Tlv(tag, value)
            for tag, value in ((ACCEPT_TAG, self.accept), (RELEASE_TAG, self.release))
            if value is not None
        ]
        return b"".join(bytes(part) for part in parts)


def _number(value: int) -> bytes:
    if value < 0:
        raise ValueError("an amount of memory is not negative")
    return value.to_bytes(2 if value <= SHORT_NUMBER_MAX else 4, "big")


def _system(parts: Iterable[Tlv]) -> bytes:
    inner = tuple(parts)
    return bytes(Tlv.build(Tag.SYSTEM_PARAMETERS, inner)) if inner else b""


def _reference(reference: ControlReference | None) -> bytes:
    return b"" if reference is None else bytes(reference)
