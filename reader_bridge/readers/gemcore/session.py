"""One card in one slot, from power-on to power-off: activation, PPS, and APDUs over T=0 and T=1.

What protects the card's holder: a message that carries an APDU is sent once, and only T=1 may repeat a block,
when the card itself says that it waits for it. After T=0 lost an answer nobody can know whether the card
executed the command; that is said, and nothing is repeated.
"""

from __future__ import annotations

import time

from ....apdu.errors import EXCHANGE, CardError, CardRemoved, MalformedResponse, ReaderError, TegataError
from ...frames import t0, t1_ifd
from ...frames.ccid import Error, FromReader, IccStatus, Request
from ...frames.ccid_pin import PinFormat, PinVerify
from ...frames.pps import Pps
from .line import Line
from .negotiation import Agreement
from .transport import COMMANDS, Unanswered

__all__ = ["Session", "state"]

CANCELLED, TIMED_OUT = b"\x64\x01", b"\x64\x00"
"""What a PIN entry answers that did not reach the card (PC/SC part 10 §2.5.2)."""
PIN_SECONDS = 30
_SHORT_MOST = 261
_ATTEMPTS = 3
_PAD_BLOCK_MOST = 15
_BUSY_SECONDS = 0.1
_SPOILED = (Error.XFR_PARITY, Error.XFR_OVERRUN, Error.ICC_MUTE)
"""Failures of one transfer that T=1 asks again about."""


class _Spoiled(ReaderError):
    """The reader got no good block from the card."""

    default_code = "gemcore.mute"


class _Busy(ReaderError):
    """The slot still works on the command before; it has done nothing with this one."""

    default_code = "gemcore.refused"


def state(line: Line, slot: int) -> IccStatus:
    """What is in the slot. Raises ReaderError."""
    reply = line.ask(Request.GET_SLOT_STATUS, slot)
    return IccStatus.ABSENT if reply.icc is None else reply.icc


