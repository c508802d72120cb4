"""The steps from a blank card to a badge, in their order.

A step knows how to say itself in one line, how to see on the card whether it is done, how to do it, which
keys and serials must stand in the ledger before its first APDU, and what the ledger learns when it is done.
Every ``done`` is answered by the card; where a card cannot be asked (printed information needs the PIN), the
ledger's settled intent answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from ...apdu.errors import CardError, InputError, Words
from ...apdu.ports import KeyRef
from ...apdu.secret import Secret
from ...applets.entry_badge.host import SlotPersonalization
from ...applets.entry_badge.host import personalization as badge_personalization
from ...applets.entry_badge.model import BadgeRecord
from ...applets.piv.host import personalization as piv_personalization
from ...applets.piv.model import KeyReference, ObjectTag
from ...applets.piv.objects import CardCapabilities, CertificateObject, Chuid, PrintedInformation
from ...applets.security_domain import Dgi, Privilege
from ..ca import Subject, new_serial
from ..ledger import Books, Intent
from ..profile import EntryBadge, Instance
from .work import Facts, Work

__all__ = ["STEPS", "Step", "ask_holder", "badge_record", "entry_badge_keys", "steps_for"]

PERSONALIZED = 0x0F


class Step(Protocol):
    """One step; stateless, so that it can be asked again after anything."""

    @property
    def name(self) -> str:
        """The stable name that the ledger keeps."""
        ...

    @property
    def reversible(self) -> bool:
        """Whether another command undoes it."""
        ...

    @property
    def changes(self) -> Facts: ...
    def describe(self, work: Work) -> Words: ...
    def done(self, work: Work) -> bool: ...
    def prepare(self, work: Work) -> Sequence[tuple[str, KeyRef]]:
        """Keys, with the domain that will hold them, that the card may hold once this step has begun."""
        ...

    def reserve(self, work: Work, books: Books, intent: Intent) -> None:
        """What else must be durable before the first APDU, in the transaction of the intent."""
        ...

    def do(self, work: Work) -> None: ...
    def record(self, work: Work, books: Books) -> None:
        """What the ledger learns, in the transaction that settles the intent."""
        ...


class _Plain:
    """A step that needs no keys and leaves nothing in the ledger but its intent."""

    changes = Facts.DOMAIN

    def prepare(self, work: Work) -> Sequence[tuple[str, KeyRef]]:
        return ()

    def reserve(self, work: Work, books: Books, intent: Intent) -> None:
        """Nothing."""

    def record(self, work: Work, books: Books) -> None:
        """Nothing."""


class PutKeys(_Plain):
    """The company's own key set, under a version of its own, beside the maker's."""

    name = "put-keys"
    reversible = False

    def describe(self, work: Work) -> Words:
        version = f"{work.company_keys.version:02X}"
        return Words(f"put the company's keys as version {version}", f"会社の鍵を版 {version} として入れる")

    def done(self, work: Work) -> bool:
        return work.contact.current.version == work.company_keys.version

    def prepare(self, work: Work) -> Sequence[tuple[str, KeyRef]]:
        return [(work.domain_aid, ref) for ref in work.company_keys.refs]

    def do(self, work: Work) -> None:
        keys = work.company_keys
        work.contact.domain().put_key_set(work.ring, keys)
        work.contact.switch(keys)

    def record(self, work: Work, books: Books) -> None:
        books.move_keys(work.card_id, work.domain_aid, work.factory_keys.version, "previous")
        books.move_keys(work.card_id, work.domain_aid, work.company_keys.version, "live")


class DeleteFactoryKeys(_Plain):
    """The maker's keys go once the company's have opened a channel."""

    name = "delete-factory-keys"
    reversible = False

    def describe(self, work: Work) -> Words:
        version = f"{work.factory_keys.version:02X}"
        return Words(f"delete the maker's keys, version {version}", f"メーカーの鍵 (版 {version}) を消す")

    def done(self, work: Work) -> bool:
        return work.factory_keys.version not in work.key_versions

    def do(self, work: Work) -> None:
        work.contact.domain().delete_key_set(work.factory_keys.version)

    def record(self, work: Work, books: Books) -> None:
        books.move_keys(work.card_id, work.domain_aid, work.factory_keys.version, "gone")


@dataclass(frozen=True)
class Install(_Plain):
    """Make the instance of an application from the package that is on the card."""

    application: str

    reversible = True

    @property
    def name(self) -> str:
        return f"install:{self.application}"

    def describe(self, work: Work) -> Words:
        what = f"{self.application} {self._instance(work).instance}"
        return Words(f"install {what}", f"{what} をインストールする")

    def done(self, work: Work) -> bool:
        return work.registered(self._instance(work)) is not None

    def do(self, work: Work) -> None:
        instance = self._instance(work)
        privileges = bytes.fromhex(instance.privileges).ljust(3, b"\x00")
        parameters = bytes.fromhex(instance.parameters)
        work.contact.domain().install(
            bytes.fromhex(instance.package),
            bytes.fromhex(instance.module),
            bytes.fromhex(instance.instance),
            privileges=Privilege(int.from_bytes(privileges, "big")),
            parameters=parameters.removeprefix(b"\xc9\x00"),
        )

    def _instance(self, work: Work) -> Instance:
        return work.profile.instance(self.application)


class PersonalizeEmployeeId(_Plain):
    """Management key 9B, PIN, PUK and GUID over the domain's channel; whole or not at all."""

    name = "personalize:employee-id"
    reversible = False

    def describe(self, work: Work) -> Words:
        return Words(
            "personalise employee-id (9B, PIN, PUK, GUID)", "employee-id に 9B・PIN・PUK・GUID を書き込む"
        )

    def done(self, work: Work) -> bool:
        return _personalized(work, "employee-id")

    def prepare(self, work: Work) -> Sequence[tuple[str, KeyRef]]:
        pin, puk = self._pins(work)
        refs = [work.management_key, *(value for value in (pin, puk) if value is not None)]
        return [(work.profile.instance("employee-id").instance, ref) for ref in refs]

    def do(self, work: Work) -> None:
        pin, puk = self._pins(work)
        groupings = piv_personalization(
            work.ring,
            work.contact.current.dek,
            guid=work.guid,
            management=work.management_key,
            pin=pin if pin is not None else _typed(work, "PIN"),
            puk=puk if puk is not None else _typed(work, "PUK"),
        )
        _store(work, "employee-id", groupings)

    def record(self, work: Work, books: Books) -> None:
        _settle_keys(work, books, self.prepare(work))

    @staticmethod
    def _pins(work: Work) -> tuple[KeyRef | None, KeyRef | None]:
        section = work.profile.employee_id
        if section is None:
            raise RuntimeError("the profile has no employee ID")
        guid = work.guid.bytes
        return section.pin.refer(work.ring, "piv-pin", guid), section.puk.refer(work.ring, "piv-puk", guid)


