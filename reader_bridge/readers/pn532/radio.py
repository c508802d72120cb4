"""The commands of a PN532 that this house uses, with their answers read (NXP UM0701-02 §7)."""

from __future__ import annotations

import time

from ....apdu.errors import ReaderError, Words
from ...frames.iso_dep import MAX_RESPONSE
from ...frames.iso_dep_activation import CARRIER
from ...frames.pn532 import WAKE_UP, Signal
from ...frames.pn532_commands import (
    BAUD_RATES,
    MAX_EXCHANGE,
    MORE,
    STATUS_MASK,
    BrTy,
    Code,
    FirmwareVersion,
    Parameters,
    RfItem,
    StatusByte,
    Target,
    meaning,
    parse_targets,
)
from ..serial_port import SerialPort
from .chip import Chip, LineTrouble
from .options import Mode, Options

__all__ = ["Radio", "open_radio"]

RESET_BAUD = 115200
FIELD_OFF_SECONDS = 0.02
"""Longer than the 5.1 ms after which every card has lost its power (ISO 14443-3:2018 §5.4)."""
FIELD_ON_SECONDS = 0.01
"""Longer than the 5 ms within which every card is ready (ISO 14443-3:2018 §5.2)."""

_IC = 0x32
_NORMAL_MODE = b"\x01"
_ATR_RES_TIMEOUT = 0x0B
_TIMEOUT_UNIT = 1e-4
_LONGEST_TIMEOUT_CODE = 16
_FRAME_SECONDS = 49152 / CARRIER
"""What ISO 14443-4 §7.2 adds to the frame waiting time (ΔFWT)."""
_LIST_SECONDS = 1.0

# What the air does to a frame: as good as no answer, for the rules of ISO 14443-4 §7.5.5.
_AIR = {
    StatusByte.TIMEOUT,
    StatusByte.CRC,
    StatusByte.PARITY,
    StatusByte.BIT_COUNT,
    StatusByte.FRAMING,
    StatusByte.COLLISION,
    StatusByte.BUFFER_SIZE,
    StatusByte.RF_OVERFLOW,
    StatusByte.RF_PROTOCOL,
    StatusByte.INTERNAL_OVERFLOW,
}


def open_radio(options: Options) -> Radio:
    """Open the line, wake the chip and see that it is a PN532.

    Raises ReaderError ``line.*``, ``pn532.chip`` or ``pn532.answer``.
    """
    port = SerialPort(options.device)
    try:
        radio = Radio(Chip(port), options)
        radio.wake()
    except BaseException:
        port.close()
        raise
    return radio


