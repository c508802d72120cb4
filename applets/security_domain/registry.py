"""The registry of a card, read no more often than needed (GPC 2.3.1 §11.4).

A full reading asks for the issuer's domain, for applications and domains, and for packages with their
modules: three commands. Afterwards only what a command has changed is asked for again, by its AID.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...apdu.card import Card
from ...apdu.command import Command
from ...apdu.errors import MalformedResponse, StatusError
from ...apdu.status import status_error
from ...apdu.tlv import Tlv
from .model import Ins, StatusScope, Tag
from .model.cap.fields import AID_LENGTHS
from .results import Registered, RegisteredKind, parse_legacy_registry, parse_registry

__all__ = ["Registry", "lines_inside"]

MORE_DATA, NOT_FOUND = 0x6310, 0x6A88
UNKNOWN_FORM = (0x6A86, 0x6A80, 0x6D00, 0x6B00)
"""Answers of cards that know the scope or the form of P2 not."""
MAX_PAGES = 64
NEXT, TLV_FORM, LEGACY_FORM = 0x01, 0x02, 0x00
SCOPES = {
    RegisteredKind.ISSUER_DOMAIN: StatusScope.ISSUER_DOMAIN,
    RegisteredKind.DOMAIN: StatusScope.APPLICATIONS,
    RegisteredKind.APPLICATION: StatusScope.APPLICATIONS,
    RegisteredKind.PACKAGE: StatusScope.PACKAGES_AND_MODULES,
}


class Registry:
    """What ``card`` lists through the security domain that is selected on it.

    Methods raise StatusError when the card refuses, MalformedResponse when its answer is none. ``reads``
    counts the GET STATUS commands sent.
    """

    def __init__(self, card: Card) -> None:
        self._card = card
        self._form = TLV_FORM
        self._modules_told = True
        self._known: dict[bytes, Registered] = {}
        self._stale: dict[bytes, tuple[StatusScope, ...]] = {}
        self._complete = False
        self._refusal = StatusError(0x6A86, "GET STATUS")
        self.reads = 0

    def entries(self) -> list[Registered]:
        """Issuer domain, domains and applications, packages with their modules, in the card's order.

        Reads everything once, then what has changed since.
        """
        if not self._complete:
            found = [entry for scope in self._all_scopes() for entry in self._read(scope)]
            self._known = {entry.aid: entry for entry in found}
            self._stale.clear()
            self._complete = True
        for aid in tuple(self._stale):
            self._refresh(aid)
        return list(self._known.values())

    def find(self, aid: bytes, kind: RegisteredKind | None = None) -> Registered | None:
        """The line of ``aid``, None when there is none. Asks the card for this AID only, or not at all.

        ``kind`` is what it should be, when that is known: other scopes are not asked then.
        """
        if aid in self._stale:
            return self._refresh(aid)
        if aid in self._known or self._complete:
            return self._known.get(aid)
        scopes = (SCOPES[kind],) if kind is not None else tuple(self._all_scopes())[::-1]
        return self._ask(aid, scopes)

    def changed(self, aid: bytes, kind: RegisteredKind | None = None) -> None:
        """A command has made or altered ``aid``: its line is asked for when it is needed."""
        known = self._known.get(aid)
        kind = kind or (known.kind if known is not None else None)
        self._stale[aid] = (SCOPES[kind],) if kind is not None else tuple(self._all_scopes())[::-1]

    def gone(self, aid: bytes, *, related: bool = False) -> None:
        """A command has deleted ``aid``, and with ``related`` the instances of the package."""
        lines = self.known()
        also = [line.aid for line in lines if related and line.package == aid]
        for one in (aid, *also):
            self._known.pop(one, None)
            self._stale.pop(one, None)
        applications = (RegisteredKind.APPLICATION, RegisteredKind.DOMAIN)
        if related and any(not line.package for line in lines if line.kind in applications):
            # The card does not tell which instance belongs to which package.
            self.forget()

    @property
    def modules_told(self) -> bool:
        """Whether this card lists the modules of packages (P1 10), as far as it was asked."""
        return self._modules_told

    def known(self) -> list[Registered]:
        """What was read so far; nothing is asked."""
        return list(self._known.values())

    def forget(self) -> None:
        """Anything may have changed: read anew."""
        self._known.clear()
        self._stale.clear()
        self._complete = False

    def _all_scopes(self) -> Iterable[StatusScope]:
        return (
            StatusScope.ISSUER_DOMAIN,
            StatusScope.APPLICATIONS,
            StatusScope.PACKAGES_AND_MODULES if self._modules_told else StatusScope.PACKAGES,
        )

    def _refresh(self, aid: bytes) -> Registered | None:
        found = self._ask(aid, self._stale[aid])
        if found is None:
            self._known.pop(aid, None)
        del self._stale[aid]
        return found

    def _ask(self, aid: bytes, scopes: Iterable[StatusScope]) -> Registered | None:
        for scope in scopes:
            for entry in self._read(scope, aid):
                if entry.aid == aid:
                    self._known[aid] = entry
                    return entry
        return None

    def _read(self, scope: StatusScope, aid: bytes = b"") -> list[Registered]:
        """All pages of a scope, in whatever form the card has."""
        if scope is StatusScope.PACKAGES_AND_MODULES and not self._modules_told:
            scope = StatusScope.PACKAGES
        data = self._pages(scope, aid)
        if data is None and scope is StatusScope.PACKAGES_AND_MODULES:
            self._modules_told = False
            scope = StatusScope.PACKAGES
            data = self._pages(scope, aid)
        if data is None and self._form == TLV_FORM:
            self._form = LEGACY_FORM
            data = self._pages(scope, aid)
        if data is None:
            raise self._refusal
        if self._form == LEGACY_FORM or _is_legacy(data):
            return parse_legacy_registry(data, scope)
        return parse_registry(data, scope)

    def _pages(self, scope: StatusScope, aid: bytes) -> bytes | None:
        """The answers together; None when the card does not know the scope or the form."""
        data, occurrence = b"", 0
        for _ in range(MAX_PAGES):
            asked = bytes(Tlv(Tag.REGISTRY_AID, aid))
            command = Command(0x80, Ins.GET_STATUS, scope, self._form | occurrence, asked, le=256)
            self.reads += 1
            response = self._card.expect(command, MORE_DATA, NOT_FOUND, *UNKNOWN_FORM)
            if response.sw in UNKNOWN_FORM:
                self._refusal = status_error(command, response, self._card.application)
                if data:
                    raise self._refusal
                return None
            data += response.data
            if response.sw != MORE_DATA:
                return data
            occurrence = NEXT
        raise MalformedResponse("a registry without end", "GET STATUS")


def _is_legacy(data: bytes) -> bool:
    """Whether the card answers in the old form whatever it was asked: the length of an AID comes first."""
    return bool(data) and data[0] in AID_LENGTHS


def lines_inside(lines: Iterable[Registered], domain: bytes) -> list[Registered]:
    """What belongs to ``domain``, and to domains in it, as far as the card tells who owns what."""
    lines = list(lines)
    owners, found = {domain}, dict[bytes, Registered]()
    while True:
        more = [line for line in lines if line.domain in owners and line.aid not in owners | found.keys()]
        if not more:
            return list(found.values())
        found.update((line.aid, line) for line in more)
        owners |= found.keys()
