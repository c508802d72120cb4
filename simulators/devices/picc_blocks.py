"""The card's side of the half-duplex block protocol (ISO/IEC 14443-4:2018 §7), without input and output.

Blocks stand here without their CRC. Whatever is not for this card, not whole or out of turn stays without
an answer: frames of other protocols look like blocks (``06 00`` of the SRx cards, ``0A`` of iClass).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ...reader_bridge.frames.iso_dep import CRC_LENGTH, Block, Kind

__all__ = ["LONGEST_COMMAND", "PiccBlocks", "Turn", "What"]

LONGEST_COMMAND = 65544
"""Bytes of the longest command APDU (ISO 7816-4); a chain that goes past it is not answered any more."""


class What(enum.Enum):
    """What a block from the reader leads to."""

    NOTHING = enum.auto()
    SEND = enum.auto()
    COMPUTE = enum.auto()
    WAIT = enum.auto()
    DESELECTED = enum.auto()


@dataclass(frozen=True, slots=True)
class Turn:
    """The card's turn. ``data`` is the block to send, or for COMPUTE the whole command; WAIT says that the
    reader granted more time; DESELECTED that the card halts after sending ``data``."""

    what: What
    data: bytes = b""


_NOTHING = Turn(What.NOTHING)


class PiccBlocks:
    """One activation of a card: from RATS or ATTRIB to S(DESELECT). Rule numbers are those of §7.5.4.

    ``fsd`` and ``fsc`` are the longest frames, CRC included, that reader and card take. ``cid`` is what the
    reader assigned, None for a card that knows no CID.
    """

    def __init__(self, fsd: int, fsc: int, cid: int | None = 0) -> None:
        self._fsd, self._fsc, self._cid = fsd, fsc, cid
        self._number = 1  # rule C
        self._command = bytearray()
        self._answer = b""
        self._last: bytes | None = None
        self._asked = False  # this block and so its answer carry the CID
        self._computing = False
        self._extension: int | None = None

    def receive(self, raw: bytes) -> Turn:
        """A block from the reader."""
        try:
            block = Block.parse(raw)
        except ValueError:
            return _NOTHING
        if len(raw) + CRC_LENGTH > self._fsc or block.nad is not None or not self._is_for_us(block):
            return _NOTHING
        if self._computing and self._extension is None:
            return _NOTHING
        self._asked = block.cid is not None
        if block.kind is Kind.DESELECT:
            return Turn(What.DESELECTED, bytes(Block(Kind.DESELECT, cid=self._reply_cid)))
        if self._extension is not None:
            return self._while_extending(block)
        if block.kind is Kind.WTX:
            return _NOTHING
        if block.kind is Kind.I:
            return self._information(block)
        return self._acknowledgement(block)

    def answer(self, response: bytes) -> bytes:
        """The first block of the answer to the command that COMPUTE gave."""
        self._computing, self._extension = False, None
        self._answer = response
        return self._next_piece()

    def extend(self, factor: int) -> bytes:
        """S(WTX): ask for ``factor`` times the frame waiting time (rule 9)."""
        self._extension = factor
        return self._send(Block(Kind.WTX, data=bytes((factor,)), cid=self._reply_cid))

    @property
    def _reply_cid(self) -> int | None:
        return self._cid if self._asked else None

    def _is_for_us(self, block: Block) -> bool:
        """§7.1.1.2: a card with CID 0 also answers without CID, one with another only to its own."""
        if block.cid is None:
            return self._cid in (None, 0)
        return block.cid == self._cid

    def _information(self, block: Block) -> Turn:
        if len(self._command) + len(block.data) > LONGEST_COMMAND:
            return _NOTHING
        self._number ^= 1  # rule D
        self._answer = b""
        self._command += block.data
        if block.chaining:
            return Turn(What.SEND, self._send(Block(Kind.ACK, self._number, cid=self._reply_cid)))
        command = bytes(self._command)
        self._command.clear()
        if not command:
            return Turn(What.SEND, self._send(Block(Kind.I, self._number, cid=self._reply_cid)))
        self._computing, self._last = True, None
        return Turn(What.COMPUTE, command)

    def _acknowledgement(self, block: Block) -> Turn:
        if block.number == self._number:  # rule 11
            return _NOTHING if self._last is None else Turn(What.SEND, self._last)
        if block.kind is Kind.NAK:  # rule 12
            return Turn(What.SEND, bytes(Block(Kind.ACK, self._number, cid=self._reply_cid)))
        if not self._answer:
            return _NOTHING
        self._number ^= 1  # rules E and 13
        return Turn(What.SEND, self._next_piece())

    def _while_extending(self, block: Block) -> Turn:
        """Between S(WTX) and its answer."""
        if block.kind is Kind.WTX and block.data[0] & 0x3F == self._extension:
            self._extension = None
            return Turn(What.WAIT)
        if block.kind is Kind.NAK and self._last is not None:
            return Turn(What.SEND, self._last)
        return _NOTHING

    def _next_piece(self) -> bytes:
        room = self._fsd - CRC_LENGTH - 1 - self._asked
        piece, self._answer = self._answer[:room], self._answer[room:]
        return self._send(Block(Kind.I, self._number, piece, bool(self._answer), self._reply_cid))

    def _send(self, block: Block) -> bytes:
        self._last = bytes(block)
        return self._last