class PersonalizeEntryBadge(_Plain):
    """Record, diversifier and keys of the entry badge; whole or not at all."""

    name = "personalize:entry-badge"
    reversible = False

    def describe(self, work: Work) -> Words:
        badge = work.line.payload["entry_badge"]
        site = badge["site_code"]
        return Words(
            f"personalise entry-badge for site {site}", f"entry-badge に拠点 {site} の内容を書き込む"
        )

    def done(self, work: Work) -> bool:
        return _personalized(work, "entry-badge")

    def prepare(self, work: Work) -> Sequence[tuple[str, KeyRef]]:
        return [(work.profile.instance("entry-badge").instance, ref) for ref in entry_badge_keys(work)]

    def do(self, work: Work) -> None:
        slot = SlotPersonalization(_entry_badge(work).slot, badge_record(work), (entry_badge_keys(work),))
        diversifier = bytes.fromhex(work.line.payload["entry_badge"]["diversifier"])
        groupings = badge_personalization(work.ring, work.contact.current.dek, diversifier, [slot])
        _store(work, "entry-badge", groupings)

    def record(self, work: Work, books: Books) -> None:
        _settle_keys(work, books, self.prepare(work))


class Certify(_Plain):
    """A key 9A made on the card, and the company CA's certificate for it.

    The serial stands in the ledger before the key is made. A certificate that a torn contact left without
    its card is orphaned and revoked before the next one is made; so is one that is no longer on the card.
    """

    name = "certify:9a"
    reversible = False
    changes = Facts.PIV

    def describe(self, work: Work) -> Words:
        return Words("generate key 9A on the card and certify it", "鍵 9A をカード上で作り、証明書を発行する")

    def done(self, work: Work) -> bool:
        if not _personalized(work, "employee-id"):
            return False
        content = work.piv_object(ObjectTag.AUTHENTICATION_CERTIFICATE)
        if content is None:
            return False
        try:
            on_card = CertificateObject.parse(content).certificate
        except ValueError:
            return False
        return any(der == on_card for _, der in work.certificates("issued", "delivered"))

    def reserve(self, work: Work, books: Books, intent: Intent) -> None:
        lost = books.certificates(card_id=work.card_id, states=("reserved", "issued"))
        for certificate in lost:
            books.orphan_certificate(certificate.serial)
        for certificate in books.certificates(card_id=work.card_id, states=("delivered",)):
            books.revoke_certificate(certificate.serial, "superseded")
        books.reserve_certificate(
            new_serial(),
            work.line.employee,
            line_id=work.line.id,
            card_id=work.card_id,
            intent_id=intent.id,
        )

    def do(self, work: Work) -> None:
        piv = work.contact.piv(work.management_key)
        public_key = piv.generate(KeyReference.AUTHENTICATION)
        if not isinstance(public_key, ec.EllipticCurvePublicKey):
            raise CardError("badge.not_taken", step=self.name)
        serial = work.certificates("reserved")[0][0]
        texts = work.line.payload["employee_id"]["certificate"]
        der = work.desk.ca.issue(public_key, Subject(**texts), serial, work.valid_until)
        with work.desk.ledger.begin() as books:
            books.issue_certificate(serial, der)
        piv.put_object(ObjectTag.AUTHENTICATION_CERTIFICATE, bytes(CertificateObject(der)))

    def record(self, work: Work, books: Books) -> None:
        for certificate in books.certificates(card_id=work.card_id, states=("issued",)):
            books.deliver_certificate(certificate.serial)


