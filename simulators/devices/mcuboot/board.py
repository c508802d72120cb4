"""The hardware of a simulated reader: flash, fuses, a lamp; what runs on it follows from the flash alone."""

from __future__ import annotations

import time

from ....reader_bridge.frames.mcuboot import Image
from .bootloader import Boot, boot, security_counter
from .flash import Flash, PowerLost
from .fuses import Fuses
from .settings import Settings
from .slots import Slots

__all__ = ["Board"]


class Board:
    """A reader with power. ``boot`` says how it started, ``running`` which image runs: None when the
    bootloader found none that it may start, and then the reader is dead."""

    def __init__(self, flash: Flash, fuses: Fuses) -> None:
        self.flash = flash
        self.fuses = fuses
        self.starts = 0
        self._lamp_until = 0.0
        self.power_on()

    def power_on(self) -> None:
        """Start, and start again whenever the power goes meanwhile; what was in RAM is gone."""
        while True:
            self.starts += 1
            try:
                self.boot: Boot = boot(self.flash, self.fuses)
            except PowerLost:
                continue
            break
        self._lamp_until = 0.0
        self._slots = Slots(self.flash, self.fuses, self.running) if self.running else None
        self._settings = Settings(self.flash)

    @property
    def running(self) -> Image | None:
        """The image that the bootloader started."""
        return self.boot.image

    @property
    def version(self) -> str:
        """The version of the running firmware, empty when none runs."""
        return str(self.running.version) if self.running else ""

    @property
    def hardware_id(self) -> str:
        return self.fuses.hardware_id

    @property
    def security_counter(self) -> int:
        """The least security counter that is taken."""
        return security_counter(self.flash)

    @property
    def slots(self) -> Slots:
        """The slots as the running firmware sees them. Raises ValueError when none runs."""
        if self._slots is None:
            raise ValueError("no firmware runs")
        return self._slots

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def lamp(self) -> bool:
        """Whether the lamp shines that shows where the reader is."""
        return time.monotonic() < self._lamp_until

    def find_me(self, seconds: float) -> None:
        """Let the lamp shine."""
        self._lamp_until = time.monotonic() + seconds
