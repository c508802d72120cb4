"""The reader's side of T=1 as a pure machine: which block to send for what came (ISO/IEC 7816-3:2006 §11.6).

It does no input or output and knows no clock: :meth:`Ifd.received` and :meth:`Ifd.nothing_came` say what
happened, and the answer says what to do. A command is never sent a second time once the card may have
executed it: after three failures in a row the exchange fails, and the caller decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .t1 import IFS_DEFAULT, IFS_MOST, Block, BlockError, Kind, RError, SType

__all__ = ["RESPONSE_MOST", "Done", "Failed", "Ifd", "Outcome", "Send"]

RESPONSE_MOST = 65538
"""Bytes of the longest response APDU; a card that sends more is not listened to."""

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes and wait ``waiting`` times the block waiting time for the next block."""

    block: bytes = field(repr=False)
    waiting: int = 1


@dataclass(frozen=True, slots=True)
class Done:
    """The exchange is complete; empty after IFS and RESYNCH."""

    response: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """The exchange is lost, and whether the card executed the command is not known.

    ``block``, where there is one, ends it politely and is to be sent first; its answer does not matter.
    """

    why: str
    block: bytes | None = None


Outcome = Send | Done | Failed


class Ifd:
    """One card's T=1, seen by the reader, from its reset on. ``ifsc`` is what the ATR says, 32 if nothing."""

    def __init__(self, ifsc: int = IFS_DEFAULT, *, crc: bool = False, nad: int = 0) -> None:
        self.ifsc = ifsc
        self.ifsd = IFS_DEFAULT
        self._crc = crc
        self._nad = nad
        self._ns = 0  # of the next I-block, or of the one that is not acknowledged yet
        self._nr = 0  # N(S) that the card's next I-block must have
        self._last = Block(0)
        self._chunks: list[bytes] = []  # of the command, from the one that is under way on
        self._response = bytearray()
        self._failures = 0

    def negotiate_ifs(self, size: int = IFS_MOST) -> Send:
        """Tell the card how long its blocks may be (§11.4.2); done when it agrees."""
        return self._supervise(Block.s(SType.IFS, bytes((size,)), nad=self._nad))

    def resynchronise(self) -> Send:
        """Set both sides to their beginnings again, after a failure (§11.6.3.2 rule 6)."""
        return self._supervise(Block.s(SType.RESYNCH, nad=self._nad))

    def begin(self, command: bytes) -> Send:
        """Begin to send a command APDU, in as many blocks as IFSC asks for."""
        self._chunks = [
            command[start : start + self.ifsc] for start in range(0, len(command), self.ifsc)
        ] or [b""]
        self._response.clear()
        self._failures = 0
        return self._transmit(self._current())

    def retract(self) -> None:
        """The command of :meth:`begin` did not reach the card, which nobody but the caller can know: a PIN
        pad was cancelled. The machine stands where it stood before."""
        self._chunks = []

    def nothing_came(self) -> Outcome:
        """No block came in time, or one that the line damaged."""
        return self._invalid(RError.OTHER)

    def received(self, raw: bytes) -> Outcome:
        """A block came."""
        try:
            block = Block.parse(raw, crc=self._crc)
        except BlockError as error:
            return self._invalid(error.error)
        if block.kind is Kind.SUPERVISORY:
            return self._supervised(block)
        if self._asked:
            return self._invalid(RError.OTHER)
        return self._ready(block) if block.kind is Kind.READY else self._information(block)

    @property
    def _asked(self) -> bool:
        """Whether the last block was an S-request, which only its response ends."""
        return self._last.kind is Kind.SUPERVISORY and not self._last.response

    def _current(self) -> Block:
        return Block.i(self._ns, self._chunks[0], more=len(self._chunks) > 1, nad=self._nad)

    def _transmit(self, block: Block, waiting: int = 1) -> Send:
        self._last = block
        return Send(block.encode(crc=self._crc), waiting)

    def _supervise(self, block: Block) -> Send:
        self._chunks = []
        self._failures = 0
        return self._transmit(block)

    def _invalid(self, error: RError) -> Outcome:
        """Ask again: for the response of an S-request with the same request, for all else with an R-block."""
        self._failures += 1
        if self._failures >= _ATTEMPTS:
            return self._fail("no valid block in three attempts")
        if self._asked:
            return self._transmit(self._last)
        return self._transmit(Block.r(self._nr, error, nad=self._nad))

    def _repeat(self, block: Block) -> Outcome:
        self._failures += 1
        if self._failures >= _ATTEMPTS:
            return self._fail("the card did not accept a block in three attempts")
        return self._transmit(block)

    def _fail(self, why: str, block: Block | None = None) -> Failed:
        self._chunks = []
        return Failed(why, None if block is None else block.encode(crc=self._crc))

    def _supervised(self, block: Block) -> Outcome:
        if block.response:
            if not self._asked or (block.s_type, block.inf) != (self._last.s_type, self._last.inf):
                return self._invalid(RError.OTHER)
            return self._agreed(block)
        if self._asked or block.s_type is SType.RESYNCH:  # only the reader resynchronises
            return self._invalid(RError.OTHER)
        response = Block.s(block.s_type, block.inf, response=True, nad=self._nad)
        if block.s_type is SType.ABORT:
            return self._fail("the card aborted the chain", response)
        if block.s_type is SType.IFS:
            self._resize(block.inf[0])
            return self._transmit(response)
        return self._transmit(response, max(1, block.inf[0]))

    def _agreed(self, block: Block) -> Done:
        if block.s_type is SType.IFS:
            self.ifsd = block.inf[0]
        else:
            self._ns = self._nr = 0
            self.ifsd = IFS_DEFAULT
        self._last = block  # nothing is asked any more
        return Done(b"")

    def _resize(self, ifsc: int) -> None:
        """Cut what is not sent yet anew; the chunk under way keeps its size, should it be asked for again."""
        self.ifsc = ifsc
        rest = b"".join(self._chunks[1:])
        self._chunks[1:] = [rest[start : start + ifsc] for start in range(0, len(rest), ifsc)]

    def _ready(self, block: Block) -> Outcome:
        if self._chunks and block.nr == self._ns:
            return self._repeat(self._current())
        if len(self._chunks) > 1:
            self._chunks.pop(0)
            self._ns ^= 1
            self._failures = 0
            return self._transmit(self._current())
        # The whole command arrived; what the card asks for is our R-block in the middle of its own chain.
        if not self._chunks and self._last.kind is Kind.READY:
            return self._repeat(self._last)
        return self._invalid(RError.OTHER)

    def _information(self, block: Block) -> Outcome:
        if len(self._chunks) > 1 or block.ns != self._nr or (block.more and not block.inf):
            return self._invalid(RError.OTHER)
        if self._chunks:
            self._chunks = []
            self._ns ^= 1
        self._nr ^= 1
        self._failures = 0
        self._response += block.inf
        if len(self._response) > RESPONSE_MOST:
            return self._fail("the card's answer is longer than any response APDU")
        if block.more:
            return self._transmit(Block.r(self._nr, nad=self._nad))
        self._last = block
        return Done(bytes(self._response))
