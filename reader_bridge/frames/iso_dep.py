"""The half-duplex block protocol of contactless cards (ISO/IEC 14443-4:2018 §7), without input and output.

:class:`Block` is the codec for both sides. :class:`Pcd` is the reader's side as a state machine: its methods
are generators that yield what to send and how long to wait (:class:`Step`), are sent what came back (None
for nothing or for a transmission error), and return the result. Blocks stand here without their CRC.
"""

from __future__ import annotations

import enum
from collections.abc import Generator
from dataclasses import dataclass, field

__all__ = ["MAX_RESPONSE", "Block", "IsoDepError", "Kind", "Lost", "Pcd", "Script", "Step", "Violation"]

MAX_RESPONSE = 65538
"""Bytes of the longest answer APDU (ISO 7816-4): a card that chains on past it lies."""

_CID_FOLLOWS = 0x08
_NAD_FOLLOWS = 0x04
_CHAINING = 0x10
_WTXM_MAX = 59
CRC_LENGTH = 2


class Kind(enum.IntEnum):
    """The five kinds of block, by their PCB without its varying bits (§7.1.1.1)."""

    I = 0x02  # noqa: E741 - the standard's name
    ACK = 0xA2
    NAK = 0xB2
    DESELECT = 0xC2
    WTX = 0xF2


@dataclass(frozen=True, slots=True)
class Block:
    """One block. ``number`` is the block number of an I- or R-block; ``data`` is INF, for S(WTX) its one
    byte; ``chaining`` says that this I-block is not the last of its chain."""

    kind: Kind
    number: int = 0
    data: bytes = field(default=b"", repr=False)
    chaining: bool = False
    cid: int | None = None
    nad: int | None = None

    def __bytes__(self) -> bytes:
        pcb = self.kind | self.number | (_CHAINING if self.chaining else 0)
        prologue = b""
        if self.cid is not None:
            pcb |= _CID_FOLLOWS
            prologue += bytes((self.cid,))
        if self.nad is not None:
            pcb |= _NAD_FOLLOWS
            prologue += bytes((self.nad,))
        return bytes((pcb,)) + prologue + self.data

    @classmethod
    def parse(cls, raw: bytes) -> Block:
        """Read a block without CRC. Raises ValueError for a PCB that is reserved and for a wrong length."""
        if not raw:
            raise ValueError("an empty block")
        pcb, rest = raw[0], raw[1:]
        kind, number = _kind(pcb)
        cid = nad = None
        if pcb & _CID_FOLLOWS:
            if not rest:
                raise ValueError("the CID is missing")
            cid, rest = rest[0] & 0x0F, rest[1:]
        if kind is Kind.I and pcb & _NAD_FOLLOWS:
            if not rest:
                raise ValueError("the NAD is missing")
            nad, rest = rest[0], rest[1:]
        if kind is not Kind.I and len(rest) != (1 if kind is Kind.WTX else 0):
            raise ValueError(f"{len(rest)} bytes in an {kind.name} block")
        return cls(kind, number, rest, kind is Kind.I and bool(pcb & _CHAINING), cid, nad)


def _kind(pcb: int) -> tuple[Kind, int]:
    if pcb & 0xE2 == 0x02:
        return Kind.I, pcb & 1
    if pcb & 0xE6 == 0xA2:
        return (Kind.NAK if pcb & _CHAINING else Kind.ACK), pcb & 1
    for kind in (Kind.DESELECT, Kind.WTX):
        if pcb & 0xF7 == kind:
            return kind, 0
    raise ValueError(f"a reserved PCB {pcb:02X}")


class IsoDepError(Exception):
    """The card's side of the protocol is broken."""


class Lost(IsoDepError):
    """Nothing valid came back, the repetitions of §7.5.5 included."""


class Violation(IsoDepError):
    """What came back is well formed and breaks the protocol."""


@dataclass(frozen=True, slots=True)
class Step:
    """Send ``frame`` and wait ``timeout`` seconds for what comes back."""

    frame: bytes = field(repr=False)
    timeout: float


Script = Generator[Step, bytes | None, bytes]
"""Sans-io: it is run by whoever can send and receive."""


