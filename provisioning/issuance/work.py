"""What a desk needs, and the work on one card: its line, what the card shows, what the ledger knows."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from ...apdu.card import Recorder
from ...apdu.errors import CardChanged, CardError, InputError, Words
from ...apdu.ports import KeyRef, KeyRing, KeySet, Link
from ...apdu.secret import Secret
from ...applets.security_domain import Registered
from ..ca import CompanyCa
from ..ledger import Books, Ledger, Line
from ..ledger.records import Card as LedgerCard
from ..profile import Instance, Profile
from .contact import Contact

__all__ = ["Desk", "Facts", "Work", "begin_work", "printable"]


class Facts(enum.Enum):
    """What a step changes."""

    DOMAIN = "registry and keys"
    PIV = "objects of the employee ID"


READY, AT_STATION, DONE = "ready", "at_station", "done"
UNUSABLE = {
    "quarantine": Words("quarantine", "隔離"),
    "damaged": Words("damaged", "破損"),
    "lost": Words("lost", "紛失"),
    "stolen": Words("stolen", "盗難"),
    "expired": Words("expired", "期限切れ"),
    "returned": Words("returned", "返却済み"),
    "terminated": Words("terminated", "廃止"),
}
"""States in which a card is not touched, as a person reads them."""


@dataclass(frozen=True)
class Desk:
    """The parts that every badge needs. ``typed`` asks the holder for ``PIN`` or ``PUK``
    where the profile says that they are typed."""

    ledger: Ledger
    ring: KeyRing
    ca: CompanyCa
    typed: Callable[[Line, str], Secret] | None = None
    recorder: Recorder | None = None


@dataclass
class Work:
    """One line on one card. Facts read from the card are kept until a step changes them."""

    desk: Desk
    contact: Contact
    identity: bytes
    line: Line
    profile: Profile
    card: LedgerCard | None
    objects_written: bool = False
    typed: dict[str, Secret] = field(default_factory=dict, repr=False)
    _registry: Mapping[bytes, Registered] | None = field(default=None, repr=False)
    _key_versions: tuple[int, ...] | None = None
    _objects: dict[int, bytes | None] = field(default_factory=dict, repr=False)

    @property
    def ring(self) -> KeyRing:
        return self.desk.ring

    @property
    def domain_aid(self) -> str:
        return self.profile.domain.aid

    @property
    def company_keys(self) -> KeySet:
        """The set that this card gets."""
        return self.profile.domain.keys.key_set(self.ring, self.identity)

    @property
    def factory_keys(self) -> KeySet:
        """The set that its maker left."""
        return self.profile.domain.factory.key_set(self.ring, self.identity)

    @property
    def guid(self) -> UUID:
        return UUID(self.line.payload["employee_id"]["guid"])

    @property
    def valid_from(self) -> date:
        return date.fromisoformat(self.line.payload["valid_from"])

    @property
    def valid_until(self) -> date:
        return date.fromisoformat(self.line.payload["valid_until"])

    @property
    def card_id(self) -> int:
        """The card's number in the ledger. Raises RuntimeError before the line is claimed."""
        if self.card is None:
            raise RuntimeError("the card is not in the ledger yet")
        return self.card.id

    @property
    def management_key(self) -> KeyRef:
        """The reference of 9B on this card."""
        section = self.profile.employee_id
        if section is None:
            raise RuntimeError("the profile has no employee ID")
        return section.management_key.refer(self.ring, "piv-9b", self.guid.bytes)

    # what the card shows

    def registered(self, instance: Instance) -> Registered | None:
        """The registry's line for an instance, None when it is not on the card."""
        if self._registry is None:
            self._registry = {entry.aid: entry for entry in self.contact.domain().registry()}
        return self._registry.get(bytes.fromhex(instance.instance))

    @property
    def key_versions(self) -> tuple[int, ...]:
        if self._key_versions is None:
            self._key_versions = self.contact.domain().key_versions()
        return self._key_versions

    def piv_object(self, tag: int) -> bytes | None:
        """A PIV object that needs no PIN, None when it is empty."""
        if tag not in self._objects:
            self._objects[tag] = self.contact.piv().get_object(tag)
        return self._objects[tag]

    def forget(self, what: Facts) -> None:
        """A step has changed these facts of the card: read them again when they are asked for."""
        if what is Facts.DOMAIN:
            self._registry = self._key_versions = None
        self._objects = {}

    def forget_typed(self) -> None:
        """Wipe what the holder typed."""
        for secret in self.typed.values():
            secret.wipe()
        self.typed.clear()

    # what the ledger knows

    def candidates(self, books: Books) -> list[KeySet]:
        """Key sets that the card may hold: intended, live, previous; a new card has its maker's."""
        if self.card is None:
            return [self.factory_keys]
        known = books.keys(self.card.id, domain=self.domain_aid)
        order = {"intended": 0, "live": 1, "previous": 2}
        refs = [key.ref for key in sorted(known, key=lambda key: order[key.state])]
        return KeySet.gather(refs) or [self.factory_keys]

    def certificates(self, *states: str) -> list[tuple[int, bytes | None]]:
        """Serials and certificates of this line on this card, in these states."""
        if self.card is None:
            return []
        with self.desk.ledger.read() as books:
            found = books.certificates(line_id=self.line.id, card_id=self.card.id, states=states)
        return [(certificate.serial, certificate.der) for certificate in found]


