"""Whether an image may go into a device: every reason against it, before a byte of it goes out.

The device refuses by itself what it must; this says why, earlier and in plain words. Only what the
compatibility table says can be overridden.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...apdu.devices import DeviceIdentity, ImageSlot
from ...apdu.errors import InputError, Words
from ..frames.mcuboot import Version
from .compatibility import Compatibility
from .image import FirmwareImage

__all__ = ["as_clause", "check_order", "check_suits", "check_updatable", "running"]


def running(url: str, slots: Sequence[ImageSlot]) -> ImageSlot:
    """The image that runs. Raises InputError ``firmware.not_updatable`` for a device that does not tell."""
    for slot in slots:
        if slot.active:
            return slot
    what = Words("it does not tell which image runs", "動作中のイメージを報告しません")
    raise InputError("firmware.not_updatable", url=url, what=what)


def check_updatable(device: DeviceIdentity, table: Compatibility) -> None:
    """Raises InputError ``firmware.not_updatable`` for a device whose firmware is never replaced."""
    if (never := table.why_never(device)) is not None:
        raise InputError("firmware.not_updatable", url=device.url, what=as_clause(never))


def as_clause(sentence: Words) -> Words:
    """A reason as it stands inside of another sentence: without its own full stop."""
    return Words(sentence.rstrip("."), sentence.ja.rstrip("。"))


def check_suits(
    device: DeviceIdentity,
    slots: Sequence[ImageSlot],
    image: FirmwareImage,
    table: Compatibility,
    *,
    force: bool = False,
) -> list[Words]:
    """Pass when ``image`` suits ``device``; what the table says against it comes back with ``force``.

    Raises InputError of the group ``firmware``: ``not_updatable``, ``too_large``, ``wrong_hardware``,
    ``counter``, ``downgrade``, ``on_trial``, ``incompatible``.
    """
    check_updatable(device, table)
    active = running(device.url, slots)
    if device.slot_size and len(image.data) > device.slot_size:
        raise InputError(
            "firmware.too_large", path=image.name, size=len(image.data), url=device.url, room=device.slot_size
        )
    if device.hardware_id and image.hardware_id != device.hardware_id:
        raise InputError(
            "firmware.wrong_hardware",
            path=image.name,
            image=image.hardware_id or Words("no hardware", "(記載なし)"),
            url=device.url,
            device=device.hardware_id,
        )
    if active.digest != image.digest:
        check_order(device, active, image)
        if not active.confirmed:
            raise InputError("firmware.on_trial", url=device.url, version=active.version)
    objections = table.objections(device, image.version, image.hardware_id)
    if objections and not force:
        raise InputError("firmware.incompatible", path=image.name, url=device.url, what=objections[0])
    return objections


def check_order(device: DeviceIdentity, active: ImageSlot, image: FirmwareImage) -> None:
    """Raises InputError ``firmware.counter`` and ``firmware.downgrade`` for an image that is older than the
    one that runs."""
    counter = image.security_counter or 0
    if device.security_counter is not None and counter < device.security_counter:
        raise InputError(
            "firmware.counter", path=image.name, image=counter, url=device.url, device=device.security_counter
        )
    try:
        present = Version.parse(active.version)
    except ValueError:
        return  # the device writes its version in its own way; its bootloader compares by itself
    if image.version < present:
        raise InputError(
            "firmware.downgrade",
            path=image.name,
            image=str(image.version),
            url=device.url,
            device=str(present),
        )
