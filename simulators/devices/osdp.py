"""A simulated OSDP peripheral: a door reader with LED, buzzer, one output and firmware, on libosdp.

libosdp speaks the protocol; everything that lives longer than one power-up is ours: the key that
osdp_KEYSET brought (libosdp forgets it), what lamp and buzzer show, card reads that wait, the firmware image.
A restart is a new libosdp peripheral on the same wire.
"""

from __future__ import annotations

import ctypes
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ...apdu.errors import ReaderError, with_extra
from ...apdu.secret import Secret
from ...reader_bridge.frames.osdp_vendor import LONGEST_TEXT, VENDOR, Question, vendor_code
from ...reader_bridge.share.wire import Unplugged, Wire
from .osdp_file import ImageFile, Receiver
from .osdp_key import KeyStore
from .osdp_panel import Panel

__all__ = ["OsdpPeripheral", "PeripheralIdentity"]

TICK = 0.01
RESTART_SECONDS = 0.2
MOST_EVENTS = 64
MOST_BYTES = 8192
CAPABILITIES = {1: (1, 2), 2: (1, 1), 3: (1, 1), 4: (1, 1), 5: (1, 1), 6: (1, 1), 8: (1, 1), 9: (1, 1)}
"""Function code to level and count (annex B): contacts, outputs, card format, LED, buzzer, text, CRC, AES."""


@dataclass(frozen=True, slots=True)
class PeripheralIdentity:
    """What PDID says beside the firmware's version."""

    number: int = 0
    serial: int = 1
    model: int = 1
    version: int = 1
    vendor: bytes = VENDOR


class _Library(Protocol):
    """``osdp_sys``, as much of it as a peripheral needs."""

    FLAG_ENFORCE_SECURE: int
    FLAG_INSTALL_MODE: int
    LOG_EMERG: int
    CMD_OUTPUT: int
    CMD_LED: int
    CMD_BUZZER: int
    CMD_TEXT: int
    CMD_KEYSET: int
    CMD_MFG: int
    STATUS_REPORT_LOCAL: int
    EVENT_CARDREAD: int
    EVENT_MFGREP: int
    EVENT_STATUS: int
    CARD_FMT_RAW_UNSPECIFIED: int

    def PeripheralDevice(self, info: Mapping[str, Any], *, capabilities: list[Any]) -> Any: ...  # noqa: N802
    def set_loglevel(self, level: int, /) -> None: ...


