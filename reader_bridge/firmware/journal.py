"""The journal of updates: every job is on the disk before its first byte goes to a device.

A job is one JSON file (mode 0600, replaced in one step and flushed) and a copy of the image it carries, which
no other job relies on: another tegata may work with the same journal. What a device really holds is always
asked of the device; the journal says what was meant, which steps were begun, and what was seen. No key and no
setting of a device is ever written here.
"""

from __future__ import annotations

import enum
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...apdu.devices import DeviceIdentity, ImageSlot
from ...apdu.errors import InputError
from .compatibility import first_defect
from .durable import listed, make_folder, write_durably
from .image import FirmwareImage

__all__ = ["Event", "Goal", "Job", "Journal", "Stage", "Target", "now"]

_HISTORY = 200
"""Events that one job keeps; a job that is begun again for ever forgets its middle."""


class Goal(enum.Enum):
    """What a job ends with: the image on trial for one run, or there to stay."""

    TEST = "test"
    CONFIRM = "confirm"


class Stage(enum.Enum):
    """How far a job came, as far as tegata saw it. Each is written before its step is taken."""

    PLANNED = "planned"
    UPLOADING = "uploading"
    MARKING = "marking"
    RESTARTING = "restarting"
    CONFIRMING = "confirming"
    ON_TRIAL = "on-trial"
    DONE = "done"
    REVERTED = "reverted"
    ROLLED_BACK = "rolled-back"
    REFUSED = "refused"

    @property
    def unfinished(self) -> bool:
        """Whether ``tegata firmware update`` has work left with it."""
        return self in _UNFINISHED


_UNFINISHED = frozenset({Stage.PLANNED, Stage.UPLOADING, Stage.MARKING, Stage.RESTARTING, Stage.CONFIRMING})


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class Event(_Record):
    """What happened when; ``detail`` is short and holds no secret."""

    at: datetime
    what: str
    detail: str = ""


class Job(_Record):
    """One update of one device. ``restarts`` counts those that tegata asked for. A way back to the image that
    the device still holds is a job without an image of its own (``image_size`` 0)."""

    format: Literal[1] = 1
    id: str = Field(pattern=r"^[0-9]{8}T[0-9]{12}Z-[0-9a-f]{8}$")
    url: str
    model: str
    serial: str
    vendor: str = ""
    hardware_id: str = ""
    old_version: str
    old_digest: str
    new_version: str
    new_digest: str = Field(pattern=r"^([0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$")
    image_sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    image_size: int = Field(default=0, ge=0)
    goal: Goal
    stage: Stage = Stage.PLANNED
    restarts: int = Field(default=0, ge=0)
    history: list[Event] = Field(min_length=1)

    @property
    def begun(self) -> datetime:
        return self.history[0].at

    def concerns(self, identity: DeviceIdentity) -> bool:
        """Whether this is the device that the job was made for. Vendor and hardware id count where both are
        told: a device may be asked for them in vain."""
        told = ((self.vendor, identity.vendor), (self.hardware_id, identity.hardware_id))
        same = (self.model, self.serial) == (identity.model, identity.serial)
        return same and all(ours == theirs for ours, theirs in told if ours and theirs)


@dataclass(frozen=True, slots=True)
class Target:
    """A device as a job finds it: who it is and the image that runs in it."""

    identity: DeviceIdentity
    running: ImageSlot


class Journal:
    """The jobs below one folder."""

    def __init__(self, folder: Path) -> None:
        self._jobs = make_folder(folder / "jobs")
        self._images = make_folder(folder / "images")

    def begin(self, target: Target, image: FirmwareImage, goal: Goal) -> Job:
        """A new job, with a copy of its image, on the disk."""
        job = _new_job(target, str(image.version), image.digest, goal)
        job.image_sha256 = hashlib.sha256(image.data).hexdigest()
        job.image_size = len(image.data)
        write_durably(self._image_path(job), image.data)
        self._write(job)
        return job

    def begin_way_back(self, target: Target, previous: ImageSlot) -> Job:
        """A new job that lets the device run the image again that it holds in its other slot."""
        job = _new_job(target, previous.version, previous.digest, Goal.CONFIRM)
        self._write(job)
        return job

    def enter(self, job: Job, stage: Stage, detail: str = "") -> None:
        """``job`` reaches ``stage``; written before the step that it names is taken."""
        job.stage = stage
        self.note(job, stage.value, detail)
        if not stage.unfinished:
            self._drop_image(job)

    def move(self, job: Job, url: str) -> None:
        """The device of ``job`` is found at ``url`` now."""
        if job.url != url:
            job.url = url
            self.note(job, "moved", url)

    def note(self, job: Job, what: str, detail: str = "") -> None:
        """One more event of ``job``."""
        job.history = [
            *job.history[:1],
            *job.history[1:][-_HISTORY:],
            Event(at=now(), what=what, detail=detail),
        ]
        self._write(job)

    def jobs(self) -> Iterator[Job]:
        """Every job, oldest first. Raises InputError ``firmware.journal`` for a damaged one, and for a folder
        that may not be read."""
        for path in listed(self._jobs, ".json"):
            yield self._read(path)

    def unfinished(self) -> list[Job]:
        """The jobs that ``tegata firmware update`` has work left with."""
        return [job for job in self.jobs() if job.stage.unfinished]

    def latest(self, url: str) -> Job | None:
        """The newest job of the device at ``url``, finished or not."""
        found = [job for job in self.jobs() if job.url == url]
        return found[-1] if found else None

    def image(self, job: Job) -> bytes:
        """The copy of the job's image, checked. Raises InputError ``firmware.journal``."""
        path = self._image_path(job)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError("firmware.journal", path=str(path), what=error.strerror) from error
        if hashlib.sha256(data).hexdigest() != job.image_sha256:
            raise InputError("firmware.journal", path=str(path), what="SHA-256")
        return data

    def _drop_image(self, job: Job) -> None:
        if job.image_size:
            self._image_path(job).unlink(missing_ok=True)

    def _image_path(self, job: Job) -> Path:
        return self._images / f"{job.id}.bin"

    def _write(self, job: Job) -> None:
        write_durably(self._jobs / f"{job.id}.json", job.model_dump_json(indent=1).encode())

    def _read(self, path: Path) -> Job:
        try:
            return Job.model_validate_json(path.read_bytes())
        except OSError as error:
            raise InputError("firmware.journal", path=str(path), what=error.strerror) from error
        except ValidationError as error:
            raise InputError("firmware.journal", path=str(path), what=first_defect(error)) from error


def _new_job(target: Target, version: str, digest: bytes, goal: Goal) -> Job:
    moment, identity = now(), target.identity
    return Job(
        id=f"{moment:%Y%m%dT%H%M%S%fZ}-{secrets.token_hex(4)}",
        url=identity.url,
        model=identity.model,
        serial=identity.serial,
        vendor=identity.vendor,
        hardware_id=identity.hardware_id,
        old_version=target.running.version,
        old_digest=target.running.digest.hex(),
        new_version=version,
        new_digest=digest.hex(),
        goal=goal,
        history=[Event(at=moment, what=Stage.PLANNED.value)],
    )


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)
