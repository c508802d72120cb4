"""What a PN532 does with cards (NXP UM0701-02 §7.3): polling, activation, exchange, and its list of targets.

The chip is the reader of ISO 14443-3 and -4 here: it polls a card frame by frame, and speaks the block
protocol for InDataExchange. InCommunicateThru leaves that to the host.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from ...reader_bridge.frames.iso_dep import Lost, Script, Violation
from ...reader_bridge.frames.pn532_commands import (
    MAX_EXCHANGE,
    MORE,
    BrTy,
    StatusByte,
    TargetB,
    build_targets,
)
from .picc import Picc
from .picc_activation import Modulation
from .pn532_host import HostLine
from .pn532_polling import Found, poll_a, poll_b
from .pn532_registers import Register, Registers

__all__ = ["BadSyntax", "Radio"]

HLTA = b"\x50\x00"

FOREVER = 0xFF
MOST_TARGETS = 2
RETRY_SECONDS = 0.005
PERIOD_SECONDS = 0.15
DEFAULT_ANSWER_TIME = 0x0A
SENS_REQ_IN_FIFO = 0x26
"""What the FIFO still holds when nobody answered to SENS_REQ."""
FELICA_POLLING = 5
_AFI, _POLLING_METHOD = 1, 2

_POLLS: dict[int, BrTy] = {0x00: BrTy.A106, 0x03: BrTy.B106, 0x20: BrTy.A106, 0x23: BrTy.B106}
"""Types of InAutoPoll that find cards that speak ISO 14443-4."""
_OTHER_POLLS = frozenset({0x01, 0x02, 0x04, 0x10, 0x11, 0x12, 0x40, 0x41, 0x42, 0x80, 0x81, 0x82})


class BadSyntax(Exception):
    """A command that the chip does not know, or whose data is wrong: it answers with the error frame."""


@dataclass(slots=True)
class _Target:
    """A card in the chip's list; ``rest`` is what of its last answer the host has not fetched."""

    found: Found
    auto_rats: bool
    active: bool = True
    rest: bytes = field(default=b"")


