"""Which ATR a contact reader gives to its host for a card that it reaches through a Link.

A contact card keeps its own. A contactless card has the pseudo-ATR of PC/SC part 3, which offers T=0 first
and blocks of 32 bytes: from it only the historical bytes are kept, and T=1 is offered, with the longest
blocks, so that the host need not negotiate (and long APDUs need fewer blocks).
"""

from __future__ import annotations

from dataclasses import dataclass

from ....apdu.atr import Atr, InterfaceBytes
from ....apdu.ports import TransmissionProtocol
from ...frames.t1 import IFS_DEFAULT, IFS_MOST

__all__ = ["T1Characters", "shown_atr", "t1_characters"]

_WAITING_INTEGERS = 0x45  # BWI 4, CWI 5
_CRC = 0x01


def shown_atr(raw: bytes, protocol: TransmissionProtocol) -> Atr:
    """The ATR for a card with the ATR ``raw`` that is reached by ``protocol``."""
    try:
        atr = Atr.parse(raw)
    except ValueError:
        atr = Atr()
    if protocol is TransmissionProtocol.T0:
        return atr if atr.protocols[0] == 0 and not _contactless(atr) else Atr(historical=atr.historical)
    if protocol is TransmissionProtocol.T1 and 1 in atr.protocols and not _contactless(atr):
        return atr
    t1 = InterfaceBytes(protocol=1)
    last = InterfaceBytes(ta=IFS_MOST, tb=_WAITING_INTEGERS)
    return Atr((t1, t1, last), atr.historical)


def _contactless(atr: Atr) -> bool:
    """Whether this is the form 3B 8n 80 01 of PC/SC part 3 §3.1.3.2.3."""
    return bytes(atr)[2:4] == b"\x80\x01"


@dataclass(frozen=True, slots=True)
class T1Characters:
    """What an ATR says about T=1 (ISO/IEC 7816-3:2006 §11.4)."""

    ifsc: int = IFS_DEFAULT
    waiting_integers: int = 0x4D
    crc: bool = False


def t1_characters(atr: Atr) -> T1Characters:
    """The first TA, TB and TC specific to T=1, with the standard's values where they are absent."""
    for before, group in zip(atr.groups[1:], atr.groups[2:], strict=False):
        if before.protocol == 1:
            return T1Characters(
                group.ta if group.ta and group.ta <= IFS_MOST else IFS_DEFAULT,
                0x4D if group.tb is None else group.tb,
                bool((group.tc or 0) & _CRC),
            )
    return T1Characters()
