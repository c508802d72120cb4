"""A maker of firmware: a key, and images that imgtool signs with it. Small, for a small simulated reader."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tegata.reader_bridge.frames.mcuboot import Version
from tegata.simulators.devices.mcuboot.demo import make_key, payload, public_key, sign
from tegata.simulators.devices.mcuboot.flash import Geometry

HARDWARE = "gate-reader-1"
SMALL = Geometry(sector_size=256, slot_sectors=6, max_sectors=6)
"""Four sectors for an image, one to move through, one for the trailer."""


class Maker:
    """One maker with its key, and images of its firmware below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._private = folder / "maker.key.pem"
        make_key(self._private, "ed25519")
        self.key = folder / "maker.pub.pem"
        self.key.write_text(public_key(self._private), encoding="ascii")

    def image(
        self,
        version: str,
        *,
        hardware: str | None = HARDWARE,
        counter: int | None = 1,
        size: int = 450,
        signed: bool = True,
    ) -> Path:
        """A file with an image of ``size`` bytes of payload, made once for the same arguments."""
        given = (version, hardware, counter, size, signed)
        path = self.folder / f"{hashlib.sha256(repr(given).encode()).hexdigest()[:12]}.bin"
        if not path.exists():
            number = Version.parse(version)
            key = self._private if signed else None
            body = payload(number, size)
            path.write_bytes(
                sign(
                    body,
                    key,
                    number,
                    hardware_id=hardware,
                    counter=counter,
                    geometry=SMALL if size < SMALL.largest_image else Geometry(),
                )
            )
        return path