class Radio:
    """The contactless half of the chip."""

    def __init__(self, picc: Picc | None, registers: Registers, host: HostLine) -> None:
        self._picc, self._registers, self._host = picc, registers, host
        self.targets: dict[int, _Target] = {}
        self.last_error = StatusByte.OK
        self.retries = FOREVER
        """MxRtyPassiveActivation: how often a poll is repeated."""
        self.answer_time = DEFAULT_ANSWER_TIME
        """The time-out of InCommunicateThru by its code: 100 µs doubled n - 1 times, 0 for none."""

    # The field

    @property
    def field(self) -> bool:
        return self._registers.field

    def set_field(self, on: bool) -> None:
        self._registers.set_field(on)
        if self._picc is not None:
            self._picc.set_field(on)

    def forget(self) -> None:
        """Empty the list of targets."""
        self.targets.clear()

    def _air(self, frame: bytes, modulation: Modulation, timeout: float = math.inf) -> bytes | None:
        if self._picc is None or not self.field:
            return None
        return self._picc.exchange(frame, modulation, timeout)

    # Polling

    def list_targets(self, data: bytes, auto_rats: bool) -> bytes:
        """InListPassiveTarget (§7.3.5). With FF retries and no card it goes on until the host gives up."""
        if len(data) < 2 or not 1 <= data[0] <= MOST_TARGETS:
            raise BadSyntax
        brty, initial = data[1], data[2:]
        _check_initial(brty, initial)
        self.forget()
        tries = 0
        while True:
            found = self._poll(brty, initial, auto_rats)
            if found is not None:
                return build_targets((found.target,))
            tries += 1
            if self.retries != FOREVER and tries > self.retries:
                return build_targets(())
            self._host.pause(RETRY_SECONDS)

    def auto_poll(self, data: bytes, auto_rats: bool) -> bytes:
        """InAutoPoll (§7.3.13): types in turn, so often as PollNr says, FF without end."""
        number, period, types = data[:1], data[1:2], data[2:]
        if not (number and number[0] and period and 1 <= period[0] <= 15 and 1 <= len(types) <= 15):
            raise BadSyntax
        if not all(kind in _POLLS or kind in _OTHER_POLLS for kind in types):
            raise BadSyntax
        self.forget()
        round_ = 0
        while number[0] == FOREVER or round_ < number[0]:
            round_ += 1
            for kind in types:
                brty = _POLLS.get(kind)
                initial = b"\x00" if brty is BrTy.B106 else b""
                # A type with "-4" in its name is activated whatever the parameters say.
                found = None if brty is None else self._poll(brty, initial, auto_rats or kind == 0x20)
                if found is not None:
                    description = bytes(found.target)
                    return bytes((1, kind, len(description))) + description
                self._host.pause(period[0] * PERIOD_SECONDS)
        return b"\x00"

    def _poll(self, brty: int, initial: bytes, auto_rats: bool) -> Found | None:
        """One try; what it finds is target 1."""
        self.set_field(True)
        found: Found | None = None
        if brty == BrTy.A106:
            self._registers.set_modulation(Modulation.A)
            found = poll_a(self._air, initial, auto_rats)
            self._registers.write(Register.FIFO_DATA, SENS_REQ_IN_FIFO if found is None else 0x00)
        elif brty == BrTy.B106:
            self._registers.set_modulation(Modulation.B)
            found = poll_b(self._air, initial[0])
        if found is not None:
            self.targets[1] = _Target(found, auto_rats)
        return found

    # Exchange

    def exchange(self, data: bytes) -> bytes:
        """InDataExchange (§7.3.8). A long answer comes in pieces: the host asks for the next one by a
        command without data. Chaining from the host is for DEP targets, no card here is one."""
        if not data:
            raise BadSyntax
        target = self.targets.get(data[0] & ~MORE)
        if target is None or not target.active:
            return self._status(StatusByte.CONTEXT)
        if data[0] & MORE:
            return self._status(StatusByte.NOT_ALLOWED)
        if len(data) > 1 or not target.rest:
            pcd = target.found.pcd
            if pcd is None:  # RATS was left to the host: the data goes out as it is
                return self._communicate(data[1:])
            target.rest = b""
            status, target.rest = self._play(pcd.exchange(data[1:]), target.found.modulation)
            if status is not StatusByte.OK:
                return self._status(status)
        piece, target.rest = target.rest[:MAX_EXCHANGE], target.rest[MAX_EXCHANGE:]
        return bytes((MORE if target.rest else StatusByte.OK,)) + piece

    def communicate(self, data: bytes) -> bytes:
        """InCommunicateThru (§7.3.9): a frame as it is, the chip adds and takes off the CRC."""
        return self._communicate(data)

    def attention(self) -> StatusByte:
        """Diagnose, test 6 (§7.2.1): is the card of type -4 still there?"""
        target = next((target for target in self.targets.values() if target.active), None)
        if target is None or target.found.pcd is None:
            return StatusByte.CONTEXT
        return self._play(target.found.pcd.present(), target.found.modulation)[0]

    def _communicate(self, frame: bytes) -> bytes:
        modulation = self._registers.modulation
        code = self.answer_time
        timeout = 100e-6 * 2 ** (min(code, 16) - 1) if code else math.inf
        answer = None if modulation is None else self._air(frame, modulation, timeout)
        if answer is not None:
            return bytes((StatusByte.OK,)) + answer[:MAX_EXCHANGE]
        if not code:
            self._host.until_aborted()
        return self._status(StatusByte.TIMEOUT)

    def _play(self, script: Script, modulation: Modulation) -> tuple[StatusByte, bytes]:
        """Run a script of the block protocol over the air; the host may abort it between two blocks."""
        try:
            step = next(script)
            while True:
                answer = self._air(step.frame, modulation, step.timeout)
                self._host.pause(0)
                step = script.send(answer)
        except StopIteration as done:
            return StatusByte.OK, done.value
        except Lost:
            return StatusByte.TIMEOUT, b""
        except Violation:
            return StatusByte.RF_PROTOCOL, b""

    def _status(self, status: StatusByte) -> bytes:
        self.last_error = status
        return bytes((status,))

    # The list of targets

    def deselect(self, data: bytes) -> bytes:
        """InDeselect (§7.3.10): the card halts, the chip remembers it."""
        return self._for_each(data, self._deselect)

    def release(self, data: bytes) -> bytes:
        """InRelease (§7.3.11): the card halts, the chip forgets it."""

        def release(number: int) -> StatusByte:
            status = self._deselect(number)
            del self.targets[number]
            return status

        return self._for_each(data, release)

    def select(self, data: bytes) -> bytes:
        """InSelect (§7.3.12): a card that was deselected is woken and activated again."""
        return self._for_each(data, self._select)

    def _for_each(self, data: bytes, action: Callable[[int], StatusByte]) -> bytes:
        """``action`` for the target that ``data`` numbers, 0 for all; the worst status."""
        if len(data) != 1:
            raise BadSyntax
        if data[0] and data[0] not in self.targets:
            return self._status(StatusByte.CONTEXT)
        numbers = [data[0]] if data[0] else list(self.targets)
        return self._status(max((action(number) for number in numbers), default=StatusByte.OK))

    def _deselect(self, number: int) -> StatusByte:
        target = self.targets[number]
        if not target.active:
            return StatusByte.OK
        target.active, target.rest = False, b""
        if target.found.pcd is None:
            self._air(HLTA, target.found.modulation)
            return StatusByte.OK
        return self._play(target.found.pcd.deselect(), target.found.modulation)[0]

    def _select(self, number: int) -> StatusByte:
        target = self.targets[number]
        if target.active:
            return StatusByte.OK
        before = target.found
        self._registers.set_modulation(before.modulation)
        if isinstance(before.target, TargetB):
            found = poll_b(self._air, 0x00, wake=True)
            if found is None:
                return StatusByte.CARD_GONE
            if bytes(found.target)[:13] != bytes(before.target)[:13]:  # Tg and ATQB
                return StatusByte.CARD_CHANGED
        else:
            found = poll_a(self._air, before.target.uid, target.auto_rats, wake=True)
            if found is None:
                return StatusByte.TIMEOUT
        self.targets[number] = _Target(found, target.auto_rats)
        return StatusByte.OK


def _check_initial(brty: int, initial: bytes) -> None:
    """InitiatorData as each BrTy needs it: a UID or nothing; AFI and a polling method; FeliCa's payload."""
    allowed: dict[int, tuple[int, ...]] = {
        BrTy.A106: (0, 4, 8, 12),
        BrTy.B106: (_AFI, _POLLING_METHOD),
        BrTy.FELICA_212: (FELICA_POLLING,),
        BrTy.FELICA_424: (FELICA_POLLING,),
        BrTy.JEWEL: (0,),
    }
    if len(initial) not in allowed.get(brty, ()):
        raise BadSyntax
