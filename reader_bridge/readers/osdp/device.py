"""An OSDP peripheral as its companion sees it (scheme ``osdp:``)."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ....apdu.devices import DeviceIdentity, Finding, Verdict
from ....apdu.errors import ReaderError, Words
from ...frames.osdp import Capability, Function, PdId
from ...frames.osdp_vendor import VENDOR, Question, text_of, vendor_code
from .address import OsdpAddress
from .contact import first_contact
from .library import load
from .panel import Panel
from .transfer import OPAQUE

__all__ = ["CardRead", "OsdpDevice", "open_device"]

ONLINE_SECONDS = 10.0
"""A peripheral counts as lost after eight seconds without an answer (§5.7)."""
COMMAND_SECONDS = 3.0
SILENCE_SECONDS = 6.0
RESTART_SECONDS = 30.0
VERDICT_SECONDS = 4.0
_NO_SERIAL = (0, 0xFFFFFFFF)
"""Numbers of peripherals that were never given one: they tell nobody apart."""
FEATURES = {
    Function.OUTPUTS: "outputs",
    Function.LED: "led",
    Function.BUZZER: "buzzer",
    Function.TEXT: "text",
    Function.SECURE_CHANNEL: "secure-channel",
}


@dataclass(frozen=True, slots=True)
class CardRead:
    """A card that a door reader saw: ``bits`` of ``data`` count, ``format`` 0 raw, 1 Wiegand with parity,
    2 ASCII characters."""

    reader: int
    format: int
    bits: int
    data: bytes


class OsdpDevice:
    """One peripheral; satisfies Device, FindMe and TakesFile. ``close`` frees the line."""

    def __init__(self, address: OsdpAddress) -> None:
        self._address = address
        self._library = load()
        contact = first_contact(address)
        self._capabilities = contact.greeting.capabilities
        self._first = contact.greeting.identity
        self._hardware_id: str | None = None
        try:
            contact.require_our_key(address)
            self._panel = Panel(address, contact.key)
        finally:
            contact.wipe()
        try:
            self._panel.wait(ONLINE_SECONDS)
        except ReaderError:
            self._panel.close()
            raise

    @property
    def url(self) -> str:
        return self._address.url

    def identity(self) -> DeviceIdentity:
        """What PDID and PDCAP say. The hardware id is asked of peripherals of this house alone."""
        self._panel.wait(ONLINE_SECONDS)
        found = self._pd_id()
        updatable = found.vendor == VENDOR or self._panel.state.secure
        return DeviceIdentity(
            url=self.url,
            model="osdp",
            firmware=".".join(map(str, found.firmware)),
            serial="" if found.serial in _NO_SERIAL else f"{found.serial:08x}",
            vendor=found.vendor.hex(),
            hardware_id=self._asked_hardware_id(),
            features=self._features(),
            updatable=updatable,
            why=Words("", "") if updatable else _NO_CHANNEL,
        )

    def selftest(self) -> Sequence[Finding]:
        """That it answers, under its secure channel, and what it reports of tamper contact and power."""
        status = tuple(self._local_status())
        return (self._answers(), self._channel(), *status)

    def find_me(self, seconds: float) -> None:
        """Blink the first LED and sound the buzzer for so long, 25 s at most. Raises ReaderError
        ``osdp.unable`` when it has neither."""
        tenths = max(1, min(255, math.ceil(seconds * 10)))
        commands = []
        if self._has(Function.LED):
            commands.append(self._blink(tenths))
        if self._has(Function.BUZZER):
            commands.append(self._beep(tenths))
        if not commands:
            raise ReaderError("osdp.unable", what=self._address.name)
        for command in commands:
            self._panel.command(command, COMMAND_SECONDS)

    def transfer(self, image: bytes) -> Iterator[int]:
        """Send a firmware image, yielding the bytes that the peripheral has; it verifies it and restarts.

        Returns when it is back online. Raises ReaderError ``firmware.device`` with what it says of a refused
        image, ``osdp.transfer`` when it says nothing.
        """
        before = self._panel.state.number
        try:
            yield from self._panel.transfer(image, OPAQUE, SILENCE_SECONDS)
        except ReaderError as error:
            if reason := self._refusal():
                raise ReaderError("firmware.device", url=self.url, what=reason) from error
            raise
        if self._first.vendor == VENDOR:  # it is known to restart; others may go on under their old session
            self._panel.wait(RESTART_SECONDS, after=before)
        else:
            self._panel.wait(RESTART_SECONDS)

    def next_card(self, seconds: float) -> CardRead | None:
        """The next card that the door reader sees, None when none came in time."""
        event = self._panel.event(self._library.EVENT_CARDREAD, seconds)
        if event is None:
            return None
        data = bytes(event["data"])
        return CardRead(event["reader_no"], event["format"], event.get("length", 8 * len(data)), data)

    def close(self) -> None:
        self._panel.close()

    # What it says of itself

    def _pd_id(self) -> PdId:
        said = self._panel.identity()
        firmware = said["firmware_version"] & 0xFFFFFF
        return PdId(
            vendor=(said["vendor_code"] & 0xFFFFFF).to_bytes(3, "little"),
            model=said["model"] & 0xFF,
            version=said["version"] & 0xFF,
            serial=said["serial_number"] & 0xFFFFFFFF,
            firmware=(firmware >> 16, firmware >> 8 & 0xFF, firmware & 0xFF),
        )

    def _has(self, function: Function) -> bool:
        return self._capabilities.get(function, Capability(0, 0)).level > 0

    def _features(self) -> frozenset[str]:
        return frozenset(word for function, word in FEATURES.items() if self._has(function))

    def _asked_hardware_id(self) -> str:
        if self._first.vendor != VENDOR:
            return ""
        if self._hardware_id is None:
            self._hardware_id = self._ask(Question.HARDWARE_ID)
        return self._hardware_id

    def _ask(self, question: Question) -> str:
        command = {
            "command": self._library.CMD_MFG,
            "vendor_code": vendor_code(VENDOR),
            "data": bytes((question,)),
        }
        self._panel.command(command, COMMAND_SECONDS)
        until = time.monotonic() + COMMAND_SECONDS
        while (left := until - time.monotonic()) > 0:
            event = self._panel.event(self._library.EVENT_MFGREP, left)
            if event is not None and event["data"][:1] == bytes((question,)):
                return text_of(event["data"][1:])
        return ""

    def _refusal(self) -> str:
        """Why a file was refused, asked when the peripheral is back; empty when it does not say."""
        if self._first.vendor != VENDOR:
            return ""
        try:
            self._panel.wait(VERDICT_SECONDS)
            verdict = self._ask(Question.VERDICT)
        except ReaderError:
            return ""  # the line is lost: what went wrong before says more
        return "" if verdict == "ok" else verdict

    # Checks and signals

    def _answers(self) -> Finding:
        online = self._panel.state.online
        verdict = Verdict.PASSED if online else Verdict.FAILED
        return Finding("answers", verdict, _ONLINE if online else _GONE)

    def _channel(self) -> Finding:
        if self._panel.state.secure:
            return Finding("secure-channel", Verdict.PASSED, _SECURE)
        if not self._has(Function.SECURE_CHANNEL):
            return Finding("secure-channel", Verdict.FAILED, _NO_CHANNEL)
        return Finding("secure-channel", Verdict.SKIPPED, _NO_KEY)

    def _local_status(self) -> Iterator[Finding]:
        """Its answer to osdp_LSTAT, and what it last reported by itself: there are peripherals that answer
        with zeros whatever they have reported."""
        before = b"\0\0"
        while report := self._status_report(0.0):
            before = report
        command = {"command": self._library.CMD_STATUS, "type": self._library.STATUS_REPORT_LOCAL}
        try:
            self._panel.command(command, COMMAND_SECONDS)
            answer = self._status_report(COMMAND_SECONDS)
        except ReaderError:
            answer = b""
        if not answer:
            yield Finding("tamper", Verdict.SKIPPED, _NOT_TOLD)
            yield Finding("power", Verdict.SKIPPED, _NOT_TOLD)
            return
        yield _status("tamper", bool(answer[0] | before[0]), _TAMPERED, _CLOSED)
        yield _status("power", bool(answer[1] | before[1]), _POWER_LOW, _POWERED)

    def _status_report(self, seconds: float) -> bytes:
        """The next local status report (tamper, power), empty when none came or it has another form."""
        event = self._panel.event(self._library.EVENT_STATUS, seconds)
        local = event is not None and event["type"] == self._library.STATUS_REPORT_LOCAL
        return bytes(event["report"][:2]) if event and local and len(event["report"]) > 1 else b""

    def _blink(self, tenths: int) -> dict[str, Any]:
        return {
            "command": self._library.CMD_LED,
            "reader": 0,
            "led_number": 0,
            "temporary": True,
            "control_code": 2,
            "on_count": 3,
            "off_count": 3,
            "on_color": self._library.LED_COLOR_RED,
            "off_color": self._library.LED_COLOR_NONE,
            "timer_count": tenths,
        }

    def _beep(self, tenths: int) -> dict[str, Any]:
        return {
            "command": self._library.CMD_BUZZER,
            "reader": 0,
            "control_code": 2,
            "on_count": 2,
            "off_count": 8,
            "rep_count": max(1, tenths // 10),
        }


def open_device(rest: str) -> OsdpDevice:
    """The peripheral that ``osdp:REST`` names. Raises ReaderError ``osdp.*``, ``line.*``, ``reader.driver``,
    InputError ``keyring.*``."""
    return OsdpDevice(OsdpAddress.parse(rest))


def _status(name: str, alarm: bool, bad: Words, good: Words) -> Finding:
    return Finding(name, Verdict.FAILED if alarm else Verdict.PASSED, bad if alarm else good)


_ONLINE = Words("It answers.", "応答しています。")
_GONE = Words("It does not answer.", "応答がありません。")
_SECURE = Words(
    "Its secure channel is open, under its own key.", "固有の鍵でセキュアチャネルが開いています。"
)
_NO_CHANNEL = Words("It has no secure channel.", "セキュアチャネルに対応していません。")
_NO_KEY = Words(
    "The URL names no key: everything was said in the clear.", "URL に鍵がないため、平文で通信しました。"
)
_NOT_TOLD = Words("It does not report this.", "この項目は報告されません。")
_TAMPERED = Words("Its tamper contact is open.", "タンパー接点が開いています。")
_CLOSED = Words("Its tamper contact is closed.", "タンパー接点は閉じています。")
_POWER_LOW = Words("It reports a failure of its power.", "電源異常を報告しています。")
_POWERED = Words("Its power is good.", "電源は正常です。")
