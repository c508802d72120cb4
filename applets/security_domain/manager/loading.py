"""Packages: load a file onto the card, and make applications of it (GPC 2.3.1 §9.3.5).

What a torn load left is deleted by the next run before it loads anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ....apdu.errors import CardError, InputError, Words
from ..loading import Load, LoadState, cleanup, load_install, load_state
from ..model import Privilege
from ..results import Registered, RegisteredKind
from .content import Delete, Install, hexa, receipt_json
from .session import Session
from .steps import Step

__all__ = ["LoadAndInstall", "LoadPackage", "install_all", "load_package"]

LOADED = 0x01


@dataclass(frozen=True)
class LoadPackage(Step):
    """INSTALL [for load] and LOAD."""

    what: Load

    name: ClassVar[str] = "load"
    found: ClassVar[Words] = Words("already on the card", "すでにカードにあります")

    def describe(self) -> Words:
        size = len(self.what.code)
        return Words(
            f"load {hexa(self.what.aid)} ({size} bytes)",
            f"{hexa(self.what.aid)} をロードする ({size} バイト)",
        )

    def details(self) -> Mapping[str, Any]:
        return {"aid": hexa(self.what.aid), "version": version_text(self.what), "bytes": len(self.what.code)}

    def done(self, session: Session) -> bool:
        """A whole package of this name and version. Raises CardError ``gp.package_there`` for another one,
        ``gp.elsewhere`` for one that belongs to another domain than the one asked for."""
        if session.dry_run:
            return self._foreseen(session)
        state = load_state(session.domain, self.what)
        if state is LoadState.OTHER:
            raise self._other(session.find(self.what.aid))
        if state is LoadState.COMPLETE and self.what.domain:
            self._refuse_elsewhere(session.find(self.what.aid))
        return state is LoadState.COMPLETE

    def _refuse_elsewhere(self, line: Registered | None) -> None:
        if line is not None and line.domain and line.domain != self.what.domain:
            raise CardError(
                "gp.elsewhere",
                aid=hexa(self.what.aid),
                found=hexa(line.domain),
                wanted=hexa(self.what.domain),
            )

    def _foreseen(self, session: Session) -> bool:
        line = session.find(self.what.aid)
        if line is not None and line.version and line.version != self.what.version:
            raise self._other(line)
        there = line is not None and line.life_cycle == LOADED
        if there and self.what.domain:
            self._refuse_elsewhere(line)
        return there

    def _other(self, line: Registered | None) -> CardError:
        found = ".".join(str(byte) for byte in line.version) if line is not None else ""
        return CardError(
            "gp.package_there", aid=hexa(self.what.aid), found=found or "?", wanted=version_text(self.what)
        )

    def do(self, session: Session) -> Mapping[str, Any] | None:
        cleanup(session.domain, self.what)
        return receipt_json(session.domain.load(self.what, progress=session.progress))

    def foresee(self, session: Session) -> None:
        what = self.what
        session.registry()[what.aid] = Registered(
            what.aid,
            RegisteredKind.PACKAGE,
            LOADED,
            domain=what.domain or session.domain.aid,
            modules=what.modules,
            version=what.version,
        )


@dataclass(frozen=True)
class LoadAndInstall(Step):
    """Load, install and make selectable in one (P1 0E): the card takes all of it or nothing.

    Where the package is there already, only what is missing is done.
    """

    package: LoadPackage
    application: Install

    name: ClassVar[str] = "load-and-install"

    def describe(self) -> Words:
        first, last = self.package.describe(), self.application.describe()
        return Words(f"{first} and {last}, in one", f"{first.ja}・{last.ja} (一括)")

    def details(self) -> Mapping[str, Any]:
        return {**self.package.details(), **self.application.details()}

    def done(self, session: Session) -> bool:
        """Errors as those of both parts."""
        loaded = self.package.done(session)
        if loaded or session.find(self.application.instance) is not None:
            return self.application.done(session) and loaded
        return False

    def do(self, session: Session) -> Mapping[str, Any] | None:
        if self.package.done(session):
            return self.application.do(session)
        cleanup(session.domain, self.package.what)
        receipt = load_install(
            session.domain,
            self.package.what,
            self.application.module,
            self.application.instance,
            privileges=self.application.privileges,
            parameters=self.application.parameters,
            progress=session.progress,
        )
        return receipt_json(receipt)

    def foresee(self, session: Session) -> None:
        self.package.foresee(session)
        self.application.foresee(session)


def version_text(what: Load) -> str:
    return ".".join(str(byte) for byte in what.version)


def load_package(session: Session, *, what: Load, replaces: bool) -> Sequence[Step]:
    """Load; with ``replaces`` whatever is there under this name is deleted first, with its applications."""
    there = replaces and session.find(what.aid) is not None
    return [*([Delete(what.aid, related=True)] if there else []), LoadPackage(what)]


def install_all(
    session: Session,
    *,
    what: Load,
    module: bytes | None,
    instance: bytes | None,
    privileges: Privilege,
    parameters: bytes,
    selectable: bool,
    replaces: bool,
    combined: bool = False,
) -> Sequence[Step]:
    """Load the package and install ``module``, or each of its applets under the name that the file gives it.

    ``combined``: load, install and make selectable in one, of one applet.
    Raises InputError ``gp.which_applet`` for a name or parameters that would go to several applets.
    """
    modules = what.modules if module is None else (module,)
    if len(modules) != 1 and (instance or parameters or privileges or combined):
        names = ", ".join(map(hexa, modules)) or "-"
        raise InputError("gp.which_applet", package=hexa(what.aid), names=names)
    installs = [
        Install(what.aid, one, instance or one, privileges, parameters, selectable) for one in modules
    ]
    *before, load = load_package(session, what=what, replaces=replaces)
    if combined:
        if module is not None and module not in what.modules:
            raise CardError("gp.not_there", aid=hexa(module))
        return [*before, LoadAndInstall(LoadPackage(what), installs[0])]
    return [*before, load, *installs]
