"""A simulated GemCore reader with cards in it: GemPC Twin, GemPC PinPad or GemCore POS Pro, on a Wire.

The firmware itself stands in :mod:`tegata.reader_bridge.share.gemcore`, which shows other cards as well; here
are the hands that put the cards in and take them out.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...apdu.ports import Link, TransmissionProtocol
from ...reader_bridge.share.gemcore import GemCoreDevice, Model, PinSource
from ...reader_bridge.share.wire import Wire

__all__ = ["GemCoreReader"]


class GemCoreReader:
    """One reader as a :class:`~tegata.reader_bridge.share.wire.Firmware`. ``cards`` lie in slots 0, 1, …;
    None leaves a slot empty. They are closed when they are taken out, and reset when they are put back.
    Raises ValueError for more cards than the model has slots."""

    def __init__(
        self,
        model: Model,
        cards: Sequence[Link | None],
        *,
        pin_source: PinSource | None = None,
        protocol: TransmissionProtocol | None = None,
    ) -> None:
        if len(cards) > model.slots:
            raise ValueError(f"a {model.name} has {model.slots} slots, got {len(cards)} cards")
        self.device = GemCoreDevice(model, pin_source)
        self._cards = dict(enumerate(cards))
        self._protocol = protocol
        for slot in self._cards:
            self.put_in(slot)

    def run(self, wire: Wire) -> None:
        self.device.run(wire)

    def put_in(self, slot: int = 0) -> None:
        """Put the slot's card (back) in. Nothing happens when it is there, or when the slot has none."""
        card = self._cards.get(slot)
        if card is not None and not self.device.occupied(slot):
            self.device.insert(card, slot, self._protocol)

    def take_out(self, slot: int = 0) -> None:
        """Take the slot's card out, in the middle of whatever it does."""
        self.device.remove(slot)

    def close(self) -> None:
        """Take all cards out; call it when the line is closed."""
        self.device.close()
