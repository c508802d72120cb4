"""The first keys of a supplementary domain, through the domain above it (GPC 2.3.1 §7.3.3, §11.11.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ....apdu.errors import Words
from ....apdu.ports import KeySet
from .access import NewKeys
from .content import find, hexa
from .custody import Intent
from .keys import LIVE, new_set
from .session import Consequence, Session
from .steps import INTENT_PREFIX, Step

__all__ = ["PersonalizeDomain", "personalize"]

PERSONALIZED = 0x0F


@dataclass(frozen=True)
class PersonalizeDomain(Step):
    """INSTALL [for personalization] and STORE DATA of a key set; whole or not at all."""

    aid: bytes
    keys: KeySet

    name: ClassVar[str] = "personalize-domain"
    reversible: ClassVar[bool] = False

    def describe(self) -> Words:
        version = f"{self.keys.version:02X}"
        return Words(
            f"give domain {hexa(self.aid)} its first key set, version {version}",
            f"ドメイン {hexa(self.aid)} に最初の鍵セット (版 {version}) を入れる",
        )

    def details(self) -> Mapping[str, Any]:
        return {"aid": hexa(self.aid), "version": self.keys.version, "kcv": [k.kcv for k in self.keys.refs]}

    def done(self, session: Session) -> bool:
        return find(session, self.aid).life_cycle & PERSONALIZED == PERSONALIZED

    def consequence(self, session: Session) -> Consequence | None:
        return session.new_keys_at_risk()

    def do(self, session: Session) -> None:
        session.domain.install_for_personalization(self.aid)
        session.domain.store_data(session.domain.key_set_groupings(session.ring, self.keys))

    def intent(self, session: Session) -> Intent:
        return Intent(
            INTENT_PREFIX + self.name,
            self.details(),
            self.keys.refs,
            holder=self.aid,
            held=session.current,
            outcome={self.keys.version: LIVE},
        )

    def foresee(self, session: Session) -> None:
        session.expect(find(session, self.aid), life_cycle=PERSONALIZED)


def personalize(session: Session, *, aid: bytes, wanted: NewKeys) -> Sequence[Step]:
    """The first key set of ``aid``, diversified by card and domain."""
    told = session.answering.told
    return [PersonalizeDomain(aid, new_set(session, wanted, replace(told, identity=session.identity + aid)))]