class OsdpPeripheral:
    """A firmware on a wire. ``panel`` is what a person sees of it; ``read_card`` and ``restart`` are for
    other threads. Raises ReaderError ``reader.driver`` without libosdp.

    With a key it speaks inside its secure channel alone. Without one, or in ``install_mode``, it takes
    SCBK-D, until it has been given a key.
    """

    def __init__(
        self,
        identity: PeripheralIdentity,
        keys: KeyStore,
        receiver: Receiver,
        *,
        install_mode: bool = False,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._library = _load()
        self.identity = identity
        self.panel = Panel(say)
        self._keys = keys
        self._receiver = receiver
        self._install_mode = install_mode
        self._events: deque[dict[str, Any]] = deque(maxlen=MOST_EVENTS)
        self._file = ImageFile(receiver)
        self._channel = _WireChannel()
        self._device: Any = None
        self._restart = self._reached = False
        self._defect: Exception | None = None

    def read_card(self, uid: bytes) -> None:
        """A card is held to it: its UID goes to the control panel at the next poll."""
        self._events.append(
            {
                "event": self._library.EVENT_CARDREAD,
                "reader_no": 0,
                "direction": 0,
                "format": self._library.CARD_FMT_RAW_UNSPECIFIED,
                "length": 8 * len(uid),
                "data": uid,
            }
        )

    def report(self, *, tampered: bool = False, power_failed: bool = False) -> None:
        """Its housing is opened or its power fails: the control panel is told at the next poll. What
        osdp_LSTAT asks is answered by libosdp itself, with zeros."""
        self._events.append(
            {
                "event": self._library.EVENT_STATUS,
                "type": self._library.STATUS_REPORT_LOCAL,
                "report": bytes((tampered, power_failed)),
            }
        )

    def restart(self) -> None:
        """Power it off and on."""
        self._restart = True

    def run(self, wire: Wire) -> None:
        """Its power does not come from the line: a session outlives a cable that is pulled for a moment."""
        self._channel.attach(wire)
        while True:
            if self._device is None:
                self._power_up()
            self._work(self._device)
            self._device = None
            until = time.monotonic() + RESTART_SECONDS
            while (left := until - time.monotonic()) > 0:
                wire.read(left)  # said to a device that is booting

    def _power_up(self) -> None:
        self._restart = self._reached = False
        self._receiver.boot()
        self._device = self._made(self._channel)
        self.panel.restarted()

    def _work(self, device: Any) -> None:
        """One life of libosdp's peripheral, until it restarts. Raises Unplugged."""
        while not (self._restart or self._file.restarts()):
            self._channel.pump(TICK)
            device.refresh()
            if defect := self._defect or self._file.defect:
                raise defect
            secure = bool(device.is_sc_active())
            if secure and not self.panel.is_secure and self._file.begun:
                self._expect_file(device)  # a new session: the rest of that file will not come
            self.panel.online(bool(device.is_online()), secure)
            if self.panel.is_secure and not self._reached:
                self._reached = True
                self._receiver.reached()
            if self._events and device.is_online():
                device.submit_event(self._events.popleft())

    def _made(self, channel: _WireChannel) -> Any:
        key = self._keys.load()
        flags = self._library.FLAG_ENFORCE_SECURE
        if key is None or self._install_mode:
            flags = self._library.FLAG_INSTALL_MODE
        major, minor, build = self._receiver.version
        info = {
            "name": f"pd-{self.identity.number}",
            "address": self.identity.number,
            "flags": flags,
            "scbk": None if key is None else key.reveal(),
            "channel": channel,
            "version": self.identity.version,
            "model": self.identity.model,
            "vendor_code": vendor_code(self.identity.vendor),
            "serial_number": self.identity.serial,
            "firmware_version": major << 16 | minor << 8 | build,
        }
        capabilities = [
            {"function_code": code, "compliance_level": level, "num_items": count}
            for code, (level, count) in CAPABILITIES.items()
        ]
        device = self._library.PeripheralDevice(info, capabilities=capabilities)
        device.set_command_callback(self._command)
        self._expect_file(device)
        return device

    def _expect_file(self, device: Any) -> None:
        """Take files from their beginning; libosdp would wait for the rest of one that was cut off."""
        self._file = ImageFile(self._receiver)
        device.register_file_ops(0, self._file.operations)

    # What the control panel wants

    def _command(self, command: dict[str, Any]) -> tuple[int, None]:
        """For libosdp. Nothing may be raised into it: it would use the answer that did not come."""
        known: dict[int, Callable[[dict[str, Any]], None]] = {
            self._library.CMD_KEYSET: self._take_key,
            self._library.CMD_MFG: self._answer_question,
            self._library.CMD_LED: self.panel.lit,
            self._library.CMD_BUZZER: self.panel.sounded,
            self._library.CMD_OUTPUT: self.panel.switched,
            self._library.CMD_TEXT: self.panel.wrote,
        }
        try:
            if handle := known.get(command["command"]):
                handle(command)
        except Exception as error:
            self._defect = error
        # libosdp 3.2.9 gives back one reference more to the second value than it took.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(None))
        return 0, None

    def _take_key(self, command: dict[str, Any]) -> None:
        with Secret(command.pop("data")) as key:
            self._keys.save(key)
        self._install_mode = False
        self.panel.noted("key set")

    def _answer_question(self, command: dict[str, Any]) -> None:
        texts = {Question.HARDWARE_ID: self._receiver.hardware_id, Question.VERDICT: self._receiver.verdict}
        asked = command["data"][0]
        if command["vendor_code"] != vendor_code(VENDOR) or asked not in texts:
            return
        text = texts[Question(asked)].encode()[:LONGEST_TEXT]
        # The answer must not be given while libosdp is inside this call.
        self._events.append(
            {
                "event": self._library.EVENT_MFGREP,
                "vendor_code": command["vendor_code"],
                "data": bytes((asked,)) + text,
            }
        )


class _WireChannel:
    """The wire as libosdp's channel: bytes are read outside of the library, and nothing is raised in it."""

    id = 0

    def __init__(self) -> None:
        self._wire: Wire | None = None
        self._arrived = bytearray()

    def attach(self, wire: Wire) -> None:
        """A cable is plugged in."""
        self._wire = wire
        self._arrived.clear()

    def pump(self, seconds: float) -> None:
        """Wait so long for bytes. Raises Unplugged."""
        if self._wire is None:
            raise Unplugged
        self._arrived += self._wire.read(seconds)
        del self._arrived[:-MOST_BYTES]

    def read(self, most: int) -> bytes:
        piece = bytes(self._arrived[:most])
        del self._arrived[:most]
        return piece

    def write(self, data: bytes) -> int:
        try:
            if self._wire is not None:
                self._wire.write(data)
        except Unplugged:
            self._wire = None
        return len(data)

    def flush(self) -> None:
        return


def _load() -> _Library:
    try:
        import osdp_sys
    except ImportError as error:
        raise ReaderError("reader.driver", scheme="osdp", what=str(error), how=with_extra("osdp")) from error
    library: _Library = osdp_sys
    library.set_loglevel(library.LOG_EMERG)
    return library
