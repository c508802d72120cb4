"""What the running firmware does with the two slots: list them, take an upload, mark, confirm, erase.

The rules are those of MCUboot's ``bootutil_public`` and Zephyr's image management: an upload goes to the
secondary slot unless that is still needed, a mark is a trailer's magic, a confirmation its image_ok.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field

from ....reader_bridge.frames.mcuboot import HEADER_SIZE, MAGIC, Image, ImageFault, Version, parse_image
from ....reader_bridge.frames.mcuboot_trailer import Flag, Magic, SwapType, swap_type
from .bootloader import security_counter
from .flash import ERASED, Area, Flash
from .fuses import Fuses
from .swap import Trailer
from .verify import Refused, examine

__all__ = ["Denied", "Problem", "SlotView", "Slots"]

_BLOCK = 512
"""Most bytes of an upload that are written at once, and kept in RAM before."""


class Problem(enum.Enum):
    """Why something cannot be done now."""

    IN_USE = "in-use"
    NO_SUCH_IMAGE = "no-such-image"
    PENDING = "pending"
    TEST_OF_RUNNING = "test-of-running"
    BAD_OFFSET = "bad-offset"
    NO_LENGTH = "no-length"
    NO_HEADER = "no-header"
    NO_MAGIC = "no-magic"
    NOT_NEWER = "not-newer"
    TOO_LARGE = "too-large"
    OVERRUN = "overrun"


class Denied(Exception):
    """What was asked cannot be done now."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class SlotView:
    """One image and its marks, as the next start will take them."""

    slot: int
    image: Image
    active: bool
    confirmed: bool
    pending: bool
    permanent: bool


@dataclass
class _Upload:
    """An upload under way, in RAM: what has come, and what of it is not in the flash yet."""

    length: int
    sha: bytes
    received: int = 0
    rest: bytearray = field(default_factory=bytearray)


