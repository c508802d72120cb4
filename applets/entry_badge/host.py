"""The entry badge seen from a door and from the desk that personalises it (docs/protocols/entry-badge.md)."""

from __future__ import annotations

import enum
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ...apdu.card import Card
from ...apdu.command import Command
from ...apdu.errors import CardError, MalformedResponse, StatusError
from ...apdu.ports import KeyRef, KeyRing
from ...apdu.secret import Secret
from . import model
from .model import BadgeRecord, Fci, TokenKeys

__all__ = [
    "Decision",
    "Door",
    "DoorKeys",
    "Reason",
    "RingKeys",
    "SiteKeys",
    "SlotPersonalization",
    "decide",
    "forget_version",
    "personalization",
    "update",
]

GroupedData = list[tuple[int, bytes, bool]]
"""DGIs of a personalisation: number, value, and whether the value holds a cryptogram under the DEK."""


# At the door


class DoorKeys(Protocol):
    """What a door can compute: keys of its own site and nothing above them."""

    @property
    def site(self) -> int: ...
    @property
    def versions(self) -> Sequence[int]:
        """Key versions that the door accepts."""
        ...

    def token_keys(self, slot: int, version: int) -> TokenKeys: ...
    def badge_key(self, version: int, diversifier: bytes) -> bytes: ...


@dataclass(frozen=True)
class SiteKeys:
    """Keys of a site held by the door itself: version to (site key, privacy key), 16 bytes each."""

    site: int
    keys: dict[int, tuple[Secret, Secret]] = field(repr=False)

    @property
    def versions(self) -> Sequence[int]:
        return sorted(self.keys)

    def token_keys(self, slot: int, version: int) -> TokenKeys:
        return model.token_keys(self.keys[version][1].reveal(), slot, version)

    def badge_key(self, version: int, diversifier: bytes) -> bytes:
        return model.badge_key(self.keys[version][0].reveal(), diversifier)


@dataclass(frozen=True)
class RingKeys:
    """Keys of a site held by a key ring, which computes with them (scheme ``entry-badge``)."""

    ring: KeyRing
    master: str
    site: int
    versions: Sequence[int]

    def token_keys(self, slot: int, version: int) -> TokenKeys:
        ref, context = self._ref("privacy", version), bytes((slot, version))
        return TokenKeys(
            self.ring.badge_cryptogram(ref, model.kdf_input(b"token enc", context)),
            self.ring.badge_cryptogram(ref, model.kdf_input(b"token mac", context)),
        )

    def badge_key(self, version: int, diversifier: bytes) -> bytes:
        return self.ring.badge_cryptogram(self._ref("site", version), model.kdf_input(b"badge", diversifier))

    def _ref(self, usage: str, version: int) -> KeyRef:
        return self.ring.refer(
            self.master,
            scheme=model.SCHEME,
            diversification=self.site.to_bytes(4, "big"),
            version=version,
            usage=usage,
        )


