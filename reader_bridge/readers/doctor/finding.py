"""What one check of the doctor found: how bad, one sentence, and one next step."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from ....apdu.errors import Words
from ..printable import printable

__all__ = ["NOTHING", "Finding", "Severity", "next_step"]

NOTHING = Words("", "")


class Severity(enum.Enum):
    """``PROBLEM`` keeps a reader from working, ``WARNING`` may, or endangers a card; ``GOOD`` is as it should
    be; ``UNKNOWN`` could not be looked at, or was not."""

    GOOD = "good"
    UNKNOWN = "unknown"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """``check`` names the check (``permission``), ``about`` the device or service that was looked at.

    ``step`` is what to do next, empty where nothing is to be done. Names of processes, devices and readers
    stand in the texts, and whoever made them may have put a terminal's escape sequences in: what cannot be
    printed becomes ``?``.
    """

    check: str
    about: str
    severity: Severity
    sentence: Words
    step: Words = NOTHING

    def __post_init__(self) -> None:
        object.__setattr__(self, "about", printable(self.about))
        object.__setattr__(self, "sentence", _printable(self.sentence))
        object.__setattr__(self, "step", _printable(self.step))

    def to_json(self, language: str) -> dict[str, str]:
        """Plain values, the texts in ``language``."""
        return {
            "check": self.check,
            "about": self.about,
            "severity": self.severity.value,
            "sentence": self.sentence.in_language(language),
            "next_step": self.step.in_language(language),
        }


def _printable(words: Words) -> Words:
    return Words(printable(words), printable(words.ja))


def next_step(findings: Sequence[Finding]) -> Words:
    """The one thing to do: that of the first problem, else of the first warning, else of what was not seen.

    Checks run from the ground up (cable, permission, driver, service), so the first is what others rest on.
    """
    for severity in (Severity.PROBLEM, Severity.WARNING, Severity.UNKNOWN):
        for finding in findings:
            if finding.severity is severity and finding.step:
                return finding.step
    return NOTHING
