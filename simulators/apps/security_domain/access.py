"""Who may do what in a domain: the channel, and the check before every change (GPC 2.3.1 §9.1, §10)."""

from __future__ import annotations

from typing import Protocol

from ....apdu.command import Command, Response
from ....apdu.secret import Secret
from ...card.application import CardStatus, DomainContext
from ...card.registry import Kind

__all__ = [
    "ANYBODY",
    "AUTHENTICATED",
    "C_MAC",
    "Channel",
    "authenticated",
    "card_state",
    "require",
    "require_fresh",
]

AUTHENTICATED, ANY_AUTHENTICATED, C_MAC = 0x80, 0x40, 0x01
ANYBODY = AUTHENTICATED | ANY_AUTHENTICATED
"""The owner, or somebody else whom the card knows: who then needs a token (GPC 2.3.1 §9.1.3)."""


class Channel(Protocol):
    """An open channel of any protocol: immutable, so that a step stays a pure function.

    ``level`` is 80 or 40 for a host authenticated as owner or as somebody else, neither for one that proved
    nothing, with the bits 01 C-MAC, 02 C-DECRYPTION, 10 R-MAC and 20 R-ENCRYPTION (GPC 2.3.1 §10.6).
    """

    @property
    def protocol(self) -> int:
        """2, 3 or 0x11."""
        ...

    @property
    def version(self) -> int:
        """The version of the keys that opened it."""
        ...

    @property
    def level(self) -> int: ...

    @property
    def replayable(self) -> bool:
        """Whether somebody who has recorded the channel can send all of it again (SCP11c)."""
        ...

    @property
    def takes_plain(self) -> bool:
        """Whether commands without secure messaging belong to the channel too."""
        ...

    @property
    def lapsed(self) -> bool:
        """Whether the next secured command opens a new channel instead of going through this one."""
        ...

    def unwrap(self, command: Command) -> tuple[Channel, Command]:
        """The plain command, and the channel after it. Raises SecureMessagingError."""
        ...

    def wrap(self, response: Response) -> tuple[Channel, Response]:
        """The response as it leaves the card, and the channel after it."""
        ...

    def decrypt(self, data: bytes) -> bytes:
        """Sensitive data under the channel's DEK; no padding is removed. Raises ValueError."""
        ...

    def unwrap_key(self, cryptogram: bytes, length: int) -> Secret:
        """A key of ``length`` bytes from its cryptogram under the DEK. Raises ValueError."""
        ...


def authenticated(ctx: DomainContext, by: int = AUTHENTICATED) -> bool:
    """Whether the current command comes from the host that opened the channel, as the domain's owner or as
    one of ``by``.

    A channel without C-MAC authenticates plain commands; any other only those it unwrapped.
    """
    channel: Channel | None = ctx.channel_state
    if channel is None or not channel.level & by:
        return False
    return not channel.level & C_MAC or bool(ctx.security_level & by)


def require(ctx: DomainContext, level: int = C_MAC, *, by: int = AUTHENTICATED) -> None:
    """Raises CardStatus 6982 unless the host is authenticated and the command came under ``level``."""
    if not authenticated(ctx, by) or ctx.security_level & level != level:
        raise CardStatus(0x6982)


def require_fresh(ctx: DomainContext) -> None:
    """Keys and life cycles are not changed by what may come a second time (Amd F §4.6, §B.1).

    Raises CardStatus 6985 over such a channel, which ends.
    """
    channel: Channel | None = ctx.channel_state
    if channel is not None and channel.replayable:
        ctx.channel_state = None
        raise CardStatus(0x6985)


def card_state(ctx: DomainContext) -> int:
    """The life cycle of the card is the one of its issuer's domain."""
    return next(entry.life_cycle for entry in ctx.registry() if entry.kind is Kind.ISSUER_DOMAIN)