def begin_work(desk: Desk, link: Link, *, order_id: int | None = None, employee: str = "") -> Work:
    """Identify the card and find the line it is for; nothing is written anywhere.

    A card that the ledger knows goes on with its line; a new one takes the line of ``employee``, or the next
    that is ready. Raises CardError ``badge.*``, CardChanged, InputError ``order.*``.
    """
    contact = Contact(link, desk.ring, _domain_aid(desk, order_id), recorder=desk.recorder)
    identity = contact.identify()
    with desk.ledger.read() as books:
        card = books.find_card(identity)
        if card is not None and card.state in UNUSABLE:
            raise CardError(
                "badge.out_of_use", card=printable(identity), state=UNUSABLE[card.state], reason=card.reason
            )
        line = _line_of(books, card, identity, order_id, employee)
        profile = Profile.from_json(books.order(line.order_id).profile)
    return Work(desk, contact, identity, line, profile, card)


def _domain_aid(desk: Desk, order_id: int | None) -> bytes:
    """The security domain to ask for its identity: that of the order, else of the newest one."""
    with desk.ledger.read() as books:
        orders = books.orders()
        if order_id is None and not orders:
            raise InputError("order.none_ready")
        order = books.order(order_id) if order_id is not None else orders[-1]
    return bytes.fromhex(Profile.from_json(order.profile).domain.aid)


def _line_of(
    books: Books, card: LedgerCard | None, identity: bytes, order_id: int | None, employee: str
) -> Line:
    known = _line_on_card(books, card)
    if known is not None:
        if employee and known.employee != employee:
            raise CardChanged(expected=_card_of(employee), found=_card_of(known.employee))
        return known
    lines = books.lines(order_id, card_kind="company")
    if employee:
        lines = [line for line in lines if line.employee == employee and line.state != "cancelled"]
        if not lines:
            raise InputError("order.no_line", employee=employee)
    ready = [line for line in lines if line.state in (READY, "failed")]
    if ready:
        return ready[0]
    if employee and lines[-1].card_id is not None:
        first = books.card(lines[-1].card_id)
        if first.state not in UNUSABLE:  # a card that is gone is not asked for again
            raise CardChanged(expected=printable(first.identity), found=printable(identity))
    raise InputError("order.none_ready")


def _line_on_card(books: Books, card: LedgerCard | None) -> Line | None:
    """The line this card was made for, or is being made for."""
    if card is None:
        return None
    lines = [line for line in books.lines() if line.card_id == card.id and line.state in (AT_STATION, DONE)]
    return lines[-1] if lines else None


def _card_of(employee: str) -> Words:
    return Words(f"the card of employee {employee}", f"社員 {employee} のカード")


def printable(identity: bytes) -> str:
    """A card's identity as a person compares it."""
    return identity.hex().upper()