class Slots:
    """The slots under a firmware that runs ``running``. Every method that writes raises PowerLost."""

    def __init__(self, flash: Flash, fuses: Fuses, running: Image) -> None:
        self._flash = flash
        self._fuses = fuses
        self._running = running
        self._geometry = flash.geometry
        self._upload: _Upload | None = None

    @property
    def next_swap(self) -> SwapType:
        """What the next start does."""
        layout = self._geometry.trailer
        areas = (self._geometry.primary, self._geometry.secondary)
        return swap_type(*(layout.read(self._flash.read(area)) for area in areas))

    def views(self) -> list[SlotView]:
        """The images that are whole, in the order of the slots."""
        kind, found = self.next_swap, []
        for slot, area in enumerate((self._geometry.primary, self._geometry.secondary)):
            image = self._image(area)
            if image is not None:
                other = slot == 1
                found.append(
                    SlotView(
                        slot,
                        image,
                        active=not other,
                        confirmed=(kind is SwapType.REVERT) == other,
                        pending=other and kind in (SwapType.TEST, SwapType.PERMANENT),
                        permanent=other and kind is SwapType.PERMANENT,
                    )
                )
        return found

    def begin_upload(self, length: int, sha: bytes, *, only_newer: bool, first: bytes) -> int:
        """Where the upload of ``length`` bytes with this SHA-256 goes on: 0, or where it was interrupted.
        ``first`` is what came with it. Raises Denied."""
        upload = self._upload
        if upload is not None and sha and (upload.sha, upload.length) == (sha, length):
            return upload.received
        if self.next_swap is not SwapType.NONE:
            raise Denied(Problem.IN_USE)
        if length > self._geometry.largest_image:
            raise Denied(Problem.TOO_LARGE)
        if len(first) < HEADER_SIZE:
            raise Denied(Problem.NO_HEADER)
        if int.from_bytes(first[:4], "little") != MAGIC:
            raise Denied(Problem.NO_MAGIC)
        version = Version(first[20], first[21], int.from_bytes(first[22:24], "little"))
        if only_newer and version <= Version(*_three(self._running.version)):
            raise Denied(Problem.NOT_NEWER)
        self.erase()
        self._upload = _Upload(length, sha)
        return 0

    @property
    def received(self) -> int | None:
        """Bytes of the upload that is under way, None when there is none."""
        return self._upload.received if self._upload else None

    def receive(self, data: bytes) -> bool | None:
        """The next bytes. At the end: whether they have the SHA-256 that was announced (True when none was),
        None before. Raises Denied, and Refused when the whole image is not taken; then it is erased."""
        upload = self._upload
        if upload is None:
            raise Denied(Problem.BAD_OFFSET)
        if upload.received + len(data) > upload.length:
            self._upload = None
            raise Denied(Problem.OVERRUN)
        upload.rest += data
        upload.received += len(data)
        self._write_out(upload)
        if upload.received < upload.length:
            return None
        self._upload = None
        return self._finish(upload)

    def mark(self, digest: bytes, *, permanent: bool) -> None:
        """Let the next start swap the image with this digest in. Raises Denied and Refused."""
        image = self._image(self._geometry.secondary)
        if image is None or image.digest != digest:
            running = digest == self._running.digest
            raise Denied(Problem.TEST_OF_RUNNING if running else Problem.NO_SUCH_IMAGE)
        if self.next_swap is SwapType.REVERT:
            raise Denied(Problem.PENDING)
        self._examine_secondary()
        trailer = Trailer(self._flash, self._geometry.secondary)
        state = self._geometry.trailer.read(self._flash.read(self._geometry.secondary))
        if state.magic is Magic.GOOD:
            if permanent and state.image_ok is Flag.UNSET:
                trailer.write_image_ok()
            return
        if state.magic is Magic.BAD or state.image_ok is not Flag.UNSET:
            trailer.erase()  # a mark that lost its power half way
        if permanent:
            trailer.write_image_ok()
        trailer.write_magic()

    def confirm(self) -> None:
        """Let the running image stay. Raises Denied while another one waits."""
        kind = self.next_swap
        if kind in (SwapType.TEST, SwapType.PERMANENT):
            raise Denied(Problem.PENDING)
        if kind is SwapType.REVERT:
            Trailer(self._flash, self._geometry.primary).write_image_ok()

    def erase(self) -> None:
        """Empty the secondary slot. Raises Denied while it is needed."""
        if self.next_swap is not SwapType.NONE:
            raise Denied(Problem.IN_USE)
        self._upload = None
        self._empty_secondary()

    def store(self, image: bytes) -> None:
        """A whole image at once. Raises Denied and Refused."""
        digest = hashlib.sha256(image).digest()
        self._upload = None
        self.begin_upload(len(image), digest, only_newer=False, first=image)
        for start in range(0, len(image), _BLOCK):
            self.receive(image[start : start + _BLOCK])

    def _write_out(self, upload: _Upload) -> None:
        """Whole units as they come, the end filled up."""
        last = upload.received == upload.length
        while len(upload.rest) >= _BLOCK or (last and upload.rest):
            block = bytes(upload.rest[:_BLOCK])
            start = upload.received - len(upload.rest)
            del upload.rest[:_BLOCK]
            fill = bytes([ERASED]) * (-len(block) % self._geometry.write_size)
            self._flash.write(self._geometry.secondary, start, block + fill)

    def _finish(self, upload: _Upload) -> bool:
        stored = self._flash.read(self._geometry.secondary, 0, upload.length)
        if upload.sha and hashlib.sha256(stored).digest() != upload.sha:
            self._empty_secondary()
            return False
        try:
            self._examine_secondary(upload.length)
        except Refused:
            self._empty_secondary()
            raise
        return True

    def _examine_secondary(self, length: int | None = None) -> None:
        examine(
            self._flash.read(self._geometry.secondary, 0, length),
            self._fuses,
            largest=self._geometry.largest_image,
            counter=security_counter(self._flash),
            oldest=self._running.version if self._fuses.refuse_older else None,
        )

    def _empty_secondary(self) -> None:
        """The trailer first, then the image from its beginning, so that no part of it passes for a whole."""
        Trailer(self._flash, self._geometry.secondary).erase()
        for offset in range(0, self._geometry.trailer_start, self._geometry.sector_size):
            self._flash.erase(self._geometry.secondary, offset)

    def _image(self, area: Area) -> Image | None:
        try:
            image = parse_image(self._flash.read(area))
        except ImageFault:
            return None
        return image if image.digest_is_right else None


def _three(version: Version) -> tuple[int, int, int]:
    """Without the build number, as Zephyr compares."""
    return version.major, version.minor, version.revision