class Session:
    """A powered card. Raises CardRemoved, ReaderError ``gemcore.mute``, ``gemcore.refused``, Unanswered."""

    def __init__(self, line: Line, slot: int) -> None:
        self._line = line
        self._slot = slot
        self._ifd = t1_ifd.Ifd()
        self._dead = False
        self.atr = b""
        self.agreement: Agreement
        self.power_on()

    def power_on(self) -> None:
        """A cold reset and all that follows it, up to the first APDU. Nothing is at stake before that one: so
        it begins anew when something goes wrong, without PPS the last time."""
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            try:
                self._activate(fast=not last)
            except (Unanswered, _Spoiled):
                if last:
                    raise
            else:
                return

    def power_off(self) -> None:
        """The card forgets what was verified. Asked until the reader says so, three times at most: a frame
        that the line lost must not leave a PIN behind."""
        self._dead = True
        self._line.ask(Request.ICC_POWER_OFF, self._slot)

    def transmit(self, command: bytes) -> bytes:
        """One APDU and its answer, as long as its protocol carries it."""
        self._check()
        if self.agreement.protocol == 0:
            return self._over_t0(command)
        return self._run(self._ifd.begin(command))

    def verify_on_pad(self, template: bytes, least: int, most: int) -> bytes:
        """Let the reader ask for a PIN of ``least`` to ``most`` digits and put it into ``template``."""
        self._check()
        t1 = self.agreement.protocol == 1
        started = self._ifd.begin(template) if t1 else None
        entry = _pin_entry(template, started.block[:3] if started else b"\0\0\0", least, most)
        try:
            reply = self._line.exchange(Request.SECURE, self._slot, bytes(entry), wait=self._line.timing.pin)
        except Unanswered:
            if started is None:
                raise
            return self._run(self._ifd.nothing_came(), entry=True)
        if reply.failed and reply.error in (Error.PIN_CANCELLED, Error.PIN_TIMEOUT):
            self._ifd.retract()
            return CANCELLED if reply.error == Error.PIN_CANCELLED else TIMED_OUT
        if started is None:
            return _whole(self._data(reply, Request.SECURE))
        try:
            block = self._data(reply, Request.SECURE)
        except _Spoiled:
            return self._run(self._ifd.nothing_came(), entry=True)
        return self._run(self._ifd.received(block), entry=True)

    # Activation

    def _activate(self, *, fast: bool) -> None:
        line, slot = self._line, self._slot
        self._dead = False
        line.ask(Request.ICC_POWER_OFF, slot)
        reply = line.ask(Request.ICC_POWER_ON, slot, wait=line.timing.power)
        self.atr = self._data(reply, Request.ICC_POWER_ON)
        try:
            self.agreement = Agreement.read(self.atr, fast=fast)
        except ValueError as error:
            raise MalformedResponse(str(error), "the ATR") from None
        if (pps := self.agreement.pps) is not None:
            self._ask_for(pps)
        self._set_parameters()
        self._ifd = t1_ifd.Ifd(self.agreement.ifsc, crc=self.agreement.crc)
        if self.agreement.protocol == 1:
            self._run(self._ifd.negotiate_ifs())

    def _ask_for(self, pps: Pps) -> None:
        """PPS; a card that answers another speed than the one asked for is activated anew."""
        answer = self._transfer(bytes(pps), self._line.timing.card)
        if answer != bytes(pps):
            raise _Spoiled(reader=self._line.name)

    def _set_parameters(self) -> None:
        agreement = self.agreement
        specific = bytes((agreement.protocol, 0, 0))
        data = bytes(agreement.parameters)
        reply = self._line.ask(Request.SET_PARAMETERS, self._slot, data, specific=specific)
        if reply.failed and reply.error != Error.COMMAND_UNSUPPORTED and not reply.error <= 0x7F:
            self._data(reply, Request.SET_PARAMETERS)

    # APDUs

    def _check(self) -> None:
        if self._dead:
            raise CardRemoved(what=EXCHANGE)

    def _over_t0(self, command: bytes) -> bytes:
        try:
            exchange = t0.Exchange(command)
        except ValueError:
            raise CardError("card.too_long", command=command[:4].hex().upper(), length=len(command)) from None
        step: t0.Send | t0.Done = exchange.begin()
        deadline = time.monotonic() + self._line.timing.longest
        while isinstance(step, t0.Send):
            if time.monotonic() > deadline:
                raise self._unanswered()
            answer = self._transfer(step.tpdu, self._wait)
            try:
                step = exchange.received(answer)
            except ValueError as error:
                raise MalformedResponse(str(error), command[:4].hex().upper()) from None
        return step.response

    def _run(self, step: t1_ifd.Outcome, *, entry: bool = False) -> bytes:
        """Drive the machine of T=1 to the end of what it began. After a PIN entry (``entry``) its own I-block
        is never sent: it has the template's bytes where the PIN was, and would cost a try."""
        deadline = time.monotonic() + self._line.timing.longest
        while True:
            if isinstance(step, t1_ifd.Done):
                return step.response
            if isinstance(step, t1_ifd.Failed) or time.monotonic() > deadline:
                self._begin_anew(step.block if isinstance(step, t1_ifd.Failed) else None)
                raise self._unanswered()
            if entry and not step.block[1] & 0x80:
                self._ifd.retract()
                raise self._unanswered(Request.SECURE)
            try:
                block = self._transfer(step.block, self._wait * step.waiting, step.waiting)
            except _Busy:
                time.sleep(_BUSY_SECONDS)  # the answer of the command before is still to come
            except (Unanswered, _Spoiled):
                step = self._ifd.nothing_came()
            else:
                step = self._ifd.received(block)

    def _begin_anew(self, farewell: bytes | None) -> None:
        """After a lost exchange: set the block numbers of both sides to their beginnings. A card with which
        that fails is used no more before a reset. Raises Unanswered when the reader itself is gone."""
        self._dead = True
        self._line.exchange(Request.GET_SLOT_STATUS, self._slot)
        if farewell is not None:
            self._try(farewell)
        step: t1_ifd.Outcome = self._ifd.resynchronise()
        for _ in range(2 * _ATTEMPTS):
            if not isinstance(step, t1_ifd.Send):
                break
            block = self._try(step.block)
            step = self._ifd.nothing_came() if block is None else self._ifd.received(block)
        self._dead = not isinstance(step, t1_ifd.Done)

    def _try(self, block: bytes) -> bytes | None:
        """The card's block; None when none came that could be used."""
        try:
            return self._transfer(block, self._wait)
        except (Unanswered, _Spoiled, _Busy):
            return None

    @property
    def _wait(self) -> float:
        return max(self._line.timing.card, self.agreement.seconds * self._line.timing.patience)

    def _transfer(self, data: bytes, wait: float, waiting: int = 1) -> bytes:
        specific = bytes((waiting if waiting > 1 else 0, 0, 0))
        reply = self._line.exchange(Request.XFR_BLOCK, self._slot, data, specific=specific, wait=wait)
        return self._data(reply, Request.XFR_BLOCK)

    def _data(self, reply: FromReader, request: Request) -> bytes:
        """The data of a reply. Raises what its status says."""
        if reply.icc is IccStatus.ABSENT or (
            reply.icc is IccStatus.INACTIVE and request in (Request.XFR_BLOCK, Request.SECURE)
        ):
            self._dead = True
            raise CardRemoved(what=COMMANDS[request])
        if not reply.failed:
            return reply.data
        if reply.error in _SPOILED:
            raise _Spoiled(reader=self._line.name)
        refused = self._line.refused(request, reply.error)
        if reply.error == Error.SLOT_BUSY:
            raise _Busy(**refused.details)
        raise refused

    def _unanswered(self, request: Request = Request.XFR_BLOCK) -> TegataError:
        return Unanswered(reader=self._line.name, what=COMMANDS[request])


def _pin_entry(template: bytes, prologue: bytes, least: int, most: int) -> PinVerify:
    """The PIN goes to the front of the template's data field, which keeps its length; into a template without
    one it is put at its own length."""
    room = len(template) - 5
    if room <= 0:
        return PinVerify(template[:4], PIN_SECONDS, PinFormat(block=0), least, most, prologue=prologue)
    block = min(room, _PAD_BLOCK_MOST)
    most = min(most, block)
    return PinVerify(template, PIN_SECONDS, PinFormat(block=block), min(least, most), most, prologue=prologue)


def _whole(answer: bytes) -> bytes:
    if len(answer) < 2:
        raise MalformedResponse("fewer than two bytes", "a PIN entry")
    return answer
