"""The parameter "i" of SCP02: which of its variants a card speaks (GPC 2.3.1 table E-1).

The answer to INITIALIZE UPDATE does not name it; Card Recognition Data does, or the card's profile.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..secure_messaging import R_MAC

__all__ = ["DEFAULT_I", "DOCUMENTED", "LEVELS", "Options", "level_allowed"]

THREE_KEYS, UNMODIFIED, EXPLICIT, AID_ICV = 0x01, 0x02, 0x04, 0x08
ICV_ENCRYPTION, R_MAC_SUPPORT, PSEUDO_RANDOM = 0x10, 0x20, 0x40

DEFAULT_I = 0x55
DOCUMENTED = frozenset((0x04, 0x05, 0x0A, 0x0B, 0x14, 0x15, 0x1A, 0x1B, 0x44, 0x45, 0x54, 0x55))

# Security levels (GPC 2.3.1 table E-11).
LEVELS = (0x00, 0x01, 0x03, 0x10, 0x11, 0x13)


@dataclass(frozen=True, slots=True)
class Options:
    """What "i" says. Raises ValueError for a value that annex E does not document, R-MAC support aside.

    Every documented variant goes one of two ways: explicit initiation with the MAC over the modified command
    and a first ICV of zeros, or implicit initiation with the MAC over the unmodified command and a first ICV
    that is the MAC of the application's AID.
    """

    i: int

    def __post_init__(self) -> None:
        if self.i & ~R_MAC_SUPPORT not in DOCUMENTED:
            raise ValueError(f"i = {self.i:02X} is not a documented variant of SCP02")

    @property
    def three_keys(self) -> bool:
        """ENC, MAC and DEK differ; else all three derive from one base key."""
        return bool(self.i & THREE_KEYS)

    @property
    def unmodified(self) -> bool:
        """The C-MAC covers the command before CLA and Lc are changed."""
        return bool(self.i & UNMODIFIED)

    @property
    def explicit(self) -> bool:
        """INITIALIZE UPDATE and EXTERNAL AUTHENTICATE open the channel; else the first C-MAC does."""
        return bool(self.i & EXPLICIT)

    @property
    def icv_encryption(self) -> bool:
        """A C-MAC is encrypted before it starts the next one."""
        return bool(self.i & ICV_ENCRYPTION)

    @property
    def r_mac(self) -> bool:
        """Responses can carry a MAC."""
        return bool(self.i & R_MAC_SUPPORT)

    @property
    def pseudo_random(self) -> bool:
        """The card challenge follows from the AID and the session's MAC key (§E.4.2.3)."""
        return bool(self.i & PSEUDO_RANDOM)


def level_allowed(level: int, i: int) -> bool:
    """Whether a card of variant ``i`` offers ``level`` in EXTERNAL AUTHENTICATE."""
    return level in LEVELS and (not level & R_MAC or bool(i & R_MAC_SUPPORT))
