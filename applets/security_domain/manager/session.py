"""One contact with one card under management: who it is, which key set opens it, what it holds.

Rules kept here (design §5): a holder's My Number Card is never managed; the card is known before any
authentication; a key set is asked for once per contact and compared on the host before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from ....apdu.card import Card
from ....apdu.errors import CardError, CardRemoved, InputError, StatusError, Words
from ....apdu.names import application_name
from ....apdu.ports import KeyRing, KeySet
from ....apdu.scp import Handshake
from ....apdu.scp11 import Identity, Variant
from ..discovery import ISSUER_DOMAINS, find_issuer_domain
from ..host import SecurityDomain
from ..model import Tag
from ..results import KeyInformation, Registered, RegisteredKind, Selection
from ..scp11 import authority_of, open_channel
from .access import Access, CardTold, Certified, Masters, best_level
from .custody import Custody

__all__ = ["SET_KEY_IDS", "Answering", "Consequence", "Consent", "Session", "printable"]

NO_SUCH_KEYS = (0x6A88, 0x6A82, 0x6A80)
REFUSED = 0x6982
SCP03 = 3
SET_KEY_IDS = (1, 2, 3)
"""Numbers of K-ENC, K-MAC and K-DEK (GPC 2.3.1 §E.2.2, Amd D §4.1.1)."""
PUT_KEYS = "gp:put-keys"
QUARANTINE = "none of its known key sets opens it"


@dataclass(frozen=True, slots=True)
class Consequence:
    """What an act brings that cannot be taken back. ``by_name``: the card's identity is to be typed too."""

    what: Words
    by_name: bool = False


Progress = Callable[[int, int], None]
"""Is told how many blocks are done, and of how many."""

Consent = Callable[["Session", Consequence], None]
"""Asks a person; returns when he agrees, raises otherwise."""


@dataclass(frozen=True, slots=True)
class Answering:
    """The key set that a card has shown to hold (None: it was opened with certificates), and what it said."""

    keys: KeySet | None
    told: CardTold
    i: int