class WriteObjects(_Plain):
    """Printed information, card capability container and CHUID; writing them again is harmless."""

    name = "write-objects"
    reversible = True
    changes = Facts.PIV

    def describe(self, work: Work) -> Words:
        return Words("write printed information, CCC and CHUID", "券面情報・CCC・CHUID を書き込む")

    def done(self, work: Work) -> bool:
        if not _personalized(work, "employee-id"):
            return False
        readable = self._readable(work)
        if any(work.piv_object(tag) != content for tag, content in readable.items()):
            return False
        if work.objects_written or work.card is None:
            return work.objects_written
        with work.desk.ledger.read() as books:
            written = books.intents(work.card.id, step=self.name, states=("done",))
        return any(intent.line_id == work.line.id for intent in written)

    def do(self, work: Work) -> None:
        piv = work.contact.piv(work.management_key)
        piv.put_object(ObjectTag.PRINTED_INFORMATION, bytes(self._printed(work)))
        for tag, content in self._readable(work).items():
            piv.put_object(tag, content)
        work.objects_written = True

    @staticmethod
    def _readable(work: Work) -> dict[int, bytes]:
        capabilities = CardCapabilities(work.guid.bytes[:14])
        return {
            ObjectTag.CCC: bytes(capabilities),
            ObjectTag.CHUID: bytes(Chuid(work.guid, work.valid_until)),
        }

    @staticmethod
    def _printed(work: Work) -> PrintedInformation:
        texts: dict[str, Any] = dict(work.line.payload["employee_id"]["printed"])
        return PrintedInformation(
            name=texts["name"],
            affiliation=texts["affiliation"],
            expiry=work.valid_until,
            serial=texts["serial"],
            issuer=texts["issuer"],
            organisation=texts["organization"],
            department=texts["department"],
        )


