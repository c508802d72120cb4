"""One serial line with one reader, shared by the slots that this process uses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar, TypeVar

from ....apdu.errors import ReaderError
from ...frames import ccid
from ..serial_port import LineSettings, SerialPort
from .models import MODELS, Model, PadFeatures, model_of, readable
from .transport import COMMANDS, Timing, Transport, Unanswered

__all__ = ["Line"]

ATTEMPTS = 3
"""How often a question is asked that a reader may answer as often as it likes."""
SLOTS_MOST = 16
_FIRMWARE, _SYNCHRONOUS, _FEATURES = b"\x02", b"\x01\x01\x01", b"\x6a"
_NO_SLOT = 5
"""bError that points to bSlot."""

Result = TypeVar("Result")


class Line:
    """An open line and what its reader says of itself. Taken by :meth:`open`, given back by :meth:`release`.

    Every exchange holds the line's lock, so that slots may be used from several threads; one slot belongs to
    one user at a time.
    """

    _lines: ClassVar[dict[str, Line]] = {}
    _opening: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, device: str, wanted: str, timing: Timing) -> None:
        self.device = device
        self.name = f"gemcore:{device}"
        self.timing = timing
        self._lock = threading.RLock()
        self._users = 0
        self._taken: set[int] = set()
        self._port = _open_port(device, self.name)
        try:
            self._transport = Transport(self._port, self.name, timing)
            self.firmware = self._greet()
            self.pad = self._pad_features()
            self.model = self._choose(wanted)
            self.slots = self.model.slots or self._count_slots()
        except BaseException:
            self._port.close()
            raise

    @classmethod
    def open(cls, device: str, wanted: str = "", timing: Timing | None = None) -> Line:
        """The line to ``device``, opened now or shared with who has it in this process.

        Raises ReaderError ``reader.busy`` when another process has it, ``line.open``, or ``line.silent`` when
        no GemCore reader answers.
        """
        with cls._opening:
            line = cls._lines.get(device)
            if line is None:
                line = cls._lines[device] = cls(device, wanted, timing or Timing())
            line._users += 1
            return line

    def release(self) -> None:
        """One user less; the last one closes the line."""
        with self._opening:
            self._users -= 1
            if not self._users:
                del self._lines[self.device]
                self._port.close()

    def take(self, slot: int) -> None:
        """Use a slot. Raises ReaderError ``gemcore.slot`` or ``reader.busy``."""
        if slot >= self.slots:
            raise ReaderError("gemcore.slot", reader=self.name, slot=slot, slots=self.slots)
        with self._lock:
            if slot in self._taken:
                raise ReaderError("reader.busy", reader=f"{self.name}?slot={slot}")
            self._taken.add(slot)

    def give(self, slot: int) -> None:
        """Use the slot no longer."""
        with self._lock:
            self._taken.discard(slot)

    @property
    def echoes(self) -> bool:
        """Whether the reader sends commands back before it answers, as GemPC Twin and PinPad do."""
        return self._transport.echoes

    def ask(
        self,
        kind: ccid.Request,
        slot: int = 0,
        data: bytes = b"",
        *,
        specific: bytes = b"\0\0\0",
        wait: float | None = None,
    ) -> ccid.FromReader:
        """Something that the reader may do twice: asked up to three times until an answer comes whole."""

        def once() -> ccid.FromReader:
            return self.exchange(kind, slot, data, specific=specific, wait=wait)

        return _patiently(once)

    def exchange(
        self,
        kind: ccid.Request,
        slot: int,
        data: bytes = b"",
        *,
        specific: bytes = b"\0\0\0",
        wait: float | None = None,
    ) -> ccid.FromReader:
        """Something that must not happen twice: sent once. Raises Unanswered or ReaderError ``line.lost``."""
        with self._lock:
            return self._transport.exchange(kind, slot, data, specific=specific, wait=wait)

    def refused(self, kind: ccid.Request, error: int) -> ReaderError:
        """What to raise when the reader says that it failed."""
        why = ccid.error_name(error)
        return ReaderError("gemcore.refused", reader=self.name, what=COMMANDS.get(kind, kind.name), why=why)

    def escape(self, data: bytes) -> bytes | None:
        """What the reader answers to a command of its own; None when it does not have it."""
        reply = self.ask(ccid.Request.ESCAPE, data=data)
        return None if reply.failed else reply.data

    def says_its_name(self) -> bool:
        """Whether the reader gives its firmware's name once more, asked once."""
        try:
            reply = self.exchange(ccid.Request.ESCAPE, 0, _FIRMWARE)
        except Unanswered:
            return False
        return not reply.failed and readable(reply.data) == self.firmware

    def _greet(self) -> str:
        """The firmware's name; and card movements are told from now on between commands only."""
        try:
            name = self.escape(_FIRMWARE)
        except Unanswered:
            seconds = ATTEMPTS * self.timing.answer
            raise self._port.silent(seconds, "a GemCore reader") from None
        self.escape(_SYNCHRONOUS)
        return readable(name or b"")

    def _pad_features(self) -> PadFeatures | None:
        answer = self.escape(_FEATURES)
        return None if answer is None else PadFeatures.parse(answer)

    def _choose(self, wanted: str) -> Model:
        named = next((model for model in MODELS if model.name == wanted), None)
        return named or model_of(self.firmware, pin_pad=bool(self.pad and self.pad.verify))

    def _count_slots(self) -> int:
        for slot in range(1, SLOTS_MOST):
            reply = self.ask(ccid.Request.GET_SLOT_STATUS, slot)
            if reply.failed and reply.error == _NO_SLOT:
                return slot
        return SLOTS_MOST


def _open_port(device: str, name: str) -> SerialPort:
    try:
        return SerialPort(device, LineSettings(stop_bits=2))
    except ReaderError as error:
        if error.code == "line.busy":
            raise ReaderError("reader.busy", reader=name) from error
        raise


def _patiently(ask: Callable[[], Result]) -> Result:
    for _ in range(ATTEMPTS - 1):
        try:
            return ask()
        except Unanswered:
            continue
    return ask()
