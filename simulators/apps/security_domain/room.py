"""What an operation needs of the card's memory (GPC 2.3.1 §9.7); 6A84 where it is not there."""

from __future__ import annotations

from ....applets.security_domain.model import SystemParameter
from ...card.application import CardStatus, DomainContext
from ...card.registry import RegistryEntry
from .parameters import Parameters

__all__ = ["require_minimum", "require_room"]


def require_minimum(ctx: DomainContext, parameters: Parameters) -> None:
    """The least that the parameters of INSTALL [for load] ask for: code, data, volatile data."""
    free = ctx.free_memory()
    if free is None:
        return
    lasting = parameters.memory(SystemParameter.CODE_MINIMUM) + parameters.memory(
        SystemParameter.NON_VOLATILE_QUOTA
    )
    if lasting > free.nv or parameters.memory(SystemParameter.VOLATILE_QUOTA) > free.ram:
        raise CardStatus(0x6A84)


def require_room(ctx: DomainContext, entry: RegistryEntry, more: int = 0) -> None:
    """Inside the transaction, after its writes: the card is not over-full, ``entry`` not over its quota.

    ``more`` bytes are still to be written.
    """
    free = ctx.free_memory()
    if free is not None and (free.nv < more or free.ram < 0):
        raise CardStatus(0x6A84)
    most = entry.quota[1]
    if most and ctx.used_by(entry.aid) > most:
        raise CardStatus(0x6A84)
