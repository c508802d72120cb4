"""The firmware that a fleet must run at least, by model: a TOML file.

format = 1
[[require]]
model = "gate-reader"
at_least = "1.4.0"
image = "gate-reader-1.4.0.bin"     # for tegata firmware fleet update, beside this file
"""

from __future__ import annotations

import enum
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ...apdu.errors import InputError
from ..frames.mcuboot import Version
from .compatibility import first_defect
from .inventory import Entry

__all__ = ["Judgement", "Meets", "Policy", "Requirement"]


def _version(value: object) -> Version:
    """A version in quotes: TOML reads 1.10 without them as the number 1.1."""
    if not isinstance(value, str):
        raise ValueError(f"a version stands in quotes, not as the number {value}")  # noqa: TRY004 - pydantic's
    return Version.parse(value)


VersionText = Annotated[Version, BeforeValidator(_version)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Requirement(_Strict):
    """What devices of one model (and, where it is said, one hardware id) must run at least."""

    model: str = Field(min_length=1)
    hardware_id: str = ""
    at_least: VersionText
    security_counter: int = Field(default=0, ge=0)
    image: str = ""


class Meets(enum.Enum):
    """How a device stands to the policy."""

    YES = "yes"
    TOO_OLD = "too-old"
    NO_RULE = "no-rule"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One device under the policy. ``requirement`` is None where no rule speaks of it."""

    entry: Entry
    meets: Meets
    requirement: Requirement | None = None

    @property
    def passed(self) -> bool:
        """A device that no rule speaks of is not held against the fleet."""
        return self.meets in (Meets.YES, Meets.NO_RULE)

    def to_json(self) -> dict[str, Any]:
        required = str(self.requirement.at_least) if self.requirement else ""
        return {**self.entry.to_json(), "meets": self.meets.value, "at_least": required}


class Policy(_Strict):
    """The whole policy; the first rule that speaks of a device counts."""

    format: Literal[1]
    require: tuple[Requirement, ...] = Field(min_length=1)

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Raises InputError ``firmware.policy_file``."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            raise InputError("firmware.policy_file", path=str(path), what=first_defect(error)) from error
        except (OSError, ValueError) as error:
            raise InputError("firmware.policy_file", path=str(path), what=str(error)) from error

    def find(self, model: str, hardware_id: str) -> Requirement | None:
        """The rule that speaks of such a device."""
        return next(
            (rule for rule in self.require if rule.model == model and rule.hardware_id in ("", hardware_id)),
            None,
        )

    def judge(self, entries: Iterable[Entry]) -> list[Judgement]:
        """How each device stands to the policy."""
        return [self._judge(entry) for entry in entries]

    def _judge(self, entry: Entry) -> Judgement:
        identity = entry.identity
        if identity is None:
            return Judgement(entry, Meets.UNREACHABLE)
        rule = self.find(identity.model, identity.hardware_id)
        if rule is None:
            return Judgement(entry, Meets.NO_RULE)
        try:
            new_enough = Version.parse(identity.firmware) >= rule.at_least
        except ValueError:
            new_enough = False
        if rule.security_counter and (identity.security_counter or 0) < rule.security_counter:
            new_enough = False
        return Judgement(entry, Meets.YES if new_enough else Meets.TOO_OLD, rule)
