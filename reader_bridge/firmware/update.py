"""One update as a job: upload, mark, restart, see what runs, confirm.

No step trusts what the journal remembers of the device: :func:`next_step` looks at the images that the
device holds now. So a job goes on from wherever a power cut, a pulled cable or a killed tegata left it, and
doing it again when it is done does nothing. An image is confirmed only after it has run: one that is marked
to stay before its first start can leave a device that never starts again.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...apdu.devices import Device, DeviceIdentity, ImageSlot, open_device
from ...apdu.errors import InputError, ReaderError, Words
from .compatibility import Compatibility
from .connection import Connection
from .image import FirmwareImage, Keys, parse_firmware
from .journal import Goal, Job, Journal, Stage, Target
from .suitability import check_order, check_suits, check_updatable, running

__all__ = ["Outcome", "Progress", "Step", "Updater", "next_step"]

MAX_RESTARTS = 3
"""How often one job starts an image that the device leaves again, before it is given up."""
_ANSWERS_AGAIN = 60.0


class Step(enum.Enum):
    """What a job does next."""

    UPLOAD = "upload"
    MARK = "mark"
    RESTART = "restart"
    CONFIRM = "confirm"
    LEAVE = "leave"
    FINISH = "finish"


def next_step(job: Job, slots: Sequence[ImageSlot]) -> Step:
    """What brings the device nearer to what the job is for, from the images that it holds now."""
    new = bytes.fromhex(job.new_digest)
    active = running(job.url, slots)
    if active.digest == new:
        if active.confirmed:
            return Step.FINISH
        return Step.CONFIRM if job.goal is Goal.CONFIRM else Step.LEAVE
    waiting = next((slot for slot in slots if slot.digest == new), None)
    if waiting is None:
        return Step.UPLOAD
    return Step.RESTART if waiting.pending else Step.MARK


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step is: bytes that the device has, of all (both 0 for a step that has no bytes)."""

    step: Step
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a device runs now, seen from a job: ``runs`` is ``new``, ``old`` or ``other``."""

    job: Job
    runs: str
    version: str
    confirmed: bool
    warnings: tuple[Words, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "job": self.job.id,
            "url": self.job.url,
            "stage": self.job.stage.value,
            "goal": self.job.goal.value,
            "runs": self.runs,
            "version": self.version,
            "confirmed": self.confirmed,
            "old_version": self.job.old_version,
            "new_version": self.job.new_version,
            "warnings": [str(words) for words in self.warnings],
        }


def outcome_of(job: Job, slots: Sequence[ImageSlot], warnings: Sequence[Words] = ()) -> Outcome:
    """Which image runs, by its digest."""
    active = running(job.url, slots)
    names = {job.old_digest: "old", job.new_digest: "new"}
    runs = names.get(active.digest.hex(), "other")
    return Outcome(job, runs, active.version, active.confirmed, tuple(warnings))


class Updater:
    """Begins and goes on with jobs. ``report`` hears of every step and every piece of an upload."""

    def __init__(
        self,
        journal: Journal,
        *,
        report: Callable[[Progress], None] = lambda _: None,
        opener: Callable[[str], Device] = open_device,
        answers_again: float = _ANSWERS_AGAIN,
    ) -> None:
        self.journal = journal
        self._report = report
        self._opener = opener
        self.answers_again = answers_again

    def connect(self, url: str) -> Connection:
        """The device at ``url``, ours until closed."""
        return Connection(url, self._opener)

    def update(
        self,
        url: str,
        image: FirmwareImage,
        keys: Keys,
        table: Compatibility,
        goal: Goal,
        *,
        force: bool = False,
    ) -> Outcome:
        """Check ``image`` against key, device and table, then carry the job out.

        Raises InputError of the group ``firmware`` before anything is written to the device,
        ``firmware.unfinished`` when another job waits there, and what :meth:`resume` raises.
        """
        with self.connect(url) as connection:
            identity = connection.device.identity()
            check_updatable(identity, table)
            keys.check(image)
            if connection.takes_file and goal is Goal.TEST:
                raise InputError("firmware.one_slot", url=url)
            slots = connection.images()
            job = self._waiting(identity, image)
            warnings = check_suits(identity, slots, image, table, force=force)
            if job is None:
                target = Target(identity, running(url, slots))
                job = self.journal.begin(target, image, goal)
            elif job.goal is not goal:
                job.goal = goal
                self.journal.note(job, "goal", goal.value)
            return self._carry_out(job, connection, warnings)

    def resume(self, job: Job, tell: Callable[[Outcome], None] = lambda _: None) -> Outcome:
        """Go on with an unfinished job; ``tell`` hears first what runs now.

        Raises InputError ``firmware.downgrade`` or ``firmware.counter`` when a newer image came to run
        meanwhile, ReaderError ``firmware.interrupted`` when the device was lost again, ``firmware.device``
        when it refused, ``firmware.reverted`` when it went back to the old image by itself, and
        ``firmware.other_device`` when another device answers there.
        """
        try:
            connection = self.connect(job.url)
        except ReaderError as error:
            raise _interrupted(job, error) from error
        with connection:
            return self._carry_out(job, connection, (), tell)

    def check_updatable(self, url: str, table: Compatibility) -> None:
        """Raises InputError ``firmware.not_updatable`` for a device whose firmware is never replaced."""
        with self.connect(url) as connection:
            check_updatable(connection.device.identity(), table)

    def moved_to(self, url: str) -> Job | None:
        """The unfinished job of the device that answers at ``url`` now, where it was begun elsewhere: a cable
        that is put back may get another port. Only a serial number tells."""
        with self.connect(url) as connection:
            identity = connection.device.identity()
        for job in self.journal.unfinished():
            if identity.serial and job.concerns(identity):
                self.journal.move(job, url)
                return job
        return None

    def look(self, job: Job) -> Outcome:
        """What runs now, and what that means for a job that left its image on trial."""
        with self.connect(job.url) as connection:
            _check_same(job, connection.device.identity())
            outcome = outcome_of(job, _images(job, connection))
        if job.stage is Stage.ON_TRIAL:
            if outcome.runs == "new" and outcome.confirmed:
                self.journal.enter(job, Stage.DONE)
            elif outcome.runs != "new":
                self.journal.enter(job, Stage.REVERTED, outcome.version)
        return outcome

    def _waiting(self, identity: DeviceIdentity, image: FirmwareImage) -> Job | None:
        """The unfinished job of this device, when it carries the same image."""
        for job in self.journal.unfinished():
            if job.url == identity.url or (job.concerns(identity) and identity.serial):
                if job.new_digest == image.digest.hex() and job.concerns(identity):
                    self.journal.move(job, identity.url)
                    return job
                raise InputError("firmware.unfinished", url=job.url, version=job.new_version)
        return None

    def _carry_out(
        self,
        job: Job,
        connection: Connection,
        warnings: Sequence[Words],
        tell: Callable[[Outcome], None] = lambda _: None,
    ) -> Outcome:
        try:
            identity = connection.device.identity()
            _check_same(job, identity)
            slots = _images(job, connection)
            tell(outcome_of(job, slots))
            self._check_order(job, identity, running(job.url, slots))
            slots = self._steps(job, connection)
        except ReaderError as error:
            if error.code == "firmware.device":
                self.journal.enter(job, Stage.REFUSED, str(error.details.get("what", "")))
                raise
            if error.code.startswith("firmware."):
                raise
            raise _interrupted(job, error) from error
        return outcome_of(job, slots, warnings)

    def _check_order(self, job: Job, identity: DeviceIdentity, active: ImageSlot) -> None:
        """A job that waited long may find that another program brought a newer image: then it is over."""
        if not job.image_size or active.digest.hex() == job.new_digest:
            return
        image = parse_firmware(self.journal.image(job), f"{job.url} {job.new_version}")
        try:
            check_order(identity, active, image)
        except InputError as older:
            self.journal.enter(job, Stage.REFUSED, older.code)
            raise

    def _steps(self, job: Job, connection: Connection) -> Sequence[ImageSlot]:
        """Step after step until none is left; no step but a restart is needed twice."""
        slots = _images(job, connection)
        taken: list[Step] = []
        while True:
            step = next_step(job, slots)
            if Step.RESTART in taken and step in (Step.UPLOAD, Step.MARK, Step.RESTART):
                raise self._reverted(job, running(job.url, slots))
            if step in taken:
                what = Words(f"the step {step.value} had no effect", f"{step.value} の効果がありません")
                raise ReaderError("firmware.device", url=job.url, what=what)
            taken.append(step)
            self._report(Progress(step))
            if step is Step.FINISH or step is Step.LEAVE:
                self.journal.enter(job, Stage.DONE if step is Step.FINISH else Stage.ON_TRIAL)
                return slots
            try:
                slots = self._take(step, job, connection)
            except ReaderError as error:
                # What was asked twice, since the first answer was lost, is refused where it is done already.
                if error.code != "firmware.device":
                    raise
                slots = _images(job, connection)
                if next_step(job, slots) is step:
                    raise

    def _take(self, step: Step, job: Job, connection: Connection) -> Sequence[ImageSlot]:
        new = bytes.fromhex(job.new_digest)
        match step:
            case Step.UPLOAD:
                self._upload(job, connection)
            case Step.MARK:
                self.journal.enter(job, Stage.MARKING)
                connection.updatable.test(new)
            case Step.CONFIRM:
                self.journal.enter(job, Stage.CONFIRMING)
                connection.updatable.confirm()
            case _:
                job.restarts += 1
                self.journal.enter(job, Stage.RESTARTING)
                slots = connection.restart(self.answers_again, lambda now: next_step(job, now) is not step)
                _check_serial(job, connection.device.identity())
                return slots
        return _images(job, connection)

    def _upload(self, job: Job, connection: Connection) -> None:
        if not job.image_size:
            self.journal.enter(job, Stage.REFUSED)
            raise InputError("firmware.no_previous", url=job.url)
        data = self.journal.image(job)
        self.journal.enter(job, Stage.UPLOADING)
        for done in connection.send(data):
            self._report(Progress(Step.UPLOAD, done, len(data)))

    def _reverted(self, job: Job, active: ImageSlot) -> ReaderError:
        final = job.restarts >= MAX_RESTARTS
        if final:
            self.journal.enter(job, Stage.REVERTED, active.version)
        else:
            self.journal.note(job, Stage.REVERTED.value, active.version)
        return ReaderError(
            "firmware.gave_up" if final else "firmware.reverted",
            url=job.url,
            old=active.version,
            new=job.new_version,
        )


def _images(job: Job, connection: Connection) -> Sequence[ImageSlot]:
    return connection.images(job.new_version, bytes.fromhex(job.new_digest))


def _check_same(job: Job, identity: DeviceIdentity) -> None:
    if not job.concerns(identity):
        raise ReaderError(
            "firmware.other_device",
            url=job.url,
            expected=_names(job),
            found=_names(identity),
        )


def _check_serial(job: Job, identity: DeviceIdentity) -> None:
    """After a restart a port may be another device's. New firmware may give a device another name; its serial
    number stays."""
    if job.serial and identity.serial and job.serial != identity.serial:
        raise ReaderError("firmware.other_device", url=job.url, expected=_names(job), found=_names(identity))


def _names(device: Job | DeviceIdentity) -> str:
    return " ".join(filter(None, (device.model, device.serial, device.hardware_id)))


def _interrupted(job: Job, cause: ReaderError) -> ReaderError:
    what = Words(cause.sentence("en").rstrip("."), cause.sentence("ja").rstrip("。"))
    return ReaderError("firmware.interrupted", url=job.url, version=job.new_version, what=what)