@dataclass
class Session:
    """A card on a reader. ``is_my_number_card`` is asked before anything else is sent.

    ``access`` None allows what anybody may read; ``named_domain``: the domain is not the issuer's, which was
    not asked for by name; ``progress`` is told of every block of a load, ``notice`` what a person should
    know at once.
    Methods raise CardRemoved when the card goes, StatusError and MalformedResponse as the host does.
    """

    card: Card
    domain: SecurityDomain
    custody: Custody
    is_my_number_card: Callable[[Card], bool]
    consent: Consent
    access: Access | None = None
    dry_run: bool = False
    named_domain: bool = False
    progress: Progress | None = None
    notice: Callable[[Words], None] | None = None
    selection: Selection | None = None
    level: int = 0
    stranger: bool = False
    """The channel was opened with keys that the ledger does not know of this card, though it knows others."""
    named_keys: bool | None = None
    """Whether the keys that the person named opened the channel; None when he named none."""
    _identity: bytes | None = None
    _answering: Answering | None = None
    _foreseen: dict[bytes, Registered] | None = field(default=None, repr=False)
    _keys: tuple[KeyInformation, ...] | None = None

    @property
    def ring(self) -> KeyRing:
        """The ring that opened the channel. Raises RuntimeError when there is none."""
        if self.access is None:
            raise RuntimeError("this session was given no keys")
        return self.access.ring

    @property
    def current(self) -> KeySet | None:
        """The key set that opened the channel; None in SCP11. Raises RuntimeError before :meth:`unlock`."""
        return self.answering.keys

    @property
    def answering(self) -> Answering:
        if self._answering is None:
            raise RuntimeError("the channel was not opened yet")
        return self._answering

    @property
    def opened(self) -> bool:
        return self._answering is not None

    @property
    def identity(self) -> bytes:
        """Twelve bytes of CPLC, else the CIN, else nothing; read once, before any authentication."""
        if self._identity is None:
            self.begin()
        return self._identity or b""

    def begin(self) -> Selection:
        """Select the domain and learn which card this is. Raises CardError ``badge.my_number_card``."""
        if self.selection is None:
            if self.is_my_number_card(self.card):
                raise CardError("badge.my_number_card")
            self.selection = self.domain.select() if self.named_domain else self._find_issuer_domain()
            self._identity = self.domain.identity()
        return self.selection

    def _find_issuer_domain(self) -> Selection:
        found, selection = find_issuer_domain(self.card)
        self.domain.aid, self.domain.max_data = found.aid, found.max_data
        self.card.application = application_name(found.aid)  # a bare SELECT names nothing
        return selection

    def names(self) -> set[str]:
        """Under which names a person may speak of this card: identity, CIN, serial number of the chip."""
        cplc, cin = self.domain.cplc(), self.domain.cin()
        found = (self.identity, cin, None if cplc is None else cplc.ic_serial)
        return {printable(name) for name in found if name}

    # the channel

    def unlock(self) -> None:
        """Open the channel: with a set that the ledger knows (intended, live, previous), else the one given.

        Each is asked for once; what does not fit costs nothing but a count of the card. A version that the
        person named is obeyed. Raises CardError ``gp.key_version`` (only another one fits),
        ``gp.out_of_use``, ``gp.quarantine`` (none of the known sets fits: the card is set aside),
        ``gp.other_ring`` (the known ones are of a ring that is not here), and ``gp.cryptogram`` for a card
        that nothing is known of.
        """
        if self._answering is not None:
            return
        self.begin()
        self._refuse_out_of_use()
        if self.access is not None and self.access.scp11 is not None:
            self._open_certified(self.access, self.access.scp11)
            return
        candidates = self.custody.candidates(self.identity, self.domain.aid)
        known = self._makeable(candidates)
        asked, first = self._obeying(known)
        if self._try(first) is not None:
            self._tell_of_other_keys()
            return
        given = self._try_given(last=not candidates, but=known)
        if given is not None:
            self.stranger = bool(candidates) and not any(_same(self.current, keys) for keys in candidates)
            self._learn(given)
            return
        for keys in known:
            if keys not in first and self._fitting(keys) is not None:
                raise CardError("gp.key_version", found=f"{keys.version:02X}", asked=f"{asked:02X}")
        if not known:
            enc = candidates[0].enc
            raise CardError("gp.other_ring", card=printable(self.identity), master=enc.master, ring=enc.ring)
        self.set_aside(known)

    def _open_certified(self, access: Access, how: Certified) -> None:
        identity = None
        if how.key is not None:
            authority = authority_of(self.domain, how.chain)
            if authority is None:
                raise CardError("gp.no_authority")
            identity = Identity(how.key, how.chain, authority)
        channel = open_channel(self.domain, how.variant, how.trust, version=access.version, identity=identity)
        told = CardTold(
            self._keys_name, self.domain.get_data(Tag.DIVERSIFICATION) or b"", channel.version, SCP03
        )
        self._answering = Answering(None, told, how.variant.parameter)
        self.level = channel.level

    def _refuse_out_of_use(self) -> None:
        found = self.custody.out_of_use(self.identity) if self.identity else None
        if found is not None:
            state, reason = found
            raise CardError("gp.out_of_use", card=printable(self.identity), state=state, reason=reason)

    def _makeable(self, candidates: Iterable[KeySet]) -> list[KeySet]:
        """The candidates whose keys this ring has; keys of another ring cannot be tried here."""
        found = []
        for keys in candidates:
            try:
                for ref in keys.refs:
                    self.ring.kcv(ref)
            except InputError:
                continue
            found.append(keys)
        return found

    def _try(self, candidates: Iterable[KeySet]) -> Answering | None:
        doubtful = self.unfinished_keys()
        for keys in candidates:
            probe = self._fitting(keys)
            if probe is None:
                continue
            named = self._are_named(probe, keys)
            self._authenticate(probe, keys)
            if keys.version not in doubtful or self._speaks():
                self.named_keys = named
                return self._answering
        return None

    def _are_named(self, probe: Handshake, keys: KeySet) -> bool | None:
        """Raises InputError ``keyring.*`` for a master that the ring does not have."""
        if self.access is None or not self.access.typed:
            return None
        return _same(self.access.source.key_set(self.ring, self._told(probe)), keys)

    def _obeying(self, known: list[KeySet]) -> tuple[int, list[KeySet]]:
        """The version that the person named, and what to try of ``known``: that version, the keys that he
        named first. Version 0 and all of them when he named none, or repeats a change of keys."""
        access = self.access
        if access is None or any(self._repeats(keys.version) for keys in known):
            return 0, known
        first = [keys for keys in known if access.version in (0, keys.version)]
        if access.typed and isinstance(access.source, Masters):
            named = access.source.master
            first.sort(key=lambda keys: keys.enc.master != named)
        return access.version, first

    def _repeats(self, version: int) -> bool:
        """Whether a change of keys that was begun, or is asked for again, explains that ``version`` opens the
        card and what the person named does not."""
        if self.access is None:
            return False
        begun = {one.data.get("version") for one in self.custody.pending(self.identity, self.domain.aid)}
        return version in self.access.coming | begun or self.access.version in begun

    def _tell_of_other_keys(self) -> None:
        keys = self.current
        if self.named_keys is not False or keys is None or self.notice is None or self._repeats(keys.version):
            return
        version, master, ring = f"{keys.version:02X}", keys.enc.master, keys.enc.ring
        self.notice(
            Words(
                f"Not the keys named here opened the card, but those the ledger knows: version {version}, "
                f"made from {master} of the key ring {ring}.",
                f"指定された鍵ではなく、台帳にある鍵 (版 {version}、鍵リング {ring} の {master}) でカードを"
                "開きました。",
            )
        )

    def _learn(self, given: Answering) -> None:
        """The ledger knew other keys, and none of them fits: what the person named becomes what it knows."""
        keys, access = given.keys, self.access
        if keys is None or access is None or self.dry_run or not self.stranger:
            return
        if access.proves(keys, given.told):
            self.custody.found(self.identity, self.domain.aid, keys)

    def unfinished_keys(self) -> set[int]:
        """Versions that an earlier run began to write: its keys may be there in part."""
        pending = self.custody.pending(self.identity, self.domain.aid)
        return {one.data["version"] for one in pending if one.step == PUT_KEYS}

    def _speaks(self) -> bool:
        """Whether an encrypted command is understood: that proves K-ENC; the cryptogram proves K-MAC."""
        try:
            self.registry()
        except CardRemoved:
            raise
        except CardError:
            self._answering = None
            return False
        return True

    def holds(self, keys: KeySet) -> bool:
        """Whether the card has this set: asked for by its version, compared here. Ends an open channel."""
        return self._fitting(keys) is not None

    def _fitting(self, keys: KeySet) -> Handshake | None:
        try:
            probe = self._ask(keys.version)
        except StatusError as error:
            if error.sw in NO_SUCH_KEYS:
                return None
            raise
        return probe if self.domain.matches(probe, self.ring, keys) else None

    def _try_given(self, *, last: bool, but: Iterable[KeySet]) -> Answering | None:
        """The set that the person named, unless it was tried already. With ``last`` a misfit raises."""
        if self.access is None:
            raise RuntimeError("this session was given no keys")
        try:
            probe = self._ask(self.access.version)
        except StatusError as error:
            if last or error.sw not in NO_SUCH_KEYS:
                raise
            return None
        told = self._told(probe)
        keys = self.access.source.key_set(self.ring, told)
        if any(keys.refs == other.refs for other in but):
            return None
        if not last and not self.domain.matches(probe, self.ring, keys):
            return None
        self._authenticate(probe, keys)
        self.named_keys = True if self.access.typed else None
        return self._answering if keys.version not in self.unfinished_keys() or self._speaks() else None

    def _ask(self, version: int) -> Handshake:
        scp02_i = self.access.scp02_i if self.access is not None else None
        return self.domain.initialize_update(version, scp02_i=scp02_i)

    def _told(self, probe: Handshake) -> CardTold:
        return CardTold(self._keys_name, probe.diversification, probe.version, probe.protocol)

    @property
    def _keys_name(self) -> bytes:
        """By what the keys of this domain are diversified; the issuer's domain may be named too."""
        issuers = not self.named_domain or self.domain.aid in ISSUER_DOMAINS
        return self.identity if issuers else self.identity + self.domain.aid

    def _authenticate(self, probe: Handshake, keys: KeySet) -> None:
        asked = self.access.level if self.access is not None else None
        best = best_level(probe.protocol, probe.i)
        level = best if asked is None or keys.version in self.unfinished_keys() else asked
        channel = self.domain.authenticate(probe, self.ring, keys, level)
        self._answering = Answering(keys, self._told(probe), probe.i)
        self.level = channel.level

    def explained(self, error: StatusError) -> CardError:
        """The error to raise for a refusal: in SCP11b every command that manages anything gets one."""
        scp11 = self.access.scp11 if self.opened and self.access is not None else None
        if scp11 is None or scp11.variant is not Variant.B or error.sw != REFUSED:
            return error
        return CardError("gp.scp11b", sw=f"{error.sw:04X}")

    def new_keys_at_risk(self) -> Consequence | None:
        """What a person agrees to who puts keys on a card that opens with none of the keys it should have."""
        if not self.stranger:
            return None
        card = printable(self.identity)
        return Consequence(
            Words(
                f"The ledger says that card {card} holds other keys than those that opened it. If this is "
                "not that card but something that only gives its number, its maker learns the keys put now.",
                f"台帳によると、カード {card} の鍵は、いま開いた鍵とは別のものです。番号だけを騙る偽物なら、"
                "これから入れる鍵が作り手に知られます。",
            ),
            by_name=True,
        )

    def set_aside(self, known: Iterable[KeySet]) -> NoReturn:
        """Quarantine. Raises CardError ``gp.quarantine``, which names the versions of ``known``."""
        versions = ", ".join(f"{keys.version:02X}" for keys in known)
        if not self.dry_run:
            self.custody.quarantine(self.identity, QUARANTINE)
        raise CardError("gp.quarantine", card=printable(self.identity), versions=versions)

    def switch(self, keys: KeySet) -> None:
        """Open the channel anew with a set just put on the card: it proves that the card has it."""
        self._authenticate(self._ask(keys.version), keys)
        self._keys = None

    def reopen(self) -> None:
        """Open the channel again as it was, after it ended."""
        if self.current is not None:
            self.switch(self.current)
        elif self.access is not None and self.access.scp11 is not None:
            self._open_certified(self.access, self.access.scp11)

    # what the card holds

    def registry(self) -> dict[bytes, Registered]:
        """The registry by AID. A dry run changes its own copy; else the host asks again for what changed."""
        if self._foreseen is not None:
            return self._foreseen
        found = {entry.aid: entry for entry in self.domain.registry()}
        if self.dry_run:
            self._foreseen = found
        return found

    def find(self, aid: bytes, kind: RegisteredKind | None = None) -> Registered | None:
        """The line of one AID; the rest of the registry is not read for it."""
        if self.dry_run:
            return self.registry().get(aid)
        return self.domain.contents.find(aid, kind)

    def held_keys(self) -> tuple[KeyInformation, ...]:
        """Key information of the domain, read once until :meth:`forget_keys`."""
        if self._keys is None:
            self._keys = self.domain.key_information()
        return self._keys

    def key_versions(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(key.version for key in self.held_keys()))

    def channel_versions(self) -> tuple[int, ...]:
        """The versions that open a channel: whole sets, and the one that did. A key that verifies tokens or
        load files may have the number of a K-ENC, and opens nothing."""
        numbers: dict[int, set[int]] = {}
        for key in self.held_keys():
            numbers.setdefault(key.version, set()).add(key.kid)
        used = self.current.version if self.current is not None else None
        return tuple(one for one, kids in numbers.items() if kids.issuperset(SET_KEY_IDS) or one == used)

    def expect_keys(self, keys: tuple[KeyInformation, ...]) -> None:
        """In a dry run: what the card would tell of its keys after a step."""
        self._keys = keys

    def expect(self, line: Registered, **changes: Any) -> None:
        """In a dry run: what the registry would show of ``line`` after a step."""
        self.registry()[line.aid] = replace(line, **changes)

    def issuer_domain(self) -> Registered | None:
        """The registry's line of the issuer's domain, which carries the life cycle of the card."""
        found = (entry for entry in self.registry().values() if entry.kind is RegisteredKind.ISSUER_DOMAIN)
        return next(found, None)

    def dependents(self, aid: bytes) -> list[Registered]:
        """Instances of a package, or what belongs to a domain."""
        lines = self.registry().values()
        return [line for line in lines if aid in (line.package, line.domain) and line.aid != aid]

    def forget_keys(self) -> None:
        """A step has changed the keys: read them again when they are asked for."""
        self._keys = None


def _same(one: KeySet | None, other: KeySet) -> bool:
    """Whether both are the same keys, by version and check values, whatever they are called."""
    return one is not None and (one.version, [key.kcv for key in one.refs]) == (
        other.version,
        [key.kcv for key in other.refs],
    )


def printable(identity: bytes) -> str:
    """A card's identity as a person reads and types it."""
    return identity.hex().upper() or "?"