class Door:
    """One door of one site. ``entropy`` is replaced in tests of published vectors only."""

    def __init__(self, keys: DoorKeys, *, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._keys = keys
        self._entropy = entropy

    def read(self, card: Card) -> BadgeRecord:
        """Authenticate both sides in two APDUs and return the badge's record.

        Raises CardError ``badge.absent``, ``badge.foreign``, ``badge.refused``, ``badge.forged``, and
        MalformedResponse for an FCI that is not one.
        """
        raw = _select(card)
        try:
            fci = Fci.parse(raw)
        except ValueError:
            raise MalformedResponse("the FCI", "SELECT of the entry badge") from None
        slot, version, badge = self._find_key(fci)
        ours = self._entropy(model.CHALLENGE_LENGTH)
        keys = model.session_keys(badge, slot, version, raw, fci.challenge, ours, model.INSTANCE_AID)
        proof = model.door_mac(keys, slot, version, ours)
        command = Command(
            model.AUTHENTICATE_CLA,
            model.AUTHENTICATE_INS,
            slot,
            version,
            ours + proof,
            le=model.ANSWER_LENGTH,
        )
        response = card.send(command.with_(secret_answer=((0, None),)))
        if not response.ok:
            raise CardError("badge.refused", site=self._keys.site)
        return self._record(keys, response.data)

    def _find_key(self, fci: Fci) -> tuple[int, int, bytes]:
        """Slot, version and badge key: the newest version whose token is this site's."""
        held = sorted(zip(fci.pairs, fci.tokens, strict=True), key=lambda item: -item[0][1])
        for (slot, version), token in held:
            if version not in self._keys.versions:
                continue
            diversifier = model.open_token(self._keys.token_keys(slot, version), fci.challenge, token)
            if diversifier is not None:
                return slot, version, self._keys.badge_key(version, diversifier)
        raise CardError("badge.foreign", site=self._keys.site)

    def _record(self, keys: model.SessionKeys, answer: bytes) -> BadgeRecord:
        plain = model.open_record(keys, answer)
        if plain is None:
            raise CardError("badge.forged")
        try:
            record = BadgeRecord.parse(plain)
        except ValueError:
            raise MalformedResponse("the badge record", "MUTUAL AUTHENTICATE") from None
        if record.site != self._keys.site:
            raise CardError("badge.foreign", site=self._keys.site)
        return record


def _select(card: Card) -> bytes:
    try:
        return card.select(model.INSTANCE_AID).data
    except StatusError as error:
        if error.sw == 0x6A82:
            raise CardError("badge.absent") from None
        raise


class Reason(enum.StrEnum):
    """Why a door opens or not."""

    GRANTED = "granted"
    WRONG_SITE = "wrong-site"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    NO_ACCESS = "no-access"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a door does."""

    granted: bool
    reason: Reason


def decide(record: BadgeRecord, site: int, access_class: int | None, now: datetime) -> Decision:
    """Site, validity, access class, in this order; ``access_class`` None lets every badge of the site in."""
    if record.site != site:
        reason = Reason.WRONG_SITE
    elif now < record.valid_from:
        reason = Reason.NOT_YET_VALID
    elif now >= record.valid_until:
        reason = Reason.EXPIRED
    elif access_class is not None and access_class not in record.access_classes:
        reason = Reason.NO_ACCESS
    else:
        reason = Reason.GRANTED
    return Decision(reason is Reason.GRANTED, reason)


# At the desk


@dataclass(frozen=True, slots=True)
class SlotPersonalization:
    """What a slot gets: its record, and the badge and privacy key of one version each.

    ``record`` None leaves the record that the badge has (a key rotation), ``keys`` empty leaves the keys.
    """

    slot: int
    record: BadgeRecord | None
    keys: tuple[tuple[KeyRef, KeyRef], ...] = ()


def personalization(
    ring: KeyRing, dek: KeyRef, diversifier: bytes, slots: Sequence[SlotPersonalization]
) -> GroupedData:
    """All DGIs of a new badge; ``diversifier`` is 16 random bytes that the key references carry too."""
    if len(diversifier) != model.DIVERSIFIER_LENGTH:
        raise ValueError(f"a diversifier has {model.DIVERSIFIER_LENGTH} bytes, got {len(diversifier)}")
    return [(model.DGI_DIVERSIFIER, diversifier, False), *update(ring, dek, slots)]


def update(ring: KeyRing, dek: KeyRef, slots: Sequence[SlotPersonalization]) -> GroupedData:
    """DGIs that change a badge in use: new records and further key versions."""
    groupings: GroupedData = []
    for slot in slots:
        if slot.record is not None:
            groupings.append((model.DGI_RECORD | slot.slot, bytes(slot.record), False))
        for badge, privacy in slot.keys:
            groupings.append(_key_dgi(ring, dek, model.DGI_BADGE_KEY | slot.slot, badge))
            groupings.append(_key_dgi(ring, dek, model.DGI_PRIVACY_KEY | slot.slot, privacy))
    return groupings


def forget_version(slot: int, version: int) -> tuple[int, bytes, bool]:
    """The DGI that takes a key version off the badge, after all doors have the next one."""
    return model.DGI_FORGET_VERSION | slot, bytes((version,)), False


def _key_dgi(ring: KeyRing, dek: KeyRef, number: int, key: KeyRef) -> tuple[int, bytes, bool]:
    return number, bytes((key.version,)) + ring.kcv(key) + ring.encrypt_dgi(dek, key), True
