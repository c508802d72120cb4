"""The card's side of T=1 as a pure machine: what a card answers to a block (ISO/IEC 7816-3:2006 §11.6).

A command is executed once for each N(S): a block that is repeated, damaged or out of turn never executes
anything, so that a try of a PIN is not counted twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .t1 import IFS_DEFAULT, IFS_MOST, Block, BlockError, Kind, RError, SType

__all__ = ["COMMAND_MOST", "Execute", "Icc"]

COMMAND_MOST = 65544
"""Bytes of the longest command APDU; the chain of a longer one is aborted."""


@dataclass(frozen=True, slots=True)
class Execute:
    """A whole command APDU; :meth:`Icc.answer` takes its response."""

    command: bytes = field(repr=False)


class Icc:
    """One card's T=1 from its reset on. ``ifsc`` is what its ATR announced."""

    def __init__(self, ifsc: int = IFS_MOST, *, crc: bool = False) -> None:
        self._ifsc = ifsc
        self._ifsd = IFS_DEFAULT
        self._crc = crc
        self._reset()
        self._nad = 0

    def _reset(self) -> None:
        self._ns = 0  # of the next I-block, or of the one that is not acknowledged yet
        self._nr = 0  # N(S) that the next I-block of the reader must have
        self._command = bytearray()
        self._chunks: list[bytes] = []  # of the response, from the one that is under way on
        self._last: Block | None = None
        self._executing = False

    def received(self, raw: bytes) -> bytes | Execute | None:
        """A block came: the block to answer with, a command to execute, or None to go on executing (after
        the response to S(WTX request))."""
        try:
            block = Block.parse(raw, crc=self._crc)
        except BlockError as error:
            return self._complain(error.error)
        # The card's blocks go to where the reader's came from (§11.3.2.1).
        self._nad = (block.nad & 0x07) << 4 | block.nad >> 4 & 0x07
        if block.kind is Kind.SUPERVISORY:
            return self._supervised(block)
        if self._executing:
            return self._complain(RError.OTHER)
        return self._ready(block) if block.kind is Kind.READY else self._information(block)

    def answer(self, response: bytes) -> bytes:
        """The first block of the response APDU of what was executed."""
        self._executing = False
        size = self._ifsd
        self._chunks = [response[start : start + size] for start in range(0, len(response), size)] or [b""]
        return self._current()

    def ask_for_time(self, multiplier: int = 1) -> bytes:
        """S(WTX request), while a command executes."""
        return self._transmit(Block.s(SType.WTX, bytes((multiplier,)), nad=self._nad))

    def _transmit(self, block: Block) -> bytes:
        self._last = block
        return block.encode(crc=self._crc)

    def _current(self) -> bytes:
        return self._transmit(Block.i(self._ns, self._chunks[0], more=len(self._chunks) > 1, nad=self._nad))

    def _complain(self, error: RError) -> bytes:
        """What answers a block that cannot be used: an S-request again, else an R-block."""
        last = self._last
        if last is not None and last.kind is Kind.SUPERVISORY and not last.response:
            return self._transmit(last)
        return self._transmit(Block.r(self._nr, error, nad=self._nad))

    def _supervised(self, block: Block) -> bytes | None:
        if block.response:
            last = self._last
            if last is None or (block.s_type, block.inf) != (last.s_type, last.inf) or last.response:
                return self._complain(RError.OTHER)
            self._last = block
            return None if self._executing else self._transmit(Block.r(self._nr, nad=self._nad))
        if block.s_type is SType.WTX or self._executing:  # only the card asks for time
            return self._complain(RError.OTHER)
        if block.s_type is SType.RESYNCH:
            self._reset()
            self._ifsd = IFS_DEFAULT
        elif block.s_type is SType.IFS:
            self._ifsd = block.inf[0]
        else:
            self._command.clear()
            self._chunks = []
        return self._transmit(Block.s(block.s_type, block.inf, response=True, nad=self._nad))

    def _ready(self, block: Block) -> bytes:
        if self._chunks and block.nr == self._ns:
            return self._current()
        if len(self._chunks) > 1:
            self._chunks.pop(0)
            self._ns ^= 1
            return self._current()
        if not self._chunks and self._last is not None:
            return self._transmit(self._last)
        return self._complain(RError.OTHER)

    def _information(self, block: Block) -> bytes | Execute:
        wrong = block.ns != self._nr or len(block.inf) > self._ifsc or len(self._chunks) > 1
        if wrong:
            return self._complain(RError.OTHER)
        if self._chunks:  # the reader goes on: it has the whole response
            self._chunks = []
            self._ns ^= 1
        self._nr ^= 1
        self._command += block.inf
        if len(self._command) > COMMAND_MOST:
            self._command.clear()
            return self._transmit(Block.s(SType.ABORT, nad=self._nad))
        if block.more:
            return self._transmit(Block.r(self._nr, nad=self._nad))
        command = bytes(self._command)
        self._command.clear()
        self._last = None
        self._executing = True
        return Execute(command)
