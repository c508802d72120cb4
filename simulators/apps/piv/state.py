"""The memory of the simulated PIV application, and the switches between one product and another.

Non-volatile: ``pin`` and ``puk`` (8 bytes), ``pin-tries`` and ``puk-tries`` (left, most), ``9b`` (algorithm,
key), ``guid``, ``object/TAG``, ``key/REF`` (algorithm, PIN policy, private key in PKCS #8), ``profile``.
Volatile (CLEAR_ON_DESELECT): ``pin`` verified, ``fresh`` (verified by the command before), ``9b``
authenticated, ``pending`` challenge of 9B.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ...card.application import Context

__all__ = ["PinPolicy", "Profile", "Session"]

STRICT_CONTACTLESS, YUBICO_VERSION = 0x01, 0x02


@dataclass(frozen=True, slots=True)
class Profile:
    """Switches, one byte of C9 install parameters: bit 1 and bit 2.

    ``contactless_management`` (default): a contactless interface may do everything, as on most tokens;
    without it the rules of SP 800-73-5 part 1 table 2 hold (no virtual contact interface is simulated).
    ``yubico_version``: FD answers 5.2.4 and F8 a serial number; by default both are unknown instructions.
    """

    contactless_management: bool = True
    yubico_version: bool = False

    @classmethod
    def of(cls, ctx: Context) -> Profile:
        return cls.from_bytes(ctx.nv.get("profile"))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Profile:
        flags = raw[0] if raw else 0
        return cls(not flags & STRICT_CONTACTLESS, bool(flags & YUBICO_VERSION))

    def to_bytes(self) -> bytes:
        flags = 0 if self.contactless_management else STRICT_CONTACTLESS
        return bytes((flags | (YUBICO_VERSION if self.yubico_version else 0),))


class PinPolicy(enum.IntEnum):
    """When a private key wants the PIN."""

    NEVER = 1
    ONCE = 2
    ALWAYS = 3


class Session:
    """Names for the volatile memory of one selection."""

    def __init__(self, ctx: Context) -> None:
        self._memory = ctx.clear_on_deselect

    @property
    def pin_verified(self) -> bool:
        return bool(self._memory.get("pin", False))

    @pin_verified.setter
    def pin_verified(self, value: bool) -> None:
        self._memory["pin"] = value

    @property
    def pin_fresh(self) -> bool:
        """Whether the command before this one verified the PIN."""
        return bool(self._memory.get("fresh", False))

    @pin_fresh.setter
    def pin_fresh(self, value: bool) -> None:
        self._memory["fresh"] = value

    @property
    def managed(self) -> bool:
        """Whether 9B was authenticated."""
        return bool(self._memory.get("9b", False))

    @managed.setter
    def managed(self, value: bool) -> None:
        self._memory["9b"] = value

    def set_pending(self, tag: int, value: bytes) -> None:
        """Keep a witness (80) or challenge (81) for the next command."""
        self._memory["pending"] = (tag, value)

    def take_pending(self, tag: int) -> bytes | None:
        """The pending value of that tag; it is gone afterwards, whatever it was."""
        found: tuple[int, bytes] = self._memory.pop("pending", (0, b""))
        return found[1] if found[0] == tag else None
