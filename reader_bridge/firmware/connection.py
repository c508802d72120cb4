"""A device that is held over its restarts: opened again as often as it starts again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ...apdu.devices import Device, ImageSlot, Updatable, open_device
from ...apdu.errors import InputError, ReaderError

__all__ = ["Connection"]

_ASK_AGAIN = 0.1


class Connection:
    """The device at ``url``, ours until ``close``. Opening raises ReaderError."""

    def __init__(self, url: str, opener: Callable[[str], Device] = open_device) -> None:
        self.url = url
        self._opener = opener
        self._device: Device | None = opener(url)

    @property
    def device(self) -> Device:
        if self._device is None:
            self._device = self._opener(self.url)
        return self._device

    @property
    def updatable(self) -> Updatable:
        """Raises InputError ``firmware.not_updatable`` for a device without firmware to replace."""
        device = self.device
        if not isinstance(device, Updatable):
            raise InputError("firmware.not_updatable", url=self.url, what=device.identity().why)
        return device

    def close(self) -> None:
        if self._device is not None:
            self._device.close()
            self._device = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def restart(self, seconds: float, settled: Callable[[Sequence[ImageSlot]], bool]) -> Sequence[ImageSlot]:
        """Let the device start again and wait until it answers with images that are ``settled``.

        Raises ReaderError ``firmware.not_back`` when that takes longer than ``seconds``.
        """
        try:
            self.updatable.restart()
        except ReaderError as error:
            if error.code == "firmware.device":
                raise  # else it may have started at once and never answers: what it runs is seen below
        until = time.monotonic() + seconds
        cause: ReaderError | None = None
        while True:
            self.close()
            try:
                slots = self.updatable.images()
            except ReaderError as error:
                cause = error
            else:
                if settled(slots):
                    return slots
            if time.monotonic() >= until:
                raise ReaderError("firmware.not_back", url=self.url, seconds=f"{seconds:g}") from cause
            time.sleep(_ASK_AGAIN)
