"""A card in a slot, as the host of a TPDU-level reader meets it: power, PPS, parameters, blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ....apdu.errors import CardRemoved, TegataError
from ....apdu.ports import Link, TransmissionProtocol
from ...frames.ccid import Error, MessageError, T0Parameters, T1Parameters, parse_parameters
from ...frames.pps import Pps
from ...frames.t1 import IFS_MOST, Block
from ...frames.t1_icc import Execute, Icc
from .refusal import Refused
from .shown_atr import shown_atr, t1_characters
from .t0_card import T0Card

__all__ = ["Card", "Gone"]

T = TypeVar("T")

_BAD_PROTOCOL = 7
_FI_DI_DEFAULT = 0x11


class Gone(Exception):
    """The card was taken out during the command."""


class Card:
    """Everything is called from one thread, which owns the Link. Methods raise Refused and Gone.

    ``protocol`` overrules what the Link says: a card that is reached by APDUs can be shown over T=0 too.
    """

    def __init__(self, link: Link, protocol: TransmissionProtocol | None = None) -> None:
        self._link = link
        self._protocol = protocol
        self._fresh = False  # whether nothing was done with the card since its last reset
        self._untouched = False  # whether the host may still send PPS
        self._offered: tuple[int, ...] = ()
        self._defaults: dict[int, T0Parameters | T1Parameters] = {}
        self._crc = False
        self._t1 = Icc()
        self._t0 = T0Card(self._transmit, native=False)
        self.parameters: T0Parameters | T1Parameters = T0Parameters()

    def power_on(self) -> bytes:
        """Reset the card; the ATR that the host gets."""
        if not self._fresh:
            self._reset()
        raw, info = self._guarded(lambda: (self._link.atr, self._link.info))
        atr = shown_atr(raw, self._protocol or info.protocol)
        characters = t1_characters(atr)
        self._offered = atr.protocols
        fi_di = atr.groups[0].ta or _FI_DI_DEFAULT
        self._defaults = {
            0: T0Parameters(fi_di=fi_di),
            1: T1Parameters(
                fi_di=fi_di,
                checksum=0x10 | characters.crc,
                waiting_integers=characters.waiting_integers,
                ifsc=characters.ifsc,
            ),
        }
        self._crc = characters.crc
        self._t1 = Icc(characters.ifsc, crc=characters.crc)
        self._t0 = T0Card(self._transmit, native=info.protocol is TransmissionProtocol.T0)
        self.reset_parameters()
        self._untouched = True
        return bytes(atr)

    def power_off(self) -> None:
        """Reset the card, so that nothing stays verified in it."""
        if not self._fresh:
            self._reset()

    def close(self) -> None:
        """The card leaves the slot, and loses its power."""
        self._link.close()

    def reset_parameters(self) -> None:
        """The protocol that the ATR names first, with its values."""
        self.parameters = self._defaults[1 if self._offered[0] == 1 else 0]

    def set_parameters(self, protocol: int, data: bytes) -> None:
        """What the host chose. Raises Refused with the offset of what is wrong."""
        try:
            parameters = parse_parameters(protocol, data)
        except MessageError as error:
            raise Refused(error.offset) from None
        if protocol not in self._offered:
            raise Refused(_BAD_PROTOCOL)
        self.parameters = parameters

    def exchange(self, data: bytes) -> bytes:
        """The answer to PPS, to a T=1 block or to a T=0 TPDU, by the protocol in force."""
        untouched, self._untouched = self._untouched, False
        if untouched and (answer := self._pps(data)) is not None:
            return answer
        if self.parameters.protocol == 0:
            return self._t0.exchange(data)
        answer_or_command = self._t1.received(data)
        if isinstance(answer_or_command, Execute):
            return self._t1.answer(self._transmit(answer_or_command.command))
        if answer_or_command is None:
            raise Refused(Error.ICC_MUTE)
        return answer_or_command

    def exchange_secure(self, prologue: bytes, command: bytes) -> bytes:
        """An APDU with the PIN in it. Over T=1 the host gave NAD and PCB and wants a whole block back; LEN is
        set anew, since the PIN may have made the APDU longer."""
        if self.parameters.protocol == 0:
            return self.exchange(command)
        if len(command) > IFS_MOST:
            raise Refused(Error.XFR_OVERRUN)
        block = Block(prologue[1], command, prologue[0])
        return self.exchange(block.encode(crc=self._crc))

    def exchange_apdu(self, command: bytes) -> bytes:
        """A whole APDU, for a reader in APDU mode."""
        if len(command) < 4:
            raise Refused(1)
        self._untouched = False
        return self._transmit(command)

    def _pps(self, data: bytes) -> bytes | None:
        """The answer to a PPS that the card agrees to; None for what is none. One that it does not agree to
        is not answered (ISO/IEC 7816-3:2006 §9.3)."""
        try:
            pps = Pps.parse(data)
        except ValueError:
            return None
        if pps.protocol not in self._offered or pps.protocol not in self._defaults:
            raise Refused(Error.ICC_MUTE)
        self.parameters = self._defaults[pps.protocol]
        return data

    def _reset(self) -> None:
        self._guarded(self._link.reset)
        self._fresh = True

    def _transmit(self, command: bytes) -> bytes:
        self._fresh = False
        return self._guarded(lambda: self._link.transmit(command))

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except CardRemoved:
            raise Gone from None
        except TegataError:
            # A card that answers nonsense, or a reader behind that fails: to the host the card is mute.
            raise Refused(Error.ICC_MUTE) from None
