"""``pcsc:NAME`` as its companion sees it: what a reader tells through PC/SC alone (PC/SC part 10; part 5 §4).

Firmware version and USB ids stand among the properties of part 10 (``sFirmwareID``, ``wIdVendor``), name of
the maker and serial number among the attributes. Nothing here powers a card, and nothing alters the reader.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...apdu.devices import DeviceIdentity, Finding, Verdict
from ...apdu.errors import ReaderError, TegataError, Words
from .pcsc import choose
from .pcsc_control import Abilities, abilities, attribute, direct
from .pcsc_features import names_of
from .winscard import Context

__all__ = ["PcscDevice", "open_device"]

WHY = Words(
    "PC/SC has no way to write a reader's firmware; its maker's own tool does that.",
    "PC/SC にはリーダーのファームウェアを書き換える方法がありません。製造元の専用ツールを使ってください。",
)
PLACE = re.compile(r"( \([^()]*\))? [0-9A-F]{2} [0-9A-F]{2}$")
"""What pcscd adds to a reader's name: its serial number, its number, its slot."""


class PcscDevice:
    """One reader of the PC/SC service. It may be in use meanwhile, by us too."""

    def __init__(self, name: str) -> None:
        self._context = Context()
        try:
            self._name = choose(self._context.names(), name)
        except TegataError:
            self._context.release()
            raise

    @property
    def url(self) -> str:
        return f"pcsc:{self._name}"

    def identity(self) -> DeviceIdentity:
        """What the reader says of itself. Raises ReaderError ``reader.busy`` when another program has it for
        itself, and others when the service does not answer."""
        api = self._context.api
        with direct(self._context, self._name) as handle:
            able = abilities(api, handle)
            vendor = _text(attribute(api, handle, "SCARD_ATTR_VENDOR_NAME"))
            serial = _text(attribute(api, handle, "SCARD_ATTR_VENDOR_IFD_SERIAL_NO"))
        command, response = _sizes(able)
        return DeviceIdentity(
            url=self.url,
            model=PLACE.sub("", self._name),
            firmware=able.properties.firmware,
            serial=serial,
            vendor=vendor,
            hardware_id=able.properties.usb_id,
            slots=1,
            features=names_of(able.features),
            max_command=command,
            max_response=response,
            updatable=False,
            why=WHY,
        )

    def selftest(self) -> Sequence[Finding]:
        """What can be seen without a card and without altering anything."""
        return [self._listed(), self._answers(), self._slot()]

    def close(self) -> None:
        self._context.release()

    def _listed(self) -> Finding:
        if self._name in self._context.names():
            return Finding(
                "listed", Verdict.PASSED, Words("The service has it.", "サービスが認識しています。")
            )
        gone = Words("The service has no such reader any more.", "サービスがこのリーダーを認識していません。")
        return Finding("listed", Verdict.FAILED, gone)

    def _answers(self) -> Finding:
        try:
            with direct(self._context, self._name) as handle:
                able = abilities(self._context.api, handle)
        except ReaderError as error:
            said = Words(error.sentence("en"), error.sentence("ja"))
            return Finding("properties", Verdict.FAILED, said)
        if not able.features:
            none = Words("It tells no features (PC/SC part 10).", "機能を通知しません (PC/SC part 10)。")
            return Finding("properties", Verdict.SKIPPED, none)
        firmware = able.properties.firmware or "-"
        said = Words(
            f"It tells its features and firmware {firmware}.",
            f"機能とファームウェア {firmware} を通知します。",
        )
        return Finding("properties", Verdict.PASSED, said)

    def _slot(self) -> Finding:
        api = self._context.api
        try:
            found = self._context.changes(self._name, api.SCARD_STATE_UNAWARE, 0)
        except ReaderError as error:
            return Finding("slot", Verdict.FAILED, Words(error.sentence("en"), error.sentence("ja")))
        state = found[0] if found else 0
        if state & api.SCARD_STATE_MUTE:
            mute = Words("The card in it does not answer.", "中のカードが応答しません。")
            return Finding("slot", Verdict.FAILED, mute)
        if state & api.SCARD_STATE_PRESENT:
            held = Words("It holds a card that answers.", "応答するカードが入っています。")
            return Finding("slot", Verdict.PASSED, held)
        empty = Words("It is empty; a card would tell more.", "空です。カードを入れると詳しく調べられます。")
        return Finding("slot", Verdict.SKIPPED, empty)


def _sizes(able: Abilities) -> tuple[int, int]:
    """Bytes of the longest command and response; 261 and 258 where the reader states no more."""
    most = min(able.properties.max_apdu_data, 0xFFFF)
    return (most + 9, most + 2) if most > 256 else (261, 258)


def _text(value: bytes) -> str:
    text = value.decode("utf-8", "replace").strip("\0 ")
    return "".join(letter for letter in text if letter.isprintable())


def open_device(rest: str) -> PcscDevice:
    """The reader that ``rest`` names, as :func:`tegata.reader_bridge.readers.pcsc.open_reader` finds it.

    Raises ReaderError ``reader.driver``, ``reader.none`` or ``reader.unknown``.
    """
    return PcscDevice(rest)
