"""A PN532 as its companion sees it: which chip, whether it is well, and where it is.

It keeps no settings when its power goes, and its firmware is in ROM: so there is nothing here to configure,
to save or to update, and :class:`Pn532Device` is no ``Configurable`` and no ``Updatable``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ....apdu.devices import DeviceIdentity, Finding, Verdict
from ....apdu.errors import ReaderError, Words
from ...frames.pn532_commands import Code, SelfTest, Support
from .channel import EXTENDED_COMMAND, EXTENDED_RESPONSE, SHORT_COMMAND, SHORT_RESPONSE
from .options import Mode, Options
from .radio import Radio, open_radio

__all__ = ["Pn532Device", "open_device"]

WHY = Words(
    "its firmware is in ROM and cannot be replaced; it keeps no settings without power",
    "ファームウェアは ROM にあり書き換えられません。電源を切ると設定は残りません",
)
_ECHO = bytes(range(256))[:252]
_BLINK_SECONDS = 0.25
_TEST_SECONDS = 5.0
_ANTENNA_THRESHOLD = b"\x7a"
"""Both current detectors on, at their widest limits."""

_FEATURES = {Support.TYPE_A: "type-a", Support.TYPE_B: "type-b", Support.ISO_18092: "iso-18092"}


class Pn532Device:
    """One chip on its line."""

    def __init__(self, radio: Radio, url: str) -> None:
        self._radio = radio
        self._url = url

    @property
    def url(self) -> str:
        return self._url

    def identity(self) -> DeviceIdentity:
        """From GetFirmwareVersion, read when the line was opened. The chip has no serial number."""
        version = self._radio.version
        plain = self._radio.options.mode is Mode.DATA_EXCHANGE
        return DeviceIdentity(
            url=self._url,
            model="pn532",
            firmware=f"{version.version}.{version.revision}",
            vendor="NXP",
            slots=1,
            features=frozenset(
                {"contactless"} | {name for bit, name in _FEATURES.items() if bit & version.support}
            ),
            max_command=SHORT_COMMAND if plain else EXTENDED_COMMAND,
            max_response=SHORT_RESPONSE if plain else EXTENDED_RESPONSE,
            updatable=False,
            why=WHY,
        )

    def selftest(self) -> Sequence[Finding]:
        """The line, ROM, RAM and antenna, by Diagnose (§7.2.1). The field is off afterwards."""
        findings = [
            self._echo(),
            self._test("rom", SelfTest.ROM, b"", Words("ROM checksum", "ROM のチェックサム")),
            self._test("ram", SelfTest.RAM, b"", Words("RAM", "RAM")),
            self._test("antenna", SelfTest.ANTENNA, _ANTENNA_THRESHOLD, Words("antenna", "アンテナ")),
        ]
        self._radio.field(on=False)
        return findings

    def find_me(self, seconds: float) -> None:
        """Switch the RF field on and off for so long. A bare chip has no lamp: it shows on boards that wire
        one to the field, on an NFC field detector and on a telephone that is held there."""
        until = time.monotonic() + seconds
        on = False
        while (left := until - time.monotonic()) > 0:
            on = not on
            self._radio.field(on=on)
            time.sleep(min(_BLINK_SECONDS, left))
        self._radio.field(on=False)

    def close(self) -> None:
        """Field off, line free."""
        self._radio.close()

    def _echo(self) -> Finding:
        """A long frame there and back."""
        sent = bytes((SelfTest.ECHO,)) + _ECHO
        back = self._radio.chip.command(Code.DIAGNOSE, sent)
        if back == sent:
            words = Words(f"{len(sent)} bytes came back whole", f"{len(sent)} バイトがそのまま戻りました")
            return Finding("echo", Verdict.PASSED, words)
        return Finding("echo", Verdict.FAILED, Words("other bytes came back", "違うバイトが戻りました"))

    def _test(self, name: str, number: SelfTest, data: bytes, subject: Words) -> Finding:
        try:
            answer = self._radio.chip.command(Code.DIAGNOSE, bytes((number,)) + data, timeout=_TEST_SECONDS)
        except ReaderError as error:
            if error.code != "pn532.rejected":
                raise
            words = Words(f"{subject}: this chip has no such test", f"{subject.ja}: この検査はありません")
            return Finding(name, Verdict.SKIPPED, words)
        if answer == b"\x00":
            return Finding(name, Verdict.PASSED, Words(f"{subject}: in order", f"{subject.ja}: 正常"))
        code = answer.hex().upper()
        words = Words(f"{subject}: not in order ({code})", f"{subject.ja}: 異常 ({code})")
        return Finding(name, Verdict.FAILED, words)


def open_device(rest: str) -> Pn532Device:
    """The device that ``rest`` names (see ``options``).

    Raises InputError ``pn532.option``; ReaderError ``line.*``, ``pn532.chip`` or ``pn532.answer``.
    """
    return Pn532Device(open_radio(Options.parse(rest)), f"pn532:{rest}")
