"""Life cycles: of applications, of domains, of the card (GPC 2.3.1 §5, §9.6, §11.10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ....apdu.errors import Words
from ..registry import lines_inside
from ..results import Registered, RegisteredKind
from .content import find, hexa
from .custody import Intent
from .session import Consequence, Session, printable
from .steps import INTENT_PREFIX, Step

__all__ = ["CARD_STATES", "AdvanceCard", "LockCard", "SetLock"]

LOCKED = 0x80
UNSEEN = -1
SECURED, CARD_LOCKED, TERMINATED = 0x0F, 0x7F, 0xFF
CARD_STATES: Mapping[str, int] = {"initialized": 0x07, "secured": SECURED, "terminated": TERMINATED}
"""States that a card only goes on to, never back from."""
CONSEQUENCES = {
    "terminated": Words(
        "Card {card} becomes TERMINATED, for ever: no application answers any more, and nobody can load, "
        "read or bring back anything.",
        "カード {card} を TERMINATED にします。元に戻せません。どのアプリケーションも応答しなくなり、"
        "搭載も読み出しも復旧も、誰にもできなくなります。",
    ),
    "secured": Words(
        "Card {card} becomes SECURED: it never goes back to OP_READY or INITIALIZED, and from now on only "
        "holders of its keys manage it.",
        "カード {card} を SECURED にします。OP_READY や INITIALIZED には戻せず、以後は鍵を持つ人だけが管理"
        "できます。",
    ),
}


@dataclass(frozen=True)
class SetLock(Step):
    """SET STATUS: lock an application or domain, or unlock it."""

    aid: bytes
    locked: bool
    with_applications: bool = False

    name: ClassVar[str] = "set-lock"

    def describe(self) -> Words:
        if self.with_applications:
            name = hexa(self.aid)
            if self.locked:
                return Words(f"lock {name} and all that is in it", f"{name} と、その中のすべてをロックする")
            return Words(
                f"unlock {name} and all that is in it", f"{name} と、その中のすべてのロックを解除する"
            )
        if self.locked:
            return Words(f"lock {hexa(self.aid)}", f"{hexa(self.aid)} をロックする")
        return Words(f"unlock {hexa(self.aid)}", f"{hexa(self.aid)} のロックを解除する")

    def details(self) -> Mapping[str, Any]:
        return {"aid": hexa(self.aid), "locked": self.locked, "with_applications": self.with_applications}

    def done(self, session: Session) -> bool:
        return all(line.locked == self.locked for line in self._lines(session))

    def do(self, session: Session) -> None:
        session.domain.set_locked(self.aid, locked=self.locked, with_applications=self.with_applications)

    def foresee(self, session: Session) -> None:
        for line in self._lines(session):
            state = line.life_cycle | LOCKED if self.locked else line.life_cycle & ~LOCKED
            session.expect(line, life_cycle=state)

    def _lines(self, session: Session) -> list[Registered]:
        """What it is about: the one line, or a domain with the applications and domains in it."""
        named = find(session, self.aid)
        if not self.with_applications:
            return [named]
        inside = lines_inside(session.registry().values(), self.aid)
        return [named, *(line for line in inside if line.kind is not RegisteredKind.PACKAGE)]


@dataclass(frozen=True)
class LockCard(Step):
    """SET STATUS of the card: CARD_LOCKED, where only its issuer's domain answers, and back to SECURED."""

    locked: bool

    name: ClassVar[str] = "lock-card"

    def describe(self) -> Words:
        if self.locked:
            return Words("lock the card", "カードをロックする")
        return Words("unlock the card", "カードのロックを解除する")

    def details(self) -> Mapping[str, Any]:
        return {"locked": self.locked}

    def done(self, session: Session) -> bool:
        """A domain that does not see the card's state lets the card decide."""
        state = card_state(session)
        return state != UNSEEN and (state == CARD_LOCKED) is self.locked

    def do(self, session: Session) -> None:
        session.domain.set_card_state(CARD_LOCKED if self.locked else SECURED)

    def foresee(self, session: Session) -> None:
        expect_card_state(session, CARD_LOCKED if self.locked else SECURED)


@dataclass(frozen=True)
class AdvanceCard(Step):
    """SET STATUS of the card to a state of :data:`CARD_STATES`, from which it never comes back."""

    state: str

    name: ClassVar[str] = "advance-card"
    reversible: ClassVar[bool] = False

    def describe(self) -> Words:
        return Words(f"set the card to {self.state.upper()}", f"カードを {self.state.upper()} にする")

    def details(self) -> Mapping[str, Any]:
        return {"card_state": self.state}

    def done(self, session: Session) -> bool:
        return card_state(session) == CARD_STATES[self.state]

    def proved(self, session: Session) -> bool:
        """A terminated card answers no GET STATUS: its 9000 was its last word."""
        return self.state == "terminated" or card_state(session) in (UNSEEN, CARD_STATES[self.state])

    def consequence(self, session: Session) -> Consequence | None:
        words = CONSEQUENCES.get(self.state)
        if words is None:
            return None
        card = printable(session.identity)
        said = Words(words.format(card=card), words.ja.format(card=card))
        return Consequence(said, by_name=self.state == "terminated")

    def do(self, session: Session) -> None:
        session.domain.set_card_state(CARD_STATES[self.state])

    def intent(self, session: Session) -> Intent:
        return Intent(INTENT_PREFIX + self.name, self.details(), held=session.current)

    def foresee(self, session: Session) -> None:
        expect_card_state(session, CARD_STATES[self.state])


def card_state(session: Session) -> int:
    """The life cycle of the card, which its issuer's domain carries; UNSEEN when it is not told here."""
    line = session.issuer_domain()
    return UNSEEN if line is None else line.life_cycle


def expect_card_state(session: Session, state: int) -> None:
    line = session.issuer_domain()
    if line is not None:
        session.expect(line, life_cycle=state)
