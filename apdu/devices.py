"""The port Device: what the companion of a reader asks of the hardware, whatever protocol it speaks.

Drivers are found through the entry-point group ``tegata.devices``; a driver is a callable that takes the
part of the URL after the scheme. A reader that also holds cards is opened by the same URL through
:func:`tegata.apdu.ports.open_reader`; never both at once, since a serial line has one owner.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from .errors import ReaderError, Words

__all__ = [
    "DEVICES",
    "Configurable",
    "Device",
    "DeviceIdentity",
    "FindMe",
    "Finding",
    "ImageSlot",
    "TakesFile",
    "Updatable",
    "Verdict",
    "open_device",
]

DEVICES = "tegata.devices"


class Verdict(enum.Enum):
    """How one check ended. ``SKIPPED`` says that the device cannot be asked that."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of a self-test: its name (``rom``, ``antenna``), how it ended, and a sentence."""

    name: str
    verdict: Verdict
    sentence: Words


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """Who a device says it is. Read without altering anything in it.

    ``url`` opens it again. ``model`` is the model's name in the compatibility table (``pn532``,
    ``gempc-twin``, or what the device says). ``firmware`` is its version as it is written there, empty when
    it does not tell. ``hardware_id`` is what a firmware image must name to fit, empty where there is none.
    ``max_command`` and ``max_response`` are bytes of a whole APDU, 0 where no card is held. ``updatable`` is
    False for firmware in ROM, and ``why`` then says so. ``security_counter`` is that of the running image
    (None: the device has none or does not tell), ``slot_size`` how many bytes a new image may have (0: not
    told).
    """

    url: str
    model: str
    firmware: str = ""
    serial: str = ""
    vendor: str = ""
    hardware_id: str = ""
    slots: int = 0
    features: frozenset[str] = frozenset()
    max_command: int = 0
    max_response: int = 0
    updatable: bool = False
    security_counter: int | None = None
    slot_size: int = 0
    why: Words = field(default_factory=lambda: Words("", ""))

    def to_json(self) -> dict[str, Any]:
        """Plain values under the names of the fields, features sorted."""
        return {
            "url": self.url,
            "model": self.model,
            "firmware": self.firmware,
            "serial": self.serial,
            "vendor": self.vendor,
            "hardware_id": self.hardware_id,
            "slots": self.slots,
            "features": sorted(self.features),
            "max_command": self.max_command,
            "max_response": self.max_response,
            "updatable": self.updatable,
            "security_counter": self.security_counter,
            "slot_size": self.slot_size,
        }


@dataclass(frozen=True, slots=True)
class ImageSlot:
    """One firmware image in a device with two slots, and MCUboot's marks on it (SMP image state).

    ``digest`` is the SHA-256 of the image (header, payload and protected TLVs), empty for an empty slot.
    """

    slot: int
    version: str
    digest: bytes
    active: bool = False
    confirmed: bool = False
    pending: bool = False
    permanent: bool = False
    bootable: bool = True


@runtime_checkable
class Device(Protocol):
    """A reader or peripheral as its companion sees it. One owner at a time; ``close`` frees the line.

    Every method raises ReaderError when the device does not answer or the line is lost.
    """

    @property
    def url(self) -> str: ...
    def identity(self) -> DeviceIdentity: ...
    def selftest(self) -> Sequence[Finding]: ...
    def close(self) -> None: ...


@runtime_checkable
class FindMe(Protocol):
    """A device that can show where it is: a lamp, a buzzer, a blinking field."""

    def find_me(self, seconds: float) -> None: ...


@runtime_checkable
class Configurable(Protocol):
    """A device with settings that can be read and put back. Values are JSON's own: str, int, bool, list."""

    def settings(self) -> Mapping[str, Any]: ...
    def apply(self, settings: Mapping[str, Any]) -> None:
        """Put these settings; others stay. Raises InputError ``device.setting`` for a name or value that
        the device does not have, before anything is written."""
        ...


@runtime_checkable
class Updatable(Protocol):
    """A device whose firmware can be replaced.

    ``upload`` goes on where the device's own offset says, yields the bytes the device has, and ends when it
    has all. ``test`` marks an image to run once, ``confirm`` one (None: the running one) to stay, ``restart``
    lets the device boot. ReaderError ``firmware.device`` carries what the device said when it refuses.
    """

    @property
    def url(self) -> str: ...
    def images(self) -> Sequence[ImageSlot]: ...
    def upload(self, image: bytes) -> Iterator[int]: ...
    def test(self, digest: bytes) -> None: ...
    def confirm(self, digest: bytes | None = None) -> None: ...
    def erase(self) -> None: ...
    def restart(self) -> None: ...


@runtime_checkable
class TakesFile(Protocol):
    """A device whose firmware is replaced by sending one file (OSDP): there are no slots to look at, no
    marks and no going back; the device verifies the file and restarts by itself.

    ``transfer`` yields the bytes that the device has and ends when it is back. ReaderError
    ``firmware.device`` carries what it said when it refused the file.
    """

    @property
    def url(self) -> str: ...
    def transfer(self, image: bytes) -> Iterator[int]: ...


def open_device(url: str) -> Device:
    """The device that ``scheme:rest`` names. Raises ReaderError ``device.scheme`` for an unknown scheme."""
    scheme, _, rest = url.partition(":")
    found = {point.name: point for point in entry_points(group=DEVICES)}
    if (not rest and scheme != "pcsc") or scheme not in found:
        raise ReaderError("device.scheme", url=url, known=", ".join(sorted(found)))
    device: Device = found[scheme].load()(rest)
    return device