KEYS: tuple[Step, ...] = (PutKeys(), DeleteFactoryKeys())
EMPLOYEE_ID: tuple[Step, ...] = (Install("employee-id"), PersonalizeEmployeeId())
ENTRY_BADGE: tuple[Step, ...] = (Install("entry-badge"), PersonalizeEntryBadge())
OBJECTS: tuple[Step, ...] = (Certify(), WriteObjects())
STEPS: tuple[Step, ...] = KEYS + EMPLOYEE_ID + ENTRY_BADGE + OBJECTS
"""All steps there are; everything that needs the domain's channel stands before what needs PIV."""


def steps_for(work: Work) -> tuple[Step, ...]:
    """The steps that this work's profile asks for."""
    chosen = KEYS
    if work.profile.employee_id is not None:
        chosen += EMPLOYEE_ID
    if work.profile.entry_badge is not None:
        chosen += ENTRY_BADGE
    return chosen + (OBJECTS if work.profile.employee_id is not None else ())


def entry_badge_keys(work: Work) -> tuple[KeyRef, KeyRef]:
    """Badge key and privacy key of this badge, as the ring makes them."""
    badge = work.line.payload["entry_badge"]
    site = int(badge["site"]).to_bytes(4, "big")
    spec = _entry_badge(work).key
    return (
        spec.refer(work.ring, "badge", site + bytes.fromhex(badge["diversifier"])),
        spec.refer(work.ring, "privacy", site),
    )


def badge_record(work: Work) -> BadgeRecord:
    """What the door will learn, as it was frozen when the badge was ordered."""
    return BadgeRecord.parse(bytes.fromhex(work.line.payload["entry_badge"]["record"]))


def _entry_badge(work: Work) -> EntryBadge:
    if work.profile.entry_badge is None:
        raise RuntimeError("the profile has no entry badge")
    return work.profile.entry_badge


def _personalized(work: Work, application: str) -> bool:
    entry = work.registered(work.profile.instance(application))
    return entry is not None and entry.life_cycle & PERSONALIZED == PERSONALIZED


def _store(work: Work, application: str, groupings: Sequence[tuple[int, bytes, bool]]) -> None:
    domain = work.contact.domain()
    domain.install_for_personalization(bytes.fromhex(work.profile.instance(application).instance))
    domain.store_data(Dgi(tag, value, secret) for tag, value, secret in groupings)


def _settle_keys(work: Work, books: Books, keys: Sequence[tuple[str, KeyRef]]) -> None:
    for holder, ref in keys:
        books.put_key(work.card_id, holder, ref, "live")


def ask_holder(work: Work) -> None:
    """Have the holder type what the profile wants typed, before anything is written.

    Raises InputError ``badge.pin_needed`` when nobody is there.
    """
    section = work.profile.employee_id
    if section is None or _personalized(work, "employee-id"):
        return
    for name, pin in (("PIN", section.pin), ("PUK", section.puk)):
        if pin.source == "typed":
            _typed(work, name)


def _typed(work: Work, name: str) -> Secret:
    if name not in work.typed:
        if work.desk.typed is None:
            raise InputError("badge.pin_needed", pin=name, employee=work.line.employee)
        work.typed[name] = work.desk.typed(work.line, name)
    return work.typed[name]
