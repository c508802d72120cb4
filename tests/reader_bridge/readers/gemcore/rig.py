"""A simulated GemCore reader with a simulated card on a line, and our driver's timing for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tegata.apdu.ports import TransmissionProtocol
from tegata.reader_bridge.readers.gemcore.reader import GemCoreReader
from tegata.reader_bridge.readers.gemcore.transport import Timing
from tegata.reader_bridge.share.gemcore import MODELS, PinSource
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.devices.faults import Faults
from tegata.simulators.devices.gemcore import GemCoreReader as SimulatedGemCore
from tegata.simulators.link import SimulatedLink

JPKI = bytes.fromhex("D392F000260100000001")
AUTH_PIN = bytes.fromhex("00A4020C020018")
CERTIFICATE = bytes.fromhex("00A4020C02000A")
ASK_TRIES = bytes.fromhex("00200080")
RIGHT = bytes.fromhex("002000800431323334")
WRONG = bytes.fromhex("002000800439393939")
PAD_TEMPLATE = bytes.fromhex("0020008004FFFFFFFF")
GOOD = b"\x90\x00"
AUTH_KEY = bytes.fromhex("00A4020C020017")
SIGN = bytes.fromhex("802A008033 3031300D060960864801650304020105000420") + bytes(32) + b"\0"

T0, T1 = TransmissionProtocol.T0, TransmissionProtocol.T1
TIMING = Timing(answer=0.5, power=0.7, card=0.7, pin=3.0, longest=6.0, gap=0.35, damaged=0.2, patience=0.1)
"""For a line with faults: the device gives an unfinished frame up after 0.3 seconds."""
QUICK = replace(TIMING, gap=0.02)
"""For a line without."""


class CountedLink(SimulatedLink):
    """Keeps the commands that reach the card."""

    def __init__(self, content: dict[str, bytes]) -> None:
        super().__init__(SimulatedCard(MemoryStore(dict(content)), contactless=False))
        self.reached: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.reached.append(command)
        return super().transmit(command)


@dataclass
class Rig:
    """``cards`` lie in the device's slots."""

    line: PtyLine
    device: SimulatedGemCore
    cards: Sequence[CountedLink | None]
    faults: Faults = field(default_factory=Faults)
    spoiled: bool = False

    def reader(self, slot: int = 0, model: str = "") -> GemCoreReader:
        timing = TIMING if self.spoiled else QUICK
        return GemCoreReader(str(self.line.path), slot, model, timing)

    def verifies(self, slot: int = 0) -> int:
        """How many VERIFY commands with a PIN reached the card."""
        card = self.cards[slot]
        assert card is not None
        return sum(command[1] == 0x20 and len(command) > 5 for command in card.reached)


@contextmanager
def rig(
    folder: Path,
    contents: Sequence[dict[str, bytes] | None],
    model: str = "gempc-twin",
    protocol: TransmissionProtocol | None = T1,
    pin_source: PinSource | None = None,
    faults: Faults | None = None,
) -> Iterator[Rig]:
    """The device with its cards, on a line that our driver may open."""
    cards = [None if content is None else CountedLink(content) for content in contents]
    device = SimulatedGemCore(MODELS[model], cards, pin_source=pin_source, protocol=protocol)
    spoiled, faults = faults is not None, faults or Faults()
    try:
        with PtyLine(device, folder / "tty", faults) as line:
            yield Rig(line, device, cards, faults, spoiled)
            assert line.failure is None
    finally:
        device.close()
