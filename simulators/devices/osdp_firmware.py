"""The firmware of a simulated OSDP peripheral: the same board, bootloader and images as one with SMP has.

OSDP knows nothing of slots and marks. The device marks a verified image itself, to be tried at the restart
that follows, and confirms it when a control panel has reached it again under its secure channel; an image
that no control panel reaches is given up at the next restart.
"""

from __future__ import annotations

from ...reader_bridge.frames.mcuboot import parse_image
from .mcuboot.board import Board
from .mcuboot.slots import Denied
from .mcuboot.verify import Refused as BoardRefused
from .osdp_file import Refused

__all__ = ["BoardReceiver", "FixedFirmware"]


class BoardReceiver:
    """A :class:`~.osdp_file.Receiver` on a board with MCUboot."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._started = False
        self.verdict = ""

    @property
    def hardware_id(self) -> str:
        return self._board.hardware_id

    @property
    def version(self) -> tuple[int, int, int]:
        """Of the running image, its last number cut to the byte that PDID has."""
        running = self._board.running
        if running is None:  # nothing that OSDP could say of a reader that does not start
            return (0, 0, 0)
        return (running.version.major, running.version.minor, running.version.revision & 0xFF)

    @property
    def largest(self) -> int:
        return self._board.flash.geometry.largest_image

    def take(self, image: bytes) -> None:
        slots = self._board.slots
        try:
            slots.store(image)
            slots.mark(parse_image(image).digest, permanent=False)
        except (BoardRefused, Denied) as error:
            self.verdict = str(error)
            raise Refused(self.verdict) from None
        self.verdict = "ok"

    def refuse(self, reason: str) -> None:
        self.verdict = reason

    def boot(self) -> None:
        if self._started:
            self._board.power_on()
        self._started = True

    def reached(self) -> None:
        """A control panel is there, under the secure channel: the running image stays."""
        self._board.slots.confirm()


class FixedFirmware:
    """A :class:`~.osdp_file.Receiver` whose firmware cannot be replaced."""

    hardware_id = ""
    version = (1, 0, 0)
    largest = 0

    def __init__(self) -> None:
        self.verdict = ""

    def take(self, image: bytes) -> None:
        """Never asked for: nothing is as small as ``largest``."""
        raise Refused("its firmware cannot be replaced")

    def refuse(self, reason: str) -> None:
        self.verdict = f"its firmware cannot be replaced ({reason})"

    def boot(self) -> None:
        """There is nothing to choose."""

    def reached(self) -> None:
        """There is nothing to confirm."""
