"""What an operation needs of the card's memory (GPC 2.3.1 §9.7); 6A84 where it is not there."""

from __future__ import annotations

from ....applets.security_domain.model import SystemParameter
from ...card.application import CardStatus, DomainContext
from ...card.registry import RegistryEntry
from .parameters import Parameters

__all__ = ["require_minimum", "require_room", "require_room_for_data"]


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


def require_room_for_data(ctx: DomainContext, entry: RegistryEntry, data: bytes) -> None:
    """Before an application takes ``data`` in its personalisation. What it writes at other times is its own
    business: a try counter has to go down on a full card as well."""
    require_room(ctx, entry, len(data))
    most = entry.quota[1]
    if most and ctx.used_by(entry.aid) + len(data) > most:
        raise CardStatus(0x6A84)
