"""Any readers as one GemCore reader on a serial line, which pcscd's serial driver takes for a GemPC Twin."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ...apdu.ports import Link, Reader
from .gemcore import GemCoreDevice, Model
from .keeper import Keeper
from .wire import Wire

__all__ = ["SharedSerialReader"]


class SharedSerialReader:
    """A :class:`~tegata.reader_bridge.share.wire.Firmware`: the cards of ``readers`` lie in slots 0, 1, ….

    ``take_out`` and ``put_back`` move all cards at once. :meth:`wait` returns when :meth:`stop` was called,
    from a signal handler too, and raises what ended a reader. Raises ValueError for more readers than the
    model has slots.
    """

    def __init__(self, model: Model, readers: Sequence[Reader]) -> None:
        if len(readers) > model.slots:
            raise ValueError(f"a {model.name} has {model.slots} slots, got {len(readers)} readers")
        self._device = GemCoreDevice(model)
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._keepers = [self._keeper(reader, slot) for slot, reader in enumerate(readers)]
        for keeper in self._keepers:
            keeper.start()

    def run(self, wire: Wire) -> None:
        self._device.run(wire)

    def wait(self, seconds: float) -> bool:
        """Whether it was stopped, at the latest after ``seconds``. Raises what ended a reader."""
        stopped = self._ended.wait(seconds)
        if self._failure is not None:
            raise self._failure
        return stopped

    def stop(self) -> None:
        self._ended.set()

    def take_out(self) -> None:
        for keeper in self._keepers:
            keeper.take_out()

    def put_back(self) -> None:
        for keeper in self._keepers:
            keeper.put_back()

    def close(self) -> None:
        """Let all cards go; call it when the line is closed."""
        for keeper in self._keepers:
            keeper.close()
        self._device.close()

    def _keeper(self, reader: Reader, slot: int) -> Keeper:
        def insert(link: Link) -> None:
            self._device.insert(link, slot)

        return Keeper(
            reader,
            insert,
            lambda: self._device.remove(slot),
            lambda: self._device.occupied(slot),
            self._fail,
        )

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._ended.set()
