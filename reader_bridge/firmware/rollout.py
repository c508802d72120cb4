"""An update of many devices, in waves, that stops when too many fail and goes on where it stopped.

A rollout is one JSON file beside the copies of its images, written before the first device is touched and
after each one. At its turn every device is asked anew who it is; one that runs what it should is left alone.
"""

from __future__ import annotations

import enum
import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...apdu.devices import DeviceIdentity
from ...apdu.errors import InputError, ReaderError, TegataError
from ..frames.mcuboot import Version
from .compatibility import Compatibility, first_defect
from .durable import listed, make_folder, write_durably
from .image import FirmwareImage, Keys, parse_firmware
from .journal import Goal, now
from .policy import Policy, Requirement
from .update import Updater

__all__ = ["Member", "Rollout", "Rollouts", "State", "any_device", "carry_out", "policy_images"]

_FILE = "rollout.json"


class State(enum.Enum):
    """How far a device of a rollout is."""

    WAITING = "waiting"
    DONE = "done"
    ALREADY = "already"
    NO_RULE = "no-rule"
    FAILED = "failed"

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do there."""
        return self in (State.DONE, State.ALREADY, State.NO_RULE)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class Member(_Record):
    """One device: ``why`` is the code of the error it failed with, ``sentence`` what it says."""

    url: str
    state: State = State.WAITING
    version: str = ""
    why: str = ""
    sentence: str = ""


class Target(_Record):
    """Which image goes to which model; an empty model is every device."""

    model: str = ""
    hardware_id: str = ""
    at_least: str
    security_counter: int = 0
    image_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    name: str


class Rollout(_Record):
    """All of one rollout. The last number of ``waves`` is the size of every further wave."""

    format: Literal[1] = 1
    id: str = Field(pattern=r"^[0-9]{8}T[0-9]{12}Z-[0-9a-f]{8}$")
    goal: Goal
    waves: list[int] = Field(min_length=1)
    stop_after: int = Field(ge=1)
    force: bool = False
    targets: list[Target] = Field(min_length=1)
    members: list[Member] = Field(min_length=1)
    finished: bool = False

    def in_waves(self) -> Iterator[tuple[int, list[Member]]]:
        """The members of each wave, with its number from 1."""
        start, number = 0, 0
        while start < len(self.members):
            size = self.waves[min(number, len(self.waves) - 1)]
            yield number + 1, self.members[start : start + size]
            start, number = start + size, number + 1

    def count(self, *states: State) -> int:
        """How many members are in one of these states."""
        return sum(member.state in states for member in self.members)

    def to_json(self) -> dict[str, Any]:
        """What ``fleet update --json`` prints."""
        waves = [
            {"wave": number, "devices": [member.model_dump(mode="json") for member in members]}
            for number, members in self.in_waves()
        ]
        return {"rollout": self.id, "goal": self.goal.value, "finished": self.finished, "waves": waves}


class Rollouts:
    """The rollouts below one folder; at most one is unfinished."""

    def __init__(self, folder: Path) -> None:
        self._folder = make_folder(folder / "rollouts")

    def begin(
        self,
        urls: Sequence[str],
        images: Sequence[tuple[Requirement, FirmwareImage]],
        *,
        goal: Goal,
        waves: Sequence[int],
        stop_after: int,
        force: bool = False,
    ) -> Rollout:
        """A new rollout with copies of its images, on the disk.

        Raises InputError ``firmware.no_devices``, and ``firmware.other_rollout`` when one is unfinished.
        """
        if not urls:
            raise InputError("firmware.no_devices")
        if (other := self.unfinished()) is not None:
            raise InputError("firmware.other_rollout", what=_names(other))
        rollout = Rollout(
            id=f"{now():%Y%m%dT%H%M%S%fZ}-{secrets.token_hex(4)}",
            goal=goal,
            waves=list(waves),
            stop_after=stop_after,
            force=force,
            targets=[_target(rule, image) for rule, image in images],
            members=[Member(url=url) for url in dict.fromkeys(urls)],
        )
        folder = make_folder(self._folder / rollout.id)
        for _, image in images:
            write_durably(folder / f"{hashlib.sha256(image.data).hexdigest()}.bin", image.data)
        self.save(rollout)
        return rollout

    def unfinished(self) -> Rollout | None:
        """The rollout that goes on with. Raises InputError ``firmware.journal`` for a damaged one."""
        for path in reversed(listed(self._folder)):
            if not (path / _FILE).exists():  # cut off before the first device was touched
                continue
            rollout = _read(path / _FILE)
            if not rollout.finished:
                return rollout
        return None

    def save(self, rollout: Rollout) -> None:
        """Put its present state on the disk."""
        write_durably(self._folder / rollout.id / _FILE, rollout.model_dump_json(indent=1).encode())

    def finish(self, rollout: Rollout) -> None:
        """Close it; the copies of its images go, what happened stays."""
        rollout.finished = True
        self.save(rollout)
        for copy in (self._folder / rollout.id).glob("*.bin"):
            copy.unlink(missing_ok=True)

    def image(self, rollout: Rollout, target: Target) -> FirmwareImage:
        """The copy of an image, checked. Raises InputError ``firmware.journal`` and ``firmware.image``."""
        path = self._folder / rollout.id / f"{target.image_sha256}.bin"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError("firmware.journal", path=str(path), what=error.strerror) from error
        if hashlib.sha256(data).hexdigest() != target.image_sha256:
            raise InputError("firmware.journal", path=str(path), what="SHA-256")
        return parse_firmware(data, target.name)


def any_device(image: FirmwareImage) -> tuple[Requirement, FirmwareImage]:
    """The rule of ``--image``: every device of the list gets it."""
    return Requirement.model_construct(model="", at_least=image.version), image


def carry_out(
    rollout: Rollout,
    rollouts: Rollouts,
    updater: Updater,
    keys: Keys,
    table: Compatibility,
    report: Callable[[int, Member], None] = lambda _wave, _member: None,
) -> None:
    """Update device after device, wave after wave; those that failed before are tried again.

    Raises what :meth:`Keys.check` raises before the first device is touched, and ReaderError
    ``firmware.rollout`` as soon as ``stop_after`` devices failed in this run, and at the end when any did.
    """
    for target in rollout.targets:
        keys.check(rollouts.image(rollout, target))
    for member in rollout.members:
        if not member.state.settled:
            member.state = State.WAITING
    for wave, members in rollout.in_waves():
        for member in members:
            if member.state.settled:
                continue
            _update_member(member, rollout, rollouts, updater, keys, table)
            rollouts.save(rollout)
            report(wave, member)
            if rollout.count(State.FAILED) >= rollout.stop_after:
                raise _stopped(rollout)
    if rollout.count(State.FAILED):
        raise _stopped(rollout)
    rollouts.finish(rollout)


def _update_member(
    member: Member, rollout: Rollout, rollouts: Rollouts, updater: Updater, keys: Keys, table: Compatibility
) -> None:
    try:
        with updater.connect(member.url) as connection:
            identity = connection.device.identity()
        target = _find(rollout, identity.model, identity.hardware_id)
        if target is None:
            member.state = State.NO_RULE
            return
        image = rollouts.image(rollout, target)
        waits = any(job.url == member.url for job in updater.journal.unfinished())
        if not waits and target.model and _meets(identity, target):
            member.state, member.version = State.ALREADY, identity.firmware
            return
        outcome = updater.update(member.url, image, keys, table, rollout.goal, force=rollout.force)
        member.state, member.version, member.why, member.sentence = State.DONE, outcome.version, "", ""
    except TegataError as error:
        member.state, member.why, member.sentence = State.FAILED, error.code, error.sentence()


def _find(rollout: Rollout, model: str, hardware_id: str) -> Target | None:
    for target in rollout.targets:
        if target.model in ("", model) and target.hardware_id in ("", hardware_id):
            return target
    return None


def _meets(identity: DeviceIdentity, target: Target) -> bool:
    """As :class:`Policy` judges."""
    if (identity.security_counter or 0) < target.security_counter:
        return False
    try:
        return Version.parse(identity.firmware) >= Version.parse(target.at_least)
    except ValueError:
        return False


def _target(rule: Requirement, image: FirmwareImage) -> Target:
    return Target(
        model=rule.model,
        hardware_id=rule.hardware_id,
        at_least=str(rule.at_least),
        security_counter=rule.security_counter,
        image_sha256=hashlib.sha256(image.data).hexdigest(),
        name=image.name,
    )


def _read(path: Path) -> Rollout:
    try:
        return Rollout.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError("firmware.journal", path=str(path), what=error.strerror) from error
    except ValidationError as error:
        raise InputError("firmware.journal", path=str(path), what=first_defect(error)) from error


def _names(rollout: Rollout) -> str:
    return ", ".join(dict.fromkeys(target.name for target in rollout.targets))


def _stopped(rollout: Rollout) -> ReaderError:
    return ReaderError(
        "firmware.rollout",
        failed=rollout.count(State.FAILED),
        done=sum(member.state.settled for member in rollout.members),
        total=len(rollout.members),
    )


def policy_images(
    policy: Policy, beside: Path, read: Callable[[Path], FirmwareImage]
) -> list[tuple[Requirement, FirmwareImage]]:
    """The image of each rule, found beside the policy's file.

    Raises InputError ``firmware.policy_file`` for a rule without an image, or with one that does not meet it.
    """
    found = []
    for rule in policy.require:
        if not rule.image:
            raise InputError("firmware.policy_file", path=str(beside), what=f"{rule.model}: no image")
        image = read(beside.parent / rule.image)
        if image.version < rule.at_least:
            what = f"{rule.model}: {rule.image} is {image.version}, below {rule.at_least}"
            raise InputError("firmware.policy_file", path=str(beside), what=what)
        found.append((rule, image))
    return found
