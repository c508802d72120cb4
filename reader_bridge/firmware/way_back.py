"""Deciding about an image on trial: keep it, or go back to the one before.

A trial ends by confirming the image that runs, or by a restart without that. An image that is there to stay
is left for the one in the other slot by a job of its own, which survives a power cut like every other.
"""

from __future__ import annotations

from ...apdu.devices import ImageSlot
from ...apdu.errors import ReaderError
from .connection import Connection
from .journal import Job, Journal, Stage, Target
from .suitability import running
from .update import Outcome, Updater

__all__ = ["confirm", "rollback"]


def confirm(updater: Updater, url: str) -> ImageSlot:
    """Keep the image that runs; the slot as it is then.

    Raises ReaderError ``firmware.reverted`` when the device left the image that was on trial by itself, and
    ``firmware.no_trial`` when there is none.
    """
    job = updater.journal.latest(url)
    with updater.connect(url) as connection:
        if job is not None and not job.concerns(connection.device.identity()):
            job = None  # another device's
        active = running(url, connection.updatable.images())
        if active.confirmed:
            raise _no_trial(updater.journal, job, active, url)
        connection.updatable.confirm()
        active = running(url, connection.updatable.images())
    if not active.confirmed:
        raise ReaderError("firmware.no_trial", url=url, version=active.version)
    if job is not None and job.new_digest == active.digest.hex():
        updater.journal.enter(job, Stage.DONE)
    return active


def _no_trial(journal: Journal, job: Job | None, active: ImageSlot, url: str) -> ReaderError:
    on_trial = job is not None and job.stage is Stage.ON_TRIAL
    if job is None or not on_trial:
        return ReaderError("firmware.no_trial", url=url, version=active.version)
    if job.new_digest == active.digest.hex():
        journal.enter(job, Stage.DONE)
        return ReaderError("firmware.no_trial", url=url, version=active.version)
    journal.enter(job, Stage.REVERTED, active.version)
    return ReaderError("firmware.left", url=url, old=active.version, new=job.new_version)


def rollback(updater: Updater, url: str) -> ImageSlot | Outcome:
    """Let the device run the image that it ran before, and give up a job that waits there.

    An image on trial is left by a restart; one that waits for a restart is erased; else the image in the
    other slot is marked, started and confirmed. Raises ReaderError ``firmware.no_previous`` when there is
    none, and what the device says when it refuses to go back (its rollback protection may).
    """
    with updater.connect(url) as connection:
        slots = connection.updatable.images()
        active = running(url, slots)
        other = next((slot for slot in slots if not slot.active and slot.digest), None)
        given_up = _unfinished(updater.journal, url)
        if not active.confirmed:
            return _leave_trial(updater, connection, active)
        if other is not None and other.pending:
            connection.updatable.erase()
            _close_all(updater.journal, given_up)
            return active
        if given_up and all(job.new_digest != active.digest.hex() for job in given_up):
            _close_all(updater.journal, given_up)
            return active  # it never came to run: nothing to go back from
        if other is None:
            raise ReaderError("firmware.no_previous", url=url)
        _close_all(updater.journal, given_up)
        job = updater.journal.begin_way_back(Target(connection.device.identity(), active), other)
    return updater.resume(job)


def _leave_trial(updater: Updater, connection: Connection, active: ImageSlot) -> ImageSlot:
    slots = connection.restart(
        updater.answers_again, lambda found: running(connection.url, found).digest != active.digest
    )
    jobs = _unfinished(updater.journal, connection.url)
    latest = updater.journal.latest(connection.url)
    if latest is not None and latest.stage is Stage.ON_TRIAL:
        jobs.append(latest)
    _close_all(updater.journal, jobs)
    return running(connection.url, slots)


def _unfinished(journal: Journal, url: str) -> list[Job]:
    return [job for job in journal.unfinished() if job.url == url]


def _close_all(journal: Journal, jobs: list[Job]) -> None:
    for job in jobs:
        journal.enter(job, Stage.ROLLED_BACK)
