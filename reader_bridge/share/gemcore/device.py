"""The firmware of a GemCore reader: takes the host's messages off a serial line and answers them.

CCID at TPDU level inside GemCore's serial frames. The status of a slot is answered at once, even while its
card works; until a card answers, the host is asked for patience twice a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from ....apdu.ports import Link, TransmissionProtocol
from ...frames import gemcore
from ...frames.ccid import (
    CommandStatus,
    Error,
    FromReader,
    IccStatus,
    MessageError,
    Request,
    ToReader,
)
from ...frames.ccid_pin import parse_secure
from .card import Card
from .escapes import Escapes
from .models import Model
from .pad import Pad, PinSource
from .refusal import Refused
from .slot import Slot

__all__ = ["GemCoreDevice", "Line"]

PATIENCE_SECONDS = 0.5
"""A host that hears nothing for its timeout gives the card up; so often it hears something."""

_SILENCE_SECONDS = 0.3  # after which an unfinished frame will not end
_TURN_SECONDS = 0.01  # how long bytes of the host may wait while a card works
_BAD_SLOT, _BAD_LENGTH, _BAD_LEVEL = 5, 1, 8


class Line(Protocol):
    """The device's end of a serial line; both methods raise when it is gone, which ends :meth:`run`."""

    def read(self, timeout: float | None = None) -> bytes: ...

    def write(self, data: bytes) -> None: ...


@dataclass(slots=True)
class _Running:
    """A command whose answer is not there yet."""

    request: ToReader
    result: Future[bytes]
    next_sign: float


