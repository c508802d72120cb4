"""STORE DATA to the domain itself, or through it to an application (GPC 2.3.1 §7.3.2, §11.11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ....apdu.errors import Words
from ....apdu.secret import Secret
from ..personalization import Encryption, Structure, store_raw
from ..sealing import Sealing
from .content import find, hexa
from .custody import Intent
from .session import Session
from .steps import INTENT_PREFIX, Step

__all__ = ["StoreData"]


@dataclass(frozen=True)
class StoreData(Step):
    """Blocks of STORE DATA; what was written cannot be read back here, so it is written each time.

    ``encryption`` is what P1 says of values that are encrypted already; ``sealing`` encrypts them here.
    ``answers``: the application may answer with data (case 4). ``secret`` keeps plain data out of traces.
    """

    data: Secret = field(repr=False)
    structure: Structure
    encryption: Encryption = Encryption.NONE
    target: bytes = b""
    sealing: Sealing | None = None
    answers: bool = False
    secret: bool = False

    name: ClassVar[str] = "store-data"
    reversible: ClassVar[bool] = False

    def describe(self) -> Words:
        size = len(self.data)
        if self.target:
            return Words(
                f"store {size} bytes in {hexa(self.target)}",
                f"{hexa(self.target)} に {size} バイトを書き込む",
            )
        return Words(f"store {size} bytes in the domain", f"ドメインに {size} バイトを書き込む")

    def details(self) -> Mapping[str, Any]:
        return {"target": hexa(self.target), "bytes": len(self.data), "encrypted": self.sealing is not None}

    def done(self, session: Session) -> bool:
        if self.target:
            find(session, self.target)
        return False

    def proved(self, session: Session) -> bool:
        """The answer to the last block says that all of it was taken."""
        return True

    def do(self, session: Session) -> Mapping[str, Any] | None:
        data, encryption = self.data.reveal(), self.encryption
        if self.sealing is not None:
            data = self.sealing.seal(self.data, self.structure, session.ring, session.domain.dek)
            encryption = self.sealing.encryption
        if self.target:
            session.domain.install_for_personalization(self.target)
        response = store_raw(
            session.domain,
            data,
            structure=self.structure,
            encryption=encryption,
            answer=self.answers,
            secret=self.secret or bool(self.target) or encryption is not Encryption.NONE,
            progress=session.progress,
        )
        return {"answer": hexa(response.data)}

    def say(self, answered: Mapping[str, Any]) -> Sequence[Words]:
        if not answered["answer"]:
            return ()
        return [Words(f"The card answers: {answered['answer']}", f"カードの応答: {answered['answer']}")]

    def intent(self, session: Session) -> Intent:
        return Intent(INTENT_PREFIX + self.name, self.details(), held=session.current)
