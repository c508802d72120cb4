"""Key sets of a domain: put, change, delete (GPC 2.3.1 §11.2.2.3, §11.8; Amd D §7.2).

A new set gets a version of its own and must open a channel before the old one is deleted; the references of
both are written down first, so that a change torn at any byte is finished by the next run (design §5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ....apdu.errors import CardError, InputError, StatusError, Words
from ....apdu.ports import KeyRef, KeySet
from ..keys import PublicKey
from ..model import FACTORY_KVN, MAX_KVN
from ..results import KeyInformation
from .access import CardTold, NewKeys
from .custody import Intent
from .session import PUT_KEYS, SET_KEY_IDS, Consequence, Session
from .steps import INTENT_PREFIX, Step

__all__ = ["DeleteKeys", "PutKeys", "PutSingleKey", "new_set", "put", "put_public", "put_single", "rotate"]

LIVE, PREVIOUS, GONE = "live", "previous", "gone"


def new_set(session: Session, wanted: NewKeys, told: CardTold | None = None) -> KeySet:
    """The set that ``wanted`` is on this card, in this domain unless ``told`` says another.

    Raises InputError ``gp.version_range``, ``gp.keys_needed``.
    """
    if not 1 <= wanted.version <= MAX_KVN:
        raise InputError("gp.version_range", version=f"{wanted.version:02X}")
    if session.access is None:
        raise RuntimeError("this session was given no keys")
    return wanted.source(session.access).key_set(session.ring, told or session.answering.told)


@dataclass(frozen=True)
class PutKeys(Step):
    """PUT KEY of a whole set: beside the others, or instead of version ``replace``.

    ``torn``: an earlier run began to put this very set and did not see its end. It is put again over what is
    there, even if it opens the channel: only that proves that all three of its keys arrived.
    """

    keys: KeySet
    replace: int = 0
    torn: bool = False

    name: ClassVar[str] = PUT_KEYS.removeprefix(INTENT_PREFIX)
    reversible: ClassVar[bool] = False
    found: ClassVar[Words] = Words("already on the card", "すでにカードにあります")

    def describe(self) -> Words:
        version = f"{self.keys.version:02X}"
        if self.replace:
            old = f"{self.replace:02X}"
            return Words(
                f"put a key set as version {version} instead of version {old}",
                f"鍵セットを版 {version} として、版 {old} と置き換える",
            )
        return Words(f"put a key set as version {version}", f"鍵セットを版 {version} として入れる")

    def details(self) -> Mapping[str, Any]:
        return {
            "version": self.keys.version,
            "replaces": self.replace,
            "kcv": [k.kcv for k in self.keys.refs],
        }

    def done(self, session: Session) -> bool:
        """The card has this very set: it opened the channel, or it does when asked, once.

        Raises InputError ``gp.version_taken`` when other keys are there that nobody said to replace.
        """
        if self.proved(session):
            return not self.torn
        if self.keys.version not in session.key_versions() or self.torn:
            return False
        held = session.holds(self.keys)
        session.reopen()
        if not held and self.replace != self.keys.version:
            raise InputError("gp.version_taken", version=f"{self.keys.version:02X}")
        return held

    def proved(self, session: Session) -> bool:
        """The new set opened the channel that stands now."""
        return session.current is not None and session.current.refs == self.keys.refs

    def consequence(self, session: Session) -> Consequence | None:
        return session.new_keys_at_risk()

    def do(self, session: Session) -> None:
        """Raises CardError ``gp.key_echo``; ``gp.quarantine`` when what a torn run left cannot be mended."""
        left_over = self.torn and self.keys.version in session.key_versions()
        try:
            session.domain.put_key_set(
                session.ring, self.keys, replace=self.keys.version if left_over else self.replace
            )
        except StatusError:
            if self.torn:
                session.set_aside([self.keys])
            raise
        session.switch(self.keys)

    def intent(self, session: Session) -> Intent:
        known = session.custody.candidates(session.identity, session.domain.aid)
        present = session.key_versions()
        outcome = {
            keys.version: PREVIOUS if keys.version in present and keys.version != self.replace else GONE
            for keys in (*_sets(session.current), *known)
        }
        outcome[self.keys.version] = LIVE
        return Intent(
            INTENT_PREFIX + self.name, self.details(), self.keys.refs, held=session.current, outcome=outcome
        )

    def foresee(self, session: Session) -> None:
        rest = [key for key in session.held_keys() if key.version not in (self.keys.version, self.replace)]
        kind = 0x80 if self.keys.enc.algorithm == "3des" else 0x88
        added = [KeyInformation(kid, self.keys.version, kind, self.keys.enc.length) for kid in SET_KEY_IDS]
        session.expect_keys((*added, *rest))


@dataclass(frozen=True)
class DeleteKeys(Step):
    """DELETE [key] of every key of one version. ``after``: the version that a step before this one proves."""

    version: int
    after: int = 0

    name: ClassVar[str] = "delete-keys"
    reversible: ClassVar[bool] = False
    found: ClassVar[Words] = Words("not on the card, nothing to delete", "カードになく、消すものはありません")

    def describe(self) -> Words:
        return Words(f"delete the keys of version {self.version:02X}", f"版 {self.version:02X} の鍵を消す")

    def details(self) -> Mapping[str, Any]:
        return {"version": self.version}

    def done(self, session: Session) -> bool:
        """Raises CardError ``gp.keys_unfinished`` while another set may be there in part: what it lacks is
        put right through this one."""
        if self.version not in session.key_versions():
            return True
        torn = session.unfinished_keys() - {self.version, self.after}
        if torn:
            raise CardError("gp.keys_unfinished", version=f"{min(torn):02X}", other=f"{self.version:02X}")
        return False

    def consequence(self, session: Session) -> Consequence | None:
        if not self._is_last(session):
            return self._unproved(session)
        return Consequence(
            Words(
                f"Version {self.version:02X} is the only key set of this domain. Without it nobody manages "
                "what belongs to the domain any more, and no key can be put into it again.",
                f"版 {self.version:02X} はこのドメインの唯一の鍵です。消すと、このドメインは誰にも管理でき"
                "なくなり、鍵を入れ直すこともできません。",
            ),
            by_name=True,
        )

    def _unproved(self, session: Session) -> Consequence | None:
        """Of the set that opened the channel: no other has shown in this session that anybody holds it."""
        if not any(keys.version == self.version for keys in _sets(session.current)):
            return None
        rest = ", ".join(f"{one:02X}" for one in session.channel_versions() if one != self.version)
        return Consequence(
            Words(
                f"Version {self.version:02X} opened this domain. Only version {rest} opens it afterwards, "
                "and nothing has shown here that you hold those keys.",
                f"このドメインを開いたのは版 {self.version:02X} です。消すと版 {rest} でしか"
                "開けなくなりますが、その鍵を持っていることはここでは確かめられていません。",
            )
        )

    def do(self, session: Session) -> None:
        session.domain.delete_key_set(self.version, last=self._is_last(session))

    def _is_last(self, session: Session) -> bool:
        return set(session.channel_versions()) == {self.version}

    def intent(self, session: Session) -> Intent:
        outcome = {self.version: GONE}
        return Intent(INTENT_PREFIX + self.name, self.details(), held=session.current, outcome=outcome)

    def foresee(self, session: Session) -> None:
        session.expect_keys(tuple(key for key in session.held_keys() if key.version != self.version))


def put(session: Session, wanted: NewKeys, *, replaces: bool) -> Sequence[Step]:
    """Put a set; with ``replaces`` instead of the one that opened the channel, in one command.

    Raises InputError ``gp.keys_needed`` when no set of keys opened it.
    """
    keys = new_set(session, wanted)
    current = _sets(session.current)
    if replaces and not current:
        raise InputError("gp.keys_needed")
    return [PutKeys(keys, current[0].version if replaces else 0, _torn(session, keys))]


def rotate(session: Session, wanted: NewKeys) -> Sequence[Step]:
    """Put a set, prove it, delete the one before it: the set that opened the channel, others that the ledger
    knows, and the maker's.

    On a card that was torn after the first step the new set opens already; what is left is to delete.
    Raises InputError ``gp.same_keys`` when nothing but the version would change.
    """
    keys = new_set(session, wanted)
    for current in _sets(session.current):
        if current.version != keys.version and _values(current) == _values(keys):
            raise InputError("gp.same_keys", old=f"{current.version:02X}", new=f"{keys.version:02X}")
    known = session.custody.candidates(session.identity, session.domain.aid)
    old = [*(one.version for one in (*_sets(session.current), *known)), FACTORY_KVN]
    rest = [version for version in dict.fromkeys(old) if version != keys.version]
    present = session.key_versions()
    put_new = PutKeys(keys, torn=_torn(session, keys))
    return [put_new, *(DeleteKeys(version, after=keys.version) for version in rest if version in present)]


def _sets(current: KeySet | None) -> tuple[KeySet, ...]:
    """The set that opened the channel, if it was one."""
    return () if current is None else (current,)


def _values(keys: KeySet) -> list[tuple[str, str]]:
    """What tells the keys of a set from others without telling them: algorithm and check value."""
    return [(ref.algorithm, ref.kcv) for ref in keys.refs]


def _torn(session: Session, keys: KeySet) -> bool:
    """Whether an earlier run wrote down that it puts this set, and nothing since."""
    ours = (keys.version, [ref.kcv for ref in keys.refs])
    return any(
        (pending.data["version"], pending.data["kcv"]) == ours
        for pending in session.custody.pending(session.identity, session.domain.aid)
        if pending.step == PUT_KEYS
    )


@dataclass(frozen=True)
class PutSingleKey(Step):
    """PUT KEY of one key that opens no channel: it verifies tokens or load files, or makes receipts.

    ``key`` is a public key, or a reference of an AES key. A card does not tell a key's value: one that is
    there under this version and number counts as this one, unless it is to be replaced.
    """

    version: int
    kid: int
    key: PublicKey | KeyRef
    fingerprint: str
    replaces: bool = False

    name: ClassVar[str] = "put-single-key"
    reversible: ClassVar[bool] = False

    def describe(self) -> Words:
        name = f"{self.version:02X}/{self.kid:02X}"
        return Words(f"put key {name} ({self.fingerprint})", f"鍵 {name} ({self.fingerprint}) を入れる")

    def details(self) -> Mapping[str, Any]:
        return {"version": self.version, "kid": self.kid, "fingerprint": self.fingerprint}

    def done(self, session: Session) -> bool:
        return not self.replaces and self.proved(session)

    def proved(self, session: Session) -> bool:
        return any((key.version, key.kid) == (self.version, self.kid) for key in session.held_keys())

    def consequence(self, session: Session) -> Consequence | None:
        return session.new_keys_at_risk() if isinstance(self.key, KeyRef) else None

    def do(self, session: Session) -> None:
        replace = self.version if self.proved(session) else 0
        if isinstance(self.key, KeyRef):
            session.domain.put_key(session.ring, self.key, self.kid, replace=replace)
        else:
            session.domain.put_public_key(self.key, self.version, self.kid, replace=replace)

    def intent(self, session: Session) -> Intent:
        keys = (self.key,) if isinstance(self.key, KeyRef) else ()
        return Intent(
            INTENT_PREFIX + self.name,
            self.details(),
            keys,
            held=session.current,
            outcome={self.version: LIVE} if keys else {},
        )


def put_public(*, version: int, kid: int, key: PublicKey, spki: bytes, replaces: bool) -> Sequence[Step]:
    """A public key, known by the beginning of the SHA-256 of its SubjectPublicKeyInfo."""
    fingerprint = hashlib.sha256(spki).hexdigest()[:16].upper()
    return [PutSingleKey(version, kid, key, fingerprint, replaces)]


def put_single(session: Session, wanted: NewKeys, *, kid: int, usage: str, replaces: bool) -> Sequence[Step]:
    """A symmetric key for ``usage`` (token, receipt, dap), known by its check value."""
    if session.access is None:
        raise RuntimeError("this session was given no keys")
    ref = wanted.source(session.access).key(session.ring, session.answering.told, usage)
    return [PutSingleKey(wanted.version, kid, ref, ref.kcv, replaces)]
