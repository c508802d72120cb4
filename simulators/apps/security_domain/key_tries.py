"""Tries of keys, for cards that have no other reset: 65 wrong attempts erase a key (as YubiKeys do).

With the switch ``keys_block`` every key counts: a handshake spends a try before anything is compared, and one
that succeeds gives all of them back. When the last key has gone, the card is as its maker left it: the known
SCP03 set, and a new key for SCP11b that the card certifies itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ....apdu.scp11 import KeyNumber
from ....applets.security_domain.model import FACTORY_KVN, KeyType
from ...card.application import CardStatus, DomainContext
from . import attestation
from .keystore import CardKey, KeyStore, place_of

__all__ = ["attempt", "give_back_to_set", "spend_on_set"]

TRIES = 65
FIRST_OF_SET = 1
BLOCKED, NOT_TRIED = 0x6983, 0x6985
FACTORY_KEY = bytes(range(0x40, 0x50))
FACTORY_SET = tuple(CardKey(kid, FACTORY_KVN, ((KeyType.AES, FACTORY_KEY),)) for kid in (1, 2, 3))


def spend_on_set(ctx: DomainContext, version: int) -> None:
    """Count the beginning of a handshake of two commands (SCP02 and SCP03), before anything is computed.

    Raises CardStatus 6983 with the last one: the set is gone then.
    """
    key = KeyStore(ctx).find(FIRST_OF_SET, version)
    if ctx.policy.keys_block and key is not None and not _count(ctx, key):
        _erase(ctx, key)
        raise CardStatus(BLOCKED)


def give_back_to_set(ctx: DomainContext, version: int) -> None:
    """All tries again, after a handshake that succeeded."""
    ctx.nv.delete(_name(KeyNumber(FIRST_OF_SET, version)))


@contextmanager
def attempt(ctx: DomainContext, keys: Sequence[CardKey]) -> Iterator[None]:
    """A handshake of one command: it counts before it is looked at, and no more once it has succeeded.

    Raises CardStatus 6983 instead of what was wrong when that was the last one. Who has no right to try
    (6985) has not tried.
    """
    if not ctx.policy.keys_block:
        yield
        return
    # Power may have been lost between the last count and the erasure.
    lost = [key for key in keys if _left(ctx, key) <= 0]
    for key in lost:
        _erase(ctx, key)
    if lost:
        raise CardStatus(BLOCKED)
    last = [key for key in keys if not _count(ctx, key)]
    try:
        yield
    except CardStatus as status:
        if status.sw == NOT_TRIED:
            _give_back(ctx, keys)
            raise
        for key in last:
            _erase(ctx, key)
        if last:
            raise CardStatus(BLOCKED) from None
        raise
    _give_back(ctx, keys)


def _give_back(ctx: DomainContext, keys: Sequence[CardKey]) -> None:
    for key in keys:
        ctx.nv.delete(_name(key.number))


def _left(ctx: DomainContext, key: CardKey) -> int:
    return int.from_bytes(ctx.nv.get(_name(key.number), bytes((TRIES,))), "big")


def _count(ctx: DomainContext, key: CardKey) -> int:
    """One try less; how many are left."""
    left = max(_left(ctx, key) - 1, 0)
    ctx.nv.put(_name(key.number), bytes((left,)))
    return left


def _erase(ctx: DomainContext, key: CardKey) -> None:
    store = KeyStore(ctx)
    known = store.all_keys()
    lost = [other for other in known if other == key or (key.of_set and _same_set(other, key))]
    if len(lost) < len(known):
        store.remove(lost)
        return
    fresh, belongings = attestation.new_key(ctx)
    store.replace_all([*FACTORY_SET, fresh], belongings)


def _same_set(other: CardKey, key: CardKey) -> bool:
    return other.of_set and other.version == key.version


def _name(key: KeyNumber) -> str:
    return place_of(key) + "tries"
