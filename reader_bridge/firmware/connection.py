"""A device that is held over its restarts: opened again as often as it starts again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ...apdu.devices import Device, ImageSlot, TakesFile, Updatable, open_device
from ...apdu.errors import InputError, ReaderError
from ..frames.mcuboot import Version
from .suitability import as_clause

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
        """The device, where it has slots and marks.

        Raises InputError ``firmware.one_slot`` for one that takes a file and no more, and
        ``firmware.not_updatable`` for one without firmware to replace.
        """
        device = self.device
        if isinstance(device, Updatable):
            return device
        if isinstance(device, TakesFile):
            raise InputError("firmware.one_slot", url=self.url)
        raise InputError("firmware.not_updatable", url=self.url, what=as_clause(device.identity().why))

    @property
    def takes_file(self) -> bool:
        """Whether the device has neither slots nor marks: it is sent a file, and restarts by itself."""
        return isinstance(self.device, TakesFile) and not isinstance(self.device, Updatable)

    def images(self, new_version: str = "", new_digest: bytes = b"") -> Sequence[ImageSlot]:
        """The images in the device. One that takes a file tells a version alone: it stands for the image that
        is ``new`` where it is that one's."""
        if not self.takes_file:
            return self.updatable.images()
        version = self.device.identity().firmware
        digest = new_digest if _same(version, new_version) else b""
        return [ImageSlot(0, version, digest, active=True, confirmed=True)]

    def send(self, image: bytes) -> Iterator[int]:
        """Send an image; the bytes that the device has."""
        device = self.device
        if isinstance(device, TakesFile) and not isinstance(device, Updatable):
            return device.transfer(image)
        return self.updatable.upload(image)

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


def _same(version: str, other: str) -> bool:
    """Whether a device that says ``version`` runs ``other``; OSDP has three numbers of the four."""
    try:
        said, meant = Version.parse(version), Version.parse(other)
    except ValueError:
        return version == other
    return said in (meant, replace(meant, build=0))
