"""Collecting the STORE DATA blocks of a personalisation until the last (GPC 2.3.1 §7.3.2, §11.11).

Blocks wait in volatile memory, so that nothing of an unfinished personalisation outlives the power, and
block 0 always starts over. The application then takes all data groupings in one transaction.
"""

from __future__ import annotations

from ...apdu.command import Command
from ...apdu.scp03.crypto import key_check_value
from ...apdu.secret import Secret
from ...applets.security_domain.model.dgi import read_dgis
from ..card.application import CardStatus, Context

__all__ = ["MAX_STAGED", "collect", "decrypt_key"]

LAST_BLOCK, STRUCTURE, STRUCTURE_DGI = 0x80, 0x18, 0x08
STAGED = "personalisation"
MAX_STAGED = 4096


def collect(ctx: Context, command: Command) -> list[tuple[int, bytes]] | None:
    """Data groupings as (number, value) at the last block, None before it.

    Raises CardStatus 6A80 for a block out of order or broken groupings; what was collected is then gone.
    """
    expected, staged = ctx.clear_on_reset.pop(STAGED, (0, b""))
    if command.p2 == 0:
        expected, staged = 0, b""
    if command.p2 != expected or command.p1 & STRUCTURE != STRUCTURE_DGI:
        raise CardStatus(0x6A80)
    staged += command.data
    if len(staged) > MAX_STAGED:
        raise CardStatus(0x6A84)
    if not command.p1 & LAST_BLOCK:
        ctx.clear_on_reset[STAGED] = (expected + 1, staged)
        return None
    groupings, rest = read_dgis(staged)
    if rest:
        raise CardStatus(0x6A80)
    return [(grouping.tag, grouping.value) for grouping in groupings]


def decrypt_key(ctx: Context, check_value: bytes, cryptogram: bytes, length: int) -> bytes:
    """An AES key of ``length`` bytes from its cryptogram under the channel's DEK.

    Raises CardStatus 6A80 for a wrong length, 6982 for a wrong check value (as PUT KEY of a domain does).
    """
    if len(cryptogram) != length + -length % 16:
        raise CardStatus(0x6A80)
    key = ctx.decrypt(cryptogram)[:length]
    ctx.spend("aes_block", len(cryptogram) // 16 + 1)
    if _check_value(key) != check_value:
        raise CardStatus(0x6982)
    return key


def _check_value(key: bytes) -> bytes:
    return key_check_value(Secret(key))
