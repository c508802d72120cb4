"""Packages and applications: install, delete, extradite (GPC 2.3.1 §9.3 to §9.5, §11.2, §11.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ....apdu.errors import CardError, Words
from ..delegation import CheckedReceipt
from ..model import Privilege
from ..results import Registered, RegisteredKind
from .custody import Intent
from .session import Consequence, Session
from .steps import INTENT_PREFIX, Step

__all__ = ["Delete", "Extradite", "Install", "UpdateRegistry", "doomed", "find", "hexa", "receipt_json"]

INSTALLED, SELECTABLE = 0x03, 0x07


@dataclass(frozen=True)
class Install(Step):
    """INSTALL [for install and make selectable] of one module of a package on the card."""

    package: bytes
    module: bytes
    instance: bytes
    privileges: Privilege = Privilege.NONE
    parameters: bytes = b""
    selectable: bool = True

    name: ClassVar[str] = "install"
    found: ClassVar[Words] = Words("already on the card", "すでにカードにあります")

    def describe(self) -> Words:
        return Words(f"install {hexa(self.instance)}", f"{hexa(self.instance)} をインストールする")

    def details(self) -> Mapping[str, Any]:
        return {"aid": hexa(self.instance), "package": hexa(self.package), "module": hexa(self.module)}

    def done(self, session: Session) -> bool:
        """Raises CardError ``gp.aid_taken`` when the name belongs to something else, ``gp.privileges`` when
        it is there without privileges that are wanted, ``gp.not_there``."""
        line = session.find(self.instance)
        if line is not None:
            if line.kind is RegisteredKind.PACKAGE or line.package not in (b"", self.package):
                raise CardError("gp.aid_taken", aid=hexa(self.instance), owner=hexa(line.package) or "?")
            missing = replace(line, privileges=self.privileges & ~line.privileges).privilege_names
            if missing:
                raise CardError("gp.privileges", aid=hexa(self.instance), names=", ".join(missing))
            return line.life_cycle != INSTALLED or not self.selectable
        self._check_package(session)
        return False

    def _check_package(self, session: Session) -> None:
        package = session.find(self.package, RegisteredKind.PACKAGE)
        if package is None or package.kind is not RegisteredKind.PACKAGE:
            raise CardError("gp.not_there", aid=hexa(self.package))
        if package.modules and self.module not in package.modules:
            raise CardError("gp.not_there", aid=hexa(self.module))

    def do(self, session: Session) -> Mapping[str, Any] | None:
        if session.find(self.instance) is not None:
            return receipt_json(session.domain.make_selectable(self.instance, package=self.package))
        receipt = session.domain.install(
            self.package,
            self.module,
            self.instance,
            privileges=self.privileges,
            parameters=self.parameters,
            selectable=self.selectable,
        )
        return receipt_json(receipt)

    def foresee(self, session: Session) -> None:
        domain = self.privileges & Privilege.SECURITY_DOMAIN
        session.registry()[self.instance] = Registered(
            self.instance,
            RegisteredKind.DOMAIN if domain else RegisteredKind.APPLICATION,
            SELECTABLE if self.selectable else INSTALLED,
            self.privileges,
            domain=session.domain.aid,
            package=self.package,
        )


@dataclass(frozen=True)
class Delete(Step):
    """DELETE of an application, a domain or a package; ``related``: with what depends on it."""

    aid: bytes
    related: bool = False

    name: ClassVar[str] = "delete"
    reversible: ClassVar[bool] = False
    found: ClassVar[Words] = Words("not on the card, nothing to delete", "カードになく、消すものはありません")

    def describe(self) -> Words:
        if self.related:
            return Words(
                f"delete {hexa(self.aid)} and what depends on it",
                f"{hexa(self.aid)} と、それに依存するものを消す",
            )
        return Words(f"delete {hexa(self.aid)}", f"{hexa(self.aid)} を消す")

    def details(self) -> Mapping[str, Any]:
        return {"aid": hexa(self.aid), "related": self.related}

    def done(self, session: Session) -> bool:
        """Raises CardError ``gp.dependents`` for a package that is in use, unless ``related``."""
        if self.aid not in session.registry():
            return True
        dependents = session.dependents(self.aid)
        if dependents and not self.related:
            names = ", ".join(hexa(line.aid) for line in dependents)
            raise CardError("gp.dependents", aid=hexa(self.aid), names=names)
        return False

    def consequence(self, session: Session) -> Consequence | None:
        going = doomed(session, self.aid)
        if not going:
            return None
        names = ", ".join(map(hexa, going))
        return Consequence(
            Words(
                f"With {hexa(self.aid)} these go, with all data and keys in them: {names}.",
                f"{hexa(self.aid)} とともに次のものが、中のデータと鍵ごと消えます: {names}。",
            )
        )

    def do(self, session: Session) -> Mapping[str, Any] | None:
        """A card deletes the applications of a package with it, but no domain that anything belongs to: what
        belongs to one goes first, piece by piece, and a torn run is taken up where it ended."""
        going = doomed(session, self.aid)
        alone = {line.aid for line in session.registry().values() if line.package == self.aid}
        together = alone.issuperset(going)
        if not together:
            for aid in going:
                session.domain.delete(aid)
        receipts = session.domain.delete(self.aid, related=self.related and together)
        return receipt_json(receipts[0] if receipts else None)

    def intent(self, session: Session) -> Intent:
        return Intent(INTENT_PREFIX + self.name, self.details(), held=session.current)

    def foresee(self, session: Session) -> None:
        for aid in doomed(session, self.aid):
            session.registry().pop(aid, None)
        session.registry().pop(self.aid, None)


@dataclass(frozen=True)
class Extradite(Step):
    """INSTALL [for extradition]: give an application or a package to another domain."""

    aid: bytes
    domain: bytes

    name: ClassVar[str] = "extradite"

    def describe(self) -> Words:
        return Words(
            f"give {hexa(self.aid)} to domain {hexa(self.domain)}",
            f"{hexa(self.aid)} をドメイン {hexa(self.domain)} に移す",
        )

    def details(self) -> Mapping[str, Any]:
        return {"aid": hexa(self.aid), "to": hexa(self.domain)}

    def done(self, session: Session) -> bool:
        return find(session, self.aid).domain == self.domain

    def do(self, session: Session) -> Mapping[str, Any] | None:
        origin = find(session, self.aid).domain
        return receipt_json(session.domain.extradite(self.aid, self.domain, origin=origin or None))

    def foresee(self, session: Session) -> None:
        session.expect(find(session, self.aid), domain=self.domain)


@dataclass(frozen=True)
class UpdateRegistry(Step):
    """INSTALL [for registry update]: an application or domain gets other privileges."""

    aid: bytes
    privileges: Privilege

    name: ClassVar[str] = "update"

    def describe(self) -> Words:
        return Words(f"change the privileges of {hexa(self.aid)}", f"{hexa(self.aid)} の特権を変える")

    def details(self) -> Mapping[str, Any]:
        return {"aid": hexa(self.aid), "privileges": f"{int(self.privileges):06X}"}

    def done(self, session: Session) -> bool:
        return find(session, self.aid).privileges == self.privileges

    def do(self, session: Session) -> Mapping[str, Any] | None:
        return receipt_json(session.domain.update_registry(self.aid, privileges=self.privileges))

    def foresee(self, session: Session) -> None:
        session.expect(find(session, self.aid), privileges=self.privileges)


def doomed(session: Session, aid: bytes) -> list[bytes]:
    """All that depends on ``aid``, in the order in which it can be deleted: what depends on it, and so on."""
    order: dict[bytes, None] = {}
    open_ = [(aid, iter(session.dependents(aid)))]
    seen = {aid}
    while open_:
        name, rest = open_[-1]
        line = next((one for one in rest if one.aid not in seen), None)
        if line is not None:
            seen.add(line.aid)
            open_.append((line.aid, iter(session.dependents(line.aid))))
        else:
            open_.pop()
            order[name] = None
    order.pop(aid, None)
    return list(order)


def find(session: Session, aid: bytes) -> Registered:
    """The registry's line. Raises CardError ``gp.not_there``."""
    line = session.find(aid)
    if line is None:
        raise CardError("gp.not_there", aid=hexa(aid))
    return line


def receipt_json(receipt: CheckedReceipt | None) -> Mapping[str, Any] | None:
    """What a card's receipt says, for a report."""
    return None if receipt is None else {"receipt": receipt.to_json()}


def hexa(raw: bytes) -> str:
    """An AID as people write it."""
    return raw.hex().upper()
