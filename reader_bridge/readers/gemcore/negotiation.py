"""What an ATR says about talking to its card (ISO/IEC 7816-3:2006 §8.3, §9, §11.4), for a CCID reader."""

from __future__ import annotations

from dataclasses import dataclass

from ....apdu.atr import Atr, InterfaceBytes
from ...frames.ccid import T0Parameters, T1Parameters
from ...frames.pps import Pps
from ...frames.t1 import IFS_DEFAULT, IFS_MOST

__all__ = ["Agreement"]

_SLOWEST_CLOCK = 3.5e6
"""Hertz; every reader gives a card at least that, so that waiting times are long enough."""
_FI_DI_DEFAULT = 0x11
_FI = (372, 372, 558, 744, 1116, 1488, 1860, 0, 0, 512, 768, 1024, 1536, 2048, 0, 0)
_DI = (0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0)
_CHARACTER = 12
_BYTES_MOST = 261
_T0_WI, _T1_INTEGERS = 10, 0x4D
_ANY_TIME = 2.0
"""Times a waiting time is waited: readers count from another moment than the card does."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How to talk to a card: ``protocol`` 0 or 1, ``fi_di`` as in TA1, and what else its ATR says."""

    protocol: int
    fi_di: int
    fixed: bool
    """The card has its own mode (TA2) and takes no PPS."""
    guard_time: int
    inverse: bool
    waiting: int
    """WI of T=0, BWI and CWI of T=1."""
    ifsc: int = IFS_DEFAULT
    crc: bool = False

    @classmethod
    def read(cls, raw: bytes, *, fast: bool = True) -> Agreement:
        """What to agree with the card of this ATR: its first protocol that is T=0 or T=1, as fast as it
        offers; not ``fast`` for what every card speaks after a reset. Raises ValueError."""
        atr = Atr.parse(raw)
        first = atr.groups[0]
        second = atr.groups[1] if len(atr.groups) > 1 else InterfaceBytes()
        fixed = second.ta is not None
        offered = [protocol for protocol in atr.protocols if protocol in (0, 1)]
        if second.ta is not None and second.ta & 0x0F in (0, 1):
            offered = [second.ta & 0x0F]
        if not offered:
            raise ValueError("the card speaks neither T=0 nor T=1")
        protocol = offered[0]
        fi_di = first.ta if first.ta is not None and (fast or fixed) else _FI_DI_DEFAULT
        if not (_FI[fi_di >> 4] and _DI[fi_di & 0x0F]):
            fi_di = _FI_DI_DEFAULT
        own = _first_group_of(atr, protocol)
        if protocol == 0:
            waiting = second.tc or _T0_WI
            return cls(0, fi_di, fixed, first.tc or 0, atr.inverse, waiting)
        ifsc = own.ta if own.ta and own.ta <= IFS_MOST else IFS_DEFAULT
        waiting = _T1_INTEGERS if own.tb is None else own.tb
        return cls(1, fi_di, fixed, first.tc or 0, atr.inverse, waiting, ifsc, bool((own.tc or 0) & 1))

    @property
    def pps(self) -> Pps | None:
        """What to ask the card for; None where nothing is to be asked: it does all this after its reset."""
        if self.fixed or self.fi_di == _FI_DI_DEFAULT:
            return None
        return Pps(self.protocol, self.fi_di)

    @property
    def parameters(self) -> T0Parameters | T1Parameters:
        """What the reader is told."""
        convention = self.inverse << 1
        if self.protocol == 0:
            return T0Parameters(self.fi_di, convention, self.guard_time, self.waiting)
        return T1Parameters(
            self.fi_di, 0x10 | convention | self.crc, self.guard_time, self.waiting, ifsc=self.ifsc
        )

    @property
    def seconds(self) -> float:
        """How long the card may take for a block (T=1) or for a command byte by byte (T=0)."""
        fi, di = _FI[self.fi_di >> 4], _DI[self.fi_di & 0x0F]
        etu = fi / di / _SLOWEST_CLOCK
        if self.protocol == 0:
            longest = self.waiting * 960 * fi / _SLOWEST_CLOCK
        else:
            longest = 11 * etu + 2 ** min(self.waiting >> 4, 9) * 960 * 372 / _SLOWEST_CLOCK
        return _ANY_TIME * longest + _BYTES_MOST * (_CHARACTER + self.guard_time % 255) * etu


def _first_group_of(atr: Atr, protocol: int) -> InterfaceBytes:
    """The first interface bytes that are for this protocol alone: those after the second TD or a later one
    that names it (§8.2.3)."""
    for before, group in zip(atr.groups[1:], atr.groups[2:], strict=False):
        if before.protocol == protocol:
            return group
    return InterfaceBytes()