class GemCoreDevice:
    """One reader. ``insert`` and ``remove`` may be called from any thread, at any time; :meth:`run` serves
    a line until it is gone, and again another one. A pad needs ``pin_source``; without one it is always
    cancelled."""

    def __init__(self, model: Model, pin_source: PinSource | None = None) -> None:
        self.model = model
        self.slots = tuple(Slot(number) for number in range(model.slots))
        self._pad = Pad(pin_source) if model.pin_pad and pin_source else None
        self._escapes = Escapes(model)
        self._running: dict[int, _Running] = {}
        self._reply = gemcore.NAK
        self._latest = b""

    def insert(self, link: Link, slot: int = 0, protocol: TransmissionProtocol | None = None) -> None:
        """Put a card into a slot. ``protocol`` T0 shows a card that takes APDUs over T=0."""
        self.slots[slot].insert(link, protocol)

    def remove(self, slot: int = 0) -> None:
        """Take the card out of a slot."""
        self.slots[slot].remove()

    def occupied(self, slot: int = 0) -> bool:
        """Whether there is a card in the slot."""
        return self.slots[slot].icc is not IccStatus.ABSENT

    def close(self) -> None:
        """Take all cards out. Call it when :meth:`run` has ended."""
        if self._pad:
            self._pad.close()
        for slot in self.slots:
            slot.close()

    def run(self, line: Line) -> None:
        """Serve the host, from power-up on, until ``line`` raises. Then the cards lose their power: what this
        host verified in them is not there for the next, nor while there is none."""
        self._escapes = Escapes(self.model)
        self._running = {}
        self._reply = gemcore.NAK
        self._latest = b""
        self._power_off()
        try:
            self._serve(line)
        finally:
            if self._pad:
                self._pad.cancel()
            self._power_off()

    def _power_off(self) -> None:
        for slot in self.slots:
            slot.power_off()

    def _serve(self, line: Line) -> None:
        decoder = gemcore.Decoder(of_reader=False)
        heard = monotonic()
        while True:
            if self._running:
                wait([running.result for running in self._running.values()], _TURN_SECONDS)
                self._finish(line)
            patience = 0.0 if self._running else _SILENCE_SECONDS if decoder.pending else None
            piece = line.read(patience)
            events: list[gemcore.Event] = []
            if piece:
                heard = monotonic()
                events = decoder.feed(piece)
            elif decoder.pending and monotonic() - heard >= _SILENCE_SECONDS:
                events = decoder.give_up()
            for event in events:
                self._hear(line, event)

    def _hear(self, line: Line, event: gemcore.Event) -> None:
        if isinstance(event, gemcore.Damaged):
            line.write(gemcore.NAK)
        elif isinstance(event, gemcore.Nak):
            line.write(self._reply)
        elif isinstance(event, gemcore.Message):
            # A frame has the length that its message announces: there is nothing else to be wrong here.
            self._command(line, ToReader.parse(event.data))

    def _command(self, line: Line, request: ToReader) -> None:
        if self._is_repeated(request):
            if request.slot not in self._running:
                line.write(self._reply)
            return
        self._echo(line, request)
        self._tell_movements(line)
        if request.slot >= len(self.slots):
            self._fail(line, request, IccStatus.ABSENT, _BAD_SLOT)
            return
        slot = self.slots[request.slot]
        if request.kind == Request.GET_SLOT_STATUS:
            self._answer(line, request, b"")
            return
        if request.slot in self._running:
            self._fail(line, request, slot.icc, Error.SLOT_BUSY)
            return
        try:
            result = self._begin(request, slot)
        except Refused as refused:
            self._fail(line, request, slot.icc, refused.error)
            return
        if isinstance(result, bytes):
            self._answer(line, request, result)
        else:
            wait([result], _TURN_SECONDS)
            self._running[request.slot] = _Running(request, result, monotonic() + PATIENCE_SECONDS)
            self._finish(line)

    def _is_repeated(self, request: ToReader) -> bool:
        """Whether the line doubled a frame that a card would execute twice. A host counts its messages, so
        that two of its commands in a row are never alike. Only a digest is kept: a frame may hold a PIN."""
        if request.kind not in (Request.XFR_BLOCK, Request.SECURE):
            self._latest = b""
            return False
        former, self._latest = self._latest, hashlib.sha256(bytes(request)).digest()
        return former == self._latest

    def _begin(self, request: ToReader, slot: Slot) -> bytes | Future[bytes]:
        """The data of the reply, now or later. Raises Refused."""
        data = request.data
        match request.kind:
            case Request.ICC_POWER_ON:
                return slot.power_on()
            case Request.ICC_POWER_OFF:
                return slot.power_off()
            case Request.XFR_BLOCK:
                return self._transfer(request, slot)
            case Request.SECURE:
                return self._secure(request, slot)
            case Request.ESCAPE:
                return self._escapes.answer(data)
            case Request.GET_PARAMETERS:
                return slot.work(lambda card: bytes(card.parameters))
            case Request.RESET_PARAMETERS:
                return slot.work(_reset_parameters)
            case Request.SET_PARAMETERS:
                return slot.work(_set_parameters(request.specific[0], data))
        raise Refused(Error.COMMAND_UNSUPPORTED)

    def _transfer(self, request: ToReader, slot: Slot) -> Future[bytes]:
        if request.level:
            raise Refused(_BAD_LEVEL)  # only a reader at extended APDU level chains
        if not request.data:
            raise Refused(_BAD_LENGTH)
        if self._escapes.apdu_mode:
            # Its PPS still comes as a block.
            whole = len(request.data) >= 4
            return slot.work(lambda card: (card.exchange_apdu if whole else card.exchange)(request.data))
        return slot.work(lambda card: card.exchange(request.data))

    def _secure(self, request: ToReader, slot: Slot) -> Future[bytes]:
        if not self.model.pin_pad:
            raise Refused(Error.COMMAND_UNSUPPORTED)
        try:
            entry = parse_secure(request.data, all_prompts=True)
        except MessageError as error:
            raise Refused(error.offset) from None
        pad = self._pad
        if pad is None:
            raise Refused(Error.PIN_CANCELLED)

        pad.open()

        def typed(card: Card) -> bytes:
            apdu = pad.fill(entry, slot.number)
            if self._escapes.apdu_mode:
                return card.exchange_apdu(apdu)
            return card.exchange_secure(entry.prologue, apdu)

        return slot.work(typed)

    # What goes back to the host

    def _finish(self, line: Line) -> None:
        """Answer what is done; ask the host for patience about the rest."""
        for number, running in list(self._running.items()):
            if not running.result.done():
                if monotonic() >= running.next_sign:
                    running.next_sign = monotonic() + PATIENCE_SECONDS
                    self._ask_for_time(line, running.request)
                continue
            del self._running[number]
            try:
                data = running.result.result()
            except Refused as refused:
                self._fail(line, running.request, self.slots[number].icc, refused.error)
            else:
                self._answer(line, running.request, data)

    def _ask_for_time(self, line: Line, request: ToReader) -> None:
        if self.model.echoes:
            # The driver of a reader that echoes would expect an echo before each frame.
            line.write(gemcore.TIME_REQUEST)
            return
        extension = FromReader.answering(
            request, self.slots[request.slot].icc, command=CommandStatus.TIME_EXTENSION, error=1
        )
        line.write(gemcore.encode(bytes(extension)))

    def _echo(self, line: Line, request: ToReader) -> None:
        """The command without its data: long ones, sent back whole, overflow the buffer of some drivers."""
        if self.model.echoes:
            head = ToReader(request.kind, request.slot, request.seq, b"", request.specific)
            line.write(gemcore.encode(bytes(head)))

    def _tell_movements(self, line: Line) -> None:
        for slot in self.slots:
            for inserted in slot.moves():
                line.write(gemcore.CARD_INSERTED if inserted else gemcore.CARD_REMOVED)

    def _answer(self, line: Line, request: ToReader, data: bytes) -> None:
        icc = self.slots[request.slot].icc
        extra = 0
        if request.kind in (Request.GET_PARAMETERS, Request.RESET_PARAMETERS, Request.SET_PARAMETERS):
            extra = int(len(data) == 7)
        self._send(line, FromReader.answering(request, icc, data, extra=extra))

    def _fail(self, line: Line, request: ToReader, icc: IccStatus, error: int) -> None:
        self._send(line, FromReader.answering(request, icc, command=CommandStatus.FAILED, error=error))

    def _send(self, line: Line, reply: FromReader) -> None:
        self._reply = gemcore.encode(bytes(reply))
        line.write(self._reply)


def _reset_parameters(card: Card) -> bytes:
    card.reset_parameters()
    return bytes(card.parameters)


def _set_parameters(protocol: int, data: bytes) -> Callable[[Card], bytes]:
    def work(card: Card) -> bytes:
        card.set_parameters(protocol, data)
        return bytes(card.parameters)

    return work
