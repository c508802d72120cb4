"""MCUboot's decision at each start: finish a swap, begin one, go back, or boot what is there.

What shall happen stands in the trailers of both slots alone (see ``frames.mcuboot_trailer``). An image that
is to be swapped in is examined first, and thrown away when it does not pass. The security counter of a
confirmed image becomes the least that is taken from then on. (MCUboot, "Boot Loader", High-Level Operation,
Downgrade prevention, hardware-based.)
"""

from __future__ import annotations

from dataclasses import dataclass

from ....reader_bridge.frames.mcuboot import Image, ImageFault, parse_image
from ....reader_bridge.frames.mcuboot_trailer import Flag, Magic, SwapState, SwapType, swap_type
from .flash import Area, Flash
from .fuses import Fuses
from .store import Store
from .swap import Swap, Trailer
from .verify import Refused, examine

__all__ = ["Boot", "boot", "security_counter"]

_COUNTER = 1


@dataclass(frozen=True, slots=True)
class Boot:
    """How a start ended: the image that runs (None: the reader is dead), what was done before, and why an
    image was refused."""

    image: Image | None
    swap: SwapType
    refused: str = ""


def security_counter(flash: Flash) -> int:
    """The least security counter that is taken."""
    return int.from_bytes(Store(flash, flash.geometry.protected).get(_COUNTER) or b"", "big")


def boot(flash: Flash, fuses: Fuses) -> Boot:
    """One start. Raises PowerLost when the power goes; the next start then goes on."""
    geometry = flash.geometry
    primary, secondary = _state(flash, geometry.primary), _state(flash, geometry.secondary)
    underway = (
        primary.magic is Magic.GOOD and primary.copy_done is Flag.UNSET and secondary.magic is not Magic.GOOD
    )
    refused = ""
    if underway and primary.swap_type is not SwapType.NONE:
        done: SwapType = primary.swap_type
        size = Trailer(flash, geometry.primary).swap_size()
        if not 0 < size <= geometry.largest_image:
            return Boot(None, done, "the trailer of the primary slot is damaged")
        Swap(flash, done, size).resume()
    else:
        done = swap_type(primary, secondary)
        if done is not SwapType.NONE:
            try:
                _check_secondary(flash, fuses, done, secondary)
            except Refused as error:
                done, refused = SwapType.FAIL, str(error)
                _throw_away(flash)
            else:
                Swap(flash, done, _swap_size(flash)).begin()
    try:
        image = examine(flash.read(geometry.primary), fuses, largest=geometry.largest_image)
    except Refused as error:
        return Boot(None, done, refused or str(error))
    _remember_counter(flash, image)
    return Boot(image, done, refused)


def _check_secondary(flash: Flash, fuses: Fuses, kind: SwapType, secondary: SwapState) -> None:
    """Raises Refused. Going back to the image that ran before is no downgrade by version."""
    back = kind is SwapType.REVERT or secondary.swap_type is SwapType.REVERT
    running = _image(flash, flash.geometry.primary)
    examine(
        flash.read(flash.geometry.secondary),
        fuses,
        largest=flash.geometry.largest_image,
        counter=security_counter(flash),
        oldest=running.version if running and fuses.refuse_older and not back else None,
    )


def _throw_away(flash: Flash) -> None:
    """Erase the refused image, its trailer first, and mark the one that runs, so that no swap is tried
    again."""
    geometry = flash.geometry
    Trailer(flash, geometry.secondary).erase()
    for offset in range(0, geometry.trailer_start, geometry.sector_size):
        flash.erase(geometry.secondary, offset)
    if _state(flash, geometry.primary).image_ok is Flag.UNSET:
        Trailer(flash, geometry.primary).write_image_ok()


def _swap_size(flash: Flash) -> int:
    """Bytes of the longer image."""
    images = (_image(flash, area) for area in (flash.geometry.primary, flash.geometry.secondary))
    sizes = [image.size for image in images if image is not None]
    return max(size for size in sizes if size <= flash.geometry.largest_image)


def _remember_counter(flash: Flash, image: Image) -> None:
    """Raise the least security counter to that of an image that stays."""
    state = _state(flash, flash.geometry.primary)
    stays = state.image_ok is Flag.SET or state.magic is not Magic.GOOD
    if stays and (image.security_counter or 0) > security_counter(flash):
        store = Store(flash, flash.geometry.protected)
        store.put(_COUNTER, (image.security_counter or 0).to_bytes(4, "big"))


def _image(flash: Flash, area: Area) -> Image | None:
    try:
        return parse_image(flash.read(area))
    except ImageFault:
        return None


def _state(flash: Flash, area: Area) -> SwapState:
    return flash.geometry.trailer.read(flash.read(area))
