"""The way to one activated card: by our own ISO 14443-4 through the chip, or by the chip's.

Our own carries APDUs of any length, and makes a lost byte on the serial line as harmless as a lost frame on
the air: the card is asked by R(NAK), and says by its block number what it has had.
"""

from __future__ import annotations

import time
from typing import Protocol

from ....apdu.errors import EXCHANGE, CardRemoved, MalformedResponse, ReaderError
from ...frames.iso_dep import Block, Kind, Lost, Pcd, Script, Violation
from .radio import Radio

__all__ = ["Channel", "DataExchangeChannel", "IsoDepChannel"]

EXTENDED_COMMAND = 65544
EXTENDED_RESPONSE = 65538
SHORT_COMMAND = 261
SHORT_RESPONSE = 258
_PROBE_SECONDS = 0.1
_LEAST_WAIT = 0.01


class Channel(Protocol):
    """What a Link needs of it. ``exchange`` raises CardRemoved, MalformedResponse or ReaderError, after which
    the card has to be activated again."""

    @property
    def atr(self) -> bytes: ...
    @property
    def max_command(self) -> int: ...
    @property
    def max_response(self) -> int: ...
    def exchange(self, command: bytes) -> bytes: ...
    def present(self) -> bool: ...


class IsoDepChannel:
    """ISO 14443-4 spoken here; the chip carries blocks."""

    max_command = EXTENDED_COMMAND
    max_response = EXTENDED_RESPONSE

    def __init__(self, radio: Radio, atr: bytes, pcd: Pcd) -> None:
        self.atr = atr
        self._radio = radio
        self._pcd = pcd

    def exchange(self, command: bytes) -> bytes:
        """One APDU."""
        try:
            return self._run(self._pcd.exchange(command))
        except Lost as error:
            raise CardRemoved(what=EXCHANGE) from error
        except Violation as error:
            raise MalformedResponse(str(error), "ISO 14443-4") from error

    def present(self) -> bool:
        """Ask by R(NAK)."""
        try:
            self._run(self._pcd.present())
        except Lost:
            return False
        return True

    def _run(self, script: Script) -> bytes:
        until = time.monotonic() + self._radio.options.patience
        step = next(script)
        while True:
            left = max(_LEAST_WAIT, until - time.monotonic())
            back = self._radio.through(step.frame, min(step.timeout, left))
            try:
                step = script.send(back)
            except StopIteration as end:
                result: bytes = end.value
                return result
            if time.monotonic() > until:
                raise Violation("the card asks for time without end")


class DataExchangeChannel:
    """ISO 14443-4 spoken by the chip (InDataExchange), for short APDUs."""

    max_command = SHORT_COMMAND
    max_response = SHORT_RESPONSE

    def __init__(self, radio: Radio, atr: bytes, number: int, cid: int | None) -> None:
        self.atr = atr
        self._radio = radio
        self._number = number
        self._probe = bytes(Block(Kind.NAK, cid=cid))

    def exchange(self, command: bytes) -> bytes:
        """One short APDU. Raises ReaderError ``pn532.length`` for a longer one."""
        if len(command) > self.max_command:
            raise ReaderError("pn532.length", length=len(command), most=self.max_command)
        answer = self._radio.exchange(self._number, command)
        if answer is None:
            raise CardRemoved(what=EXCHANGE)
        return answer

    def present(self) -> bool:
        """R(NAK) past the chip's protocol, whose state it leaves as it is: the card answers R(ACK) or its
        last block, whichever number the probe has."""
        return any(self._radio.through(self._probe, _PROBE_SECONDS) is not None for _ in range(2))
