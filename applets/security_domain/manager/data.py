"""STORE DATA to the domain itself, or through it to an application (GPC 2.3.1 §7.3.2, §11.11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ....apdu.errors import Words
from ....apdu.secret import Secret
from ..personalization import Encryption, Structure, store_raw
from .content import find, hexa
from .custody import Intent
from .session import Session
from .steps import INTENT_PREFIX, Step

__all__ = ["StoreData"]


@dataclass(frozen=True)
class StoreData(Step):
    """Blocks of STORE DATA; what was written cannot be read back here, so it is written each time."""

    data: Secret = field(repr=False)
    structure: Structure
    encryption: Encryption
    target: bytes = b""

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
        return {"target": hexa(self.target), "bytes": len(self.data)}

    def done(self, session: Session) -> bool:
        if self.target:
            find(session, self.target)
        return False

    def proved(self, session: Session) -> bool:
        """The answer to the last block says that all of it was taken."""
        return True

    def do(self, session: Session) -> Mapping[str, Any] | None:
        if self.target:
            session.domain.install_for_personalization(self.target)
        secret = self.encryption is not Encryption.NONE
        response = store_raw(
            session.domain,
            self.data.reveal(),
            structure=self.structure,
            encryption=self.encryption,
            secret=secret,
        )
        return {"answer": hexa(response.data)}

    def intent(self, session: Session) -> Intent:
        return Intent(INTENT_PREFIX + self.name, self.details(), held=session.current)