class Radio:
    """A chip that is awake, and what it does to cards."""

    def __init__(self, chip: Chip, options: Options) -> None:
        self.chip = chip
        self.options = options
        self.version = FirmwareVersion()
        self._timeout_code: int | None = None

    def wake(self) -> None:
        """From sleep to a known state, with the field off."""
        self._answer_at_some_baud()
        self.chip.learn_postambles()
        raw = self.chip.command(Code.GET_FIRMWARE_VERSION)
        try:
            self.version = FirmwareVersion.parse(raw)
        except ValueError as error:
            raise _nonsense(str(error)) from error
        if self.version.ic != _IC:
            raise ReaderError("pn532.chip", line=self.chip.port.name, ic=f"{self.version.ic:02X}")
        if self.options.baud not in (None, self.chip.port.baud):
            self._change_baud(self.options.baud or RESET_BAUD)
        flags = Parameters.AUTO_RATS if self.options.mode is Mode.DATA_EXCHANGE else Parameters(0)
        self.chip.command(Code.SET_PARAMETERS, bytes((flags,)))
        # Finite everywhere; and no repetition on the air that a card could take for a second command.
        self._configure(RfItem.MAX_RETRIES, b"\x00\x01\x01")
        self._configure(RfItem.MAX_RETRY_COM, b"\x00")
        self.field(on=False)

    def field(self, *, on: bool) -> None:
        """Switch the field, and wait until cards have noticed."""
        self._configure(RfItem.FIELD, bytes((on,)))
        time.sleep(FIELD_ON_SECONDS if on else FIELD_OFF_SECONDS)

    def find(self, brty: BrTy) -> Target | None:
        """One card of that type, selected (type B: after ATTRIB too); None when there is none."""
        data = b"\x01" + bytes((brty,)) + (b"\x00" if brty is BrTy.B106 else b"")
        raw = self.chip.command(Code.IN_LIST_PASSIVE_TARGET, data, timeout=_LIST_SECONDS)
        try:
            found = parse_targets(brty, raw, auto_rats=self.options.mode is Mode.DATA_EXCHANGE)
        except ValueError as error:
            raise _nonsense(str(error)) from error
        return found[0] if found else None

    def through(self, frame: bytes, timeout: float) -> bytes | None:
        """A raw frame to the card and what comes back; None when nothing valid did within ``timeout``
        seconds, or when the line lost it. Never sent twice."""
        limit = self._set_timeout(timeout + _FRAME_SECONDS)
        try:
            answer = self.chip.once(Code.IN_COMMUNICATE_THRU, frame, timeout=limit)
        except LineTrouble:
            return None
        status = self._status(answer)
        if status in _AIR:
            return None
        if status is not StatusByte.OK:
            raise _refused(answer[0])
        return answer[1:]

    def exchange(self, number: int, command: bytes) -> bytes | None:
        """An APDU to target ``number`` by the chip's own ISO 14443-4; None when the card has gone.

        Raises ReaderError ``pn532.uncertain`` when the line lost the answer: the card may have carried the
        command out. Never sent twice.
        """
        whole, data = bytearray(), command
        while True:
            try:
                answer = self.chip.once(
                    Code.IN_DATA_EXCHANGE, bytes((number,)) + data, timeout=self.options.patience
                )
            except LineTrouble as error:
                raise ReaderError("pn532.uncertain", line=self.chip.port.name) from error
            status = self._status(answer)
            if status in _AIR or status is StatusByte.CARD_GONE:
                return None
            if status is not StatusByte.OK:
                raise _refused(answer[0])
            whole += answer[1:]
            if not answer[0] & MORE:
                return bytes(whole)
            if len(answer) == 1 or len(whole) > MAX_RESPONSE:
                raise _nonsense("a chain of answers without end")
            data = b""

    def release(self) -> None:
        """Forget every target; the field stays."""
        self.chip.command(Code.IN_RELEASE, b"\x00")

    def close(self) -> None:
        """Leave the field off and the line at the rate that a chip has after a reset; close the line."""
        try:
            self.field(on=False)
            if self.chip.port.baud != RESET_BAUD:
                self._change_baud(RESET_BAUD)
        except ReaderError:
            # The line is lost: there is nobody left to tell.
            return
        finally:
            self.chip.port.close()

    def _answer_at_some_baud(self) -> None:
        """Wake the chip at the rate after a reset, or at the one that it may have been left at."""
        rates = dict.fromkeys((RESET_BAUD, self.options.baud or RESET_BAUD))
        failure: ReaderError | None = None
        for rate in rates:
            if self.chip.port.baud != rate:
                self.chip.port.baud = rate
            try:
                self._wake_here()
            except ReaderError as error:
                failure = error
                continue
            return
        if failure is not None:
            raise failure

    def _wake_here(self) -> None:
        self.chip.port.drain()
        # A chip that works on something drops it; one that sleeps needs the dummy before the command.
        self.chip.abort()
        self.chip.command(Code.SAM_CONFIGURATION, _NORMAL_MODE, wake_up=WAKE_UP)

    def _change_baud(self, rate: int) -> None:
        self.chip.command(Code.SET_SERIAL_BAUD_RATE, bytes((BAUD_RATES.index(rate),)))
        # The change is made when the host has acknowledged the answer.
        self.chip.port.write(Signal.ACK.wire)
        time.sleep(FIELD_ON_SECONDS)
        self.chip.port.baud = rate

    def _set_timeout(self, seconds: float) -> float:
        """Make the chip wait so long for a card; how long it really waits then."""
        code = 1
        while code <= _LONGEST_TIMEOUT_CODE and _TIMEOUT_UNIT * (1 << (code - 1)) < seconds:
            code += 1
        if code > _LONGEST_TIMEOUT_CODE:
            code = 0  # no limit of the chip's own: the host's ends it
        if code != self._timeout_code:
            self._timeout_code = None
            self._configure(RfItem.TIMINGS, bytes((0x00, _ATR_RES_TIMEOUT, code)))
            self._timeout_code = code
        return _TIMEOUT_UNIT * (1 << (code - 1)) if code else seconds

    def _configure(self, item: RfItem, data: bytes) -> None:
        self.chip.command(Code.RF_CONFIGURATION, bytes((item,)) + data)

    def _status(self, answer: bytes) -> StatusByte:
        if not answer or len(answer) > MAX_EXCHANGE + 1:
            raise _nonsense(f"{len(answer)} bytes with a status byte")
        try:
            return StatusByte(answer[0] & STATUS_MASK)
        except ValueError as error:
            raise _refused(answer[0]) from error


def _nonsense(what: str) -> ReaderError:
    return ReaderError("pn532.answer", what=what)


def _refused(status: int) -> ReaderError:
    words = meaning(status)
    return ReaderError("pn532.status", status=f"{status & STATUS_MASK:02X}", what=Words(words.en, words.ja))
