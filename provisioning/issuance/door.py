"""A badge read as a door reads it: the entry badge of a company card, or the ID on a holder's own card."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from ...apdu.card import Card
from ...apdu.errors import CardError, InputError
from ...apdu.ports import KeyRing
from ...apdu.secret import Secret
from ...applets.entry_badge.host import Decision, Door, RingKeys, decide
from ...applets.entry_badge.model import BadgeRecord
from ...applets.free_space_id.host import FreeSpaceId
from ...applets.free_space_id.model import CHALLENGE_BYTES
from ...applets.piv.model import KeyReference
from ..profile import EntryBadge, Profile
from .bind import subject_of
from .steps import badge_record
from .work import Work

__all__ = ["DoorAnswer", "prove_badge", "read_at_door", "read_record"]


@dataclass(frozen=True, slots=True)
class DoorAnswer:
    """What the door read and decided. ``kind`` is ``entry-badge`` or ``free-space-id``."""

    kind: str
    record: BadgeRecord
    decision: Decision


def read_at_door(
    card: Card,
    ring: KeyRing,
    profile: Profile,
    site_code: str,
    now: datetime,
    *,
    access_class: str | None = None,
    bound: Mapping[str, BadgeRecord] | None = None,
) -> DoorAnswer:
    """Read the badge and decide. ``bound`` are the holders' own cards that this door knows, by subject;
    None for a door that takes company cards only.

    Raises CardError ``badge.*`` for a card that is no badge of this site, InputError ``badge.site`` and
    ``badge.access_class`` for a door that the profile does not describe.
    """
    section = _section(profile)
    site = section.sites.get(site_code)
    if site is None:
        raise InputError("badge.site", site=site_code, known=", ".join(section.sites))
    wanted = _access_class(section, access_class)
    try:
        kind, record = "entry-badge", _door(ring, section, site).read(card)
    except CardError as error:
        if error.code != "badge.absent" or bound is None:
            raise
        kind, record = "free-space-id", _read_bound(card, ring, profile, bound, error)
    return DoorAnswer(kind, record, decide(record, site, wanted, now))


def prove_badge(work: Work) -> None:
    """The last check before a badge leaves the desk: key 9A fits its certificate, and a door can read it.

    The PIN is the one that the key ring made or the holder has just typed; one that was typed in an earlier
    contact is not asked for again, and the key is then left to the certificate. Raises CardError.
    """
    with _pin(work) as pin:
        if len(pin):
            piv = work.contact.piv()
            piv.verify(pin)
            piv.sign_digest(KeyReference.AUTHENTICATION, sha256(secrets.token_bytes(32)).digest())
    if work.profile.entry_badge is not None and read_record(work) != badge_record(work):
        raise CardError("badge.not_taken", step="entry-badge")


def _pin(work: Work) -> Secret:
    """The PIN of the badge, empty when nobody here knows it."""
    section = work.profile.employee_id
    if section is None:
        return Secret(b"")
    ref = section.pin.refer(work.ring, "piv-pin", work.guid.bytes)
    if ref is not None:
        return work.ring.reveal_pin(ref)
    typed = work.typed.get("PIN")
    return Secret(typed.reveal()) if typed is not None else Secret(b"")


def read_record(work: Work) -> BadgeRecord:
    """The record that a door of the badge's site reads."""
    site = int(work.line.payload["entry_badge"]["site"])
    return work.contact.at_door(_door(work.ring, _section(work.profile), site))


def _door(ring: KeyRing, section: EntryBadge, site: int) -> Door:
    return Door(RingKeys(ring, section.key.master, site, (section.key.version,)))


def _section(profile: Profile) -> EntryBadge:
    if profile.entry_badge is None:
        raise InputError("badge.no_entry_badge", profile=profile.name)
    return profile.entry_badge


def _access_class(section: EntryBadge, name: str | None) -> int | None:
    if name is None:
        return None
    if name not in section.access_classes:
        raise InputError("badge.access_class", name=name, known=", ".join(section.access_classes))
    return section.access_classes[name]


def _read_bound(
    card: Card, ring: KeyRing, profile: Profile, bound: Mapping[str, BadgeRecord], absent: CardError
) -> BadgeRecord:
    application = FreeSpaceId(card)
    try:
        identity = application.read()
    except CardError as error:
        if error.code == "freespace.not_here":
            raise absent from None
        raise
    record = bound.get(subject_of(ring, profile, identity))
    if record is None:
        raise CardError("badge.unbound")
    if not application.authenticate(secrets.token_bytes(CHALLENGE_BYTES), identity):
        raise CardError("badge.forged")
    return record
