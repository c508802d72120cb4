"""A GemCore reader as its companion sees it: who it is, and whether it works. Nothing in it is altered."""

from __future__ import annotations

from collections.abc import Sequence

from ....apdu.devices import DeviceIdentity, Finding, Verdict
from ....apdu.errors import Words
from ...frames.ccid import IccStatus
from .line import Line
from .reader import MAX_COMMAND, MAX_RESPONSE, PIN_PAD, parse_url
from .session import state
from .transport import Timing

__all__ = ["GemCoreDevice", "open_device"]

ROUNDS = 8
_WHY = Words(
    "Its maker publishes neither firmware nor a way to load one over its serial line.",
    "メーカーはファームウェアもシリアル回線での書き込み方法も公開していません。",
)
_STATES = {
    IccStatus.ACTIVE: Words("A card is there and has power.", "カードがあり、通電しています。"),
    IccStatus.INACTIVE: Words("A card is there.", "カードがあります。"),
    IccStatus.ABSENT: Words("It is empty.", "空です。"),
}


class GemCoreDevice:
    """The whole reader, with all its slots. Raises ReaderError when it does not answer."""

    def __init__(self, device: str, model: str = "", timing: Timing | None = None) -> None:
        self._line = Line.open(device, model, timing)
        self._open = True

    @property
    def url(self) -> str:
        return self._line.name

    def identity(self) -> DeviceIdentity:
        """What it said when the line was opened."""
        line = self._line
        return DeviceIdentity(
            url=self.url,
            model=line.model.name,
            firmware=line.firmware,
            vendor="Gemalto",
            slots=line.slots,
            features=frozenset({PIN_PAD} if line.model.pin_pad else ()),
            max_command=MAX_COMMAND[1],
            max_response=MAX_RESPONSE[1],
            why=_WHY,
        )

    def selftest(self) -> Sequence[Finding]:
        """Questions that a reader answers in any state: its name again and again, and each slot's switch. No
        card gets power."""
        return [self._line_finding(), *(self._slot_finding(slot) for slot in range(self._line.slots))]

    def close(self) -> None:
        """Free the line; more than once does no harm."""
        if self._open:
            self._open = False
            self._line.release()

    def _line_finding(self) -> Finding:
        good = sum(self._line.says_its_name() for _ in range(ROUNDS))
        sentence = Words(
            f"{good} of {ROUNDS} questions were answered at once and right.",
            f"{ROUNDS} 回中 {good} 回、直ちに正しい応答がありました。",
        )
        return Finding("line", Verdict.PASSED if good == ROUNDS else Verdict.FAILED, sentence)

    def _slot_finding(self, slot: int) -> Finding:
        return Finding(f"slot-{slot}", Verdict.PASSED, _STATES[state(self._line, slot)])


def open_device(rest: str) -> GemCoreDevice:
    """The reader at ``DEVICE[?model=…]``. Raises as :func:`.reader.open_reader`."""
    device, _, model = parse_url(rest)
    return GemCoreDevice(device, model)