class Pcd:
    """The reader's side of one activated card.

    ``frame_size`` is FSC, the bytes of the longest frame that the card takes, CRC included; ``fwt`` the
    frame waiting time in seconds. Rule numbers in comments are those of ISO/IEC 14443-4:2018 §7.5.5.
    No I-block is ever sent again unless the card's R(ACK) says that it has not had it.
    """

    def __init__(
        self,
        frame_size: int,
        fwt: float,
        *,
        cid: int | None = None,
        retries: int = 3,
        max_wtx: int = 4096,
    ) -> None:
        self._room = frame_size - CRC_LENGTH - 1 - (cid is not None)
        if self._room < 1:
            raise ValueError(f"frames of {frame_size} bytes have no room for data")
        self._fwt = fwt
        self._cid = cid
        self._retries = retries
        self._max_wtx = max_wtx
        self._number = 0  # rule A

    def exchange(self, command: bytes) -> Script:
        """One APDU. Returns the answer; raises Lost or Violation."""
        pieces = [command[at : at + self._room] for at in range(0, len(command), self._room)] or [b""]
        budget = _Budget(self._max_wtx)
        for piece in pieces[:-1]:
            answer = yield from self._send(Block(Kind.I, data=piece, chaining=True), budget)
            if answer.kind is not Kind.ACK:
                raise Violation("the card answered in the middle of a chained command")
        answer = yield from self._send(Block(Kind.I, data=pieces[-1]), budget)
        if answer.kind is not Kind.I:
            raise Violation("R(ACK) after the end of a command")
        whole = bytearray(answer.data)
        while answer.chaining:
            if not answer.data:
                raise Violation("an empty block in a chain")
            answer = yield from self._send(Block(Kind.ACK), budget)
            if answer.kind is not Kind.I:
                raise Violation("R(ACK) in the middle of a chained answer")
            whole += answer.data
            if len(whole) > MAX_RESPONSE:
                raise Violation("an answer without end")
        return bytes(whole)

    def present(self) -> Script:
        """Ask by R(NAK) whether the card is there (§7.5.6.3, method 1); the card's state stays as it is.

        Returns the card's answer; raises Lost.
        """
        probe = self._block(Kind.NAK, self._number)
        for _ in range(self._retries):
            raw = yield Step(bytes(probe), self._fwt)
            if self._parsed(raw) is not None and raw is not None:
                return raw
        raise Lost

    def deselect(self) -> Script:
        """S(DESELECT), twice at most (rule 8). Returns the card's answer; raises Lost."""
        for _ in range(2):
            raw = yield Step(bytes(self._block(Kind.DESELECT, 0)), self._fwt)
            block = self._parsed(raw)
            if raw is not None and block is not None and block.kind is Kind.DESELECT:
                return raw
        raise Lost

    def _send(self, block: Block, budget: _Budget) -> Generator[Step, bytes | None, Block]:
        """Send an I-block or R(ACK) until the block that acknowledges it has come, and toggle (rule B)."""
        block = Block(block.kind, self._number, block.data, block.chaining, self._cid)
        sending, timeout, failures = block, self._fwt, 0
        while True:
            answer = self._parsed((yield Step(bytes(sending), timeout)))
            timeout = self._fwt
            if answer is not None and answer.kind is Kind.WTX:
                factor = answer.data[0] & 0x3F
                budget.spend_wtx(factor)
                sending = Block(Kind.WTX, data=bytes((factor,)), cid=self._cid)
                timeout = self._fwt * factor  # for the one block that follows (§7.3)
                continue
            if answer is not None and answer.kind in (Kind.I, Kind.ACK) and answer.number == self._number:
                self._number ^= 1
                return answer
            failures += 1
            if failures > self._retries:
                raise Lost if answer is None else Violation(f"{answer.kind.name} block out of turn")
            if answer is not None and answer.kind is Kind.ACK and block.kind is Kind.I:
                sending = block  # rule 6: the card has not had it
            elif block.kind is Kind.ACK:
                sending = block  # rule 5: while the card chains, R(ACK) asks again
            else:
                sending = self._block(Kind.NAK, self._number)  # rule 4

    def _block(self, kind: Kind, number: int) -> Block:
        return Block(kind, number, cid=self._cid)

    def _parsed(self, raw: bytes | None) -> Block | None:
        """The block, None for nothing, for what is none, and for one that is to somebody else."""
        if raw is None:
            return None
        try:
            block = Block.parse(raw)
        except ValueError:
            return None
        return block if (block.cid or 0) == (self._cid or 0) and block.nad is None else None


class _Budget:
    """How often a card may ask for more time during one exchange."""

    def __init__(self, count: int) -> None:
        self._left = count

    def spend_wtx(self, factor: int) -> None:
        if not 1 <= factor <= _WTXM_MAX:
            raise Violation(f"a waiting time extension of {factor}")
        self._left -= 1
        if self._left < 0:
            raise Violation("waiting time extensions without end")
