"""Who may do what in a domain: the channel, and the check before every change (GPC 2.3.1 §9.1, §10)."""

from __future__ import annotations

from dataclasses import dataclass

from ....apdu.scp03 import Scp03State, unwrap_key
from ....apdu.secret import Secret
from ...card.application import CardStatus, DomainContext
from ...card.registry import Kind, Privilege

__all__ = [
    "AUTHENTICATED",
    "C_MAC",
    "Channel",
    "authenticated",
    "card_state",
    "require",
    "require_management",
]

AUTHENTICATED, C_MAC = 0x80, 0x01


@dataclass(frozen=True, slots=True)
class Channel:
    """An open channel: its state, and the static DEK of the key set that opened it."""

    state: Scp03State
    dek: Secret
    version: int

    def unwrap_key(self, cryptogram: bytes, length: int) -> Secret:
        """A key of ``length`` bytes from its cryptogram under the DEK. Raises ValueError."""
        return unwrap_key(self.dek, cryptogram, length)


def authenticated(ctx: DomainContext) -> bool:
    """Whether the current command comes from the host that opened the channel.

    A channel without C-MAC (level 00) authenticates plain commands; any other only those it unwrapped.
    """
    channel = ctx.channel_state
    return channel is not None and (channel.state.level == 0 or bool(ctx.security_level & AUTHENTICATED))


def require(ctx: DomainContext, level: int = C_MAC) -> None:
    """Raises CardStatus 6982 unless the host is authenticated and the command came under ``level``."""
    if not authenticated(ctx) or ctx.security_level & level != level:
        raise CardStatus(0x6982)


def require_management(ctx: DomainContext) -> None:
    """Content is changed by the issuer's domain or one with Authorized Management (GPC 2.3.1 §9.1.3).
    Raises CardStatus 6982 or 6985."""
    require(ctx)
    manages = ctx.entry.privileges & Privilege.AUTHORIZED_MANAGEMENT
    if ctx.entry.kind is not Kind.ISSUER_DOMAIN and not manages:
        raise CardStatus(0x6985)


def card_state(ctx: DomainContext) -> int:
    """The life cycle of the card is the one of its issuer's domain."""
    return next(entry.life_cycle for entry in ctx.registry() if entry.kind is Kind.ISSUER_DOMAIN)
