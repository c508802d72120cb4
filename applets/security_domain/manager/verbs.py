"""The verbs of ``tegata gp``: each looks at a card or changes it, within one session."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ....apdu.errors import StatusError
from .access import NewKeys
from .recovery import reconcile
from .session import Session
from .steps import Report, Step, carry_out

__all__ = ["Change", "Look", "Verb", "perform"]


class Verb(ABC):
    """``name`` as the person typed it; ``channel``: whether it needs an authenticated session; ``changes``:
    whether it may change the card; ``new_keys``: keys that the ring of this session must be able to make."""

    name: str
    channel: bool
    changes: bool
    new_keys: NewKeys | None

    @abstractmethod
    def run(self, session: Session, report: Report) -> None:
        """Do it and say so in ``report``, which is printed even if an error ends this."""


@dataclass(frozen=True)
class Look(Verb):
    """Reads the card; nothing to undo, nothing to ask."""

    name: str
    read: Callable[[Session, Report], None]
    channel: bool = True
    changes: bool = False
    new_keys: NewKeys | None = None

    def run(self, session: Session, report: Report) -> None:
        self.read(session, report)


@dataclass(frozen=True)
class Change(Verb):
    """Changes the card by the steps that ``plan`` finds."""

    name: str
    plan: Callable[[Session], Iterable[Step]]
    new_keys: NewKeys | None = None
    channel: bool = True
    changes: bool = True

    def run(self, session: Session, report: Report) -> None:
        carry_out(session, self.plan(session), report)


def perform(session: Session, verbs: Iterable[Verb], tell: Callable[[Report], None]) -> None:
    """All verbs in one session: identify, open the channel once, bring the record up, then verb by verb.

    ``tell`` is given the report of each, an unfinished one too before its error goes on.
    """
    verbs = list(verbs)
    session.begin()
    recovered: Report | None = None
    if any(verb.channel for verb in verbs):
        session.unlock()
        recovered = Report("recovery", lines=reconcile(session))
        if recovered.lines:
            tell(recovered)
    for verb in verbs:
        report = Report(verb.name)
        try:
            verb.run(session, report)
        except StatusError as error:
            raise session.explained(error) from error
        finally:
            tell(report)
