"""The host's side of a security domain (GPC 2.3.1 §11): one front for what the modules beside it do.

Keys stay in the key ring: references, session keys and cryptograms are all that passes here. ``content``
installs and deletes, ``loading`` loads, ``personalization`` stores data, ``keys`` puts keys, ``life_cycle``
locks, ``registry`` lists, ``discovery`` reads what anybody may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ...apdu import scp
from ...apdu.card import Card
from ...apdu.command import Command, Response, Span
from ...apdu.errors import CardError, MalformedResponse, StatusError
from ...apdu.ports import ChannelDek, KeyRef, KeyRing, KeySet
from ...apdu.scp import Handshake, HostChannel
from ...apdu.tlv import Tlv
from . import content, keys, life_cycle, loading, personalization
from .delegation import Authority, CheckedReceipt
from .loading import Load
from .model import AID, Ins, Privilege, Tag
from .model.cplc import Cplc
from .model.dgi import Dgi
from .model.parameters import DomainParameters, InstallParameters
from .personalization import Encryption, Structure, key_set_groupings
from .recognition import Capabilities, CardData, parse_capabilities, parse_card_data
from .registry import Registry
from .results import (
    KeyInformation,
    Registered,
    Selection,
    parse_key_information,
    parse_selection,
    read_objects,
)

__all__ = ["Encryption", "SecurityDomain", "Structure", "key_set_groupings"]

NOT_FOUND, CARD_LOCKED = 0x6A88, 0x6283
FULL_LEVEL = 0x33
SHORT_DATA_MAX, EXTENDED_DATA_MAX = 0xFF, 0xFFFF
SHORT_LE_MAX, EXTENDED_LE_MAX = 0x100, 0x10000
EXTENDED_OVERHEAD = 4 + 3 + 2
"""Bytes of an extended command beside its data: header, Lc, Le (ISO 7816-4 §5.2)."""
MAX_CIN = 64
Told = TypeVar("Told")
Progress = Callable[[int, int], None]
"""Is told how many blocks are done, and of how many."""


class SecurityDomain:
    """One security domain of a card, the issuer's unless ``aid`` names another.

    ``authority`` makes tokens and checks receipts; ``contents`` is the registry, read once.
    Methods raise StatusError when the card refuses, MalformedResponse when it lies, CardRemoved when it goes.
    """

    def __init__(self, card: Card, aid: bytes | None = None, *, authority: Authority | None = None) -> None:
        self.card = card
        self.aid = aid or AID
        self.max_data = SHORT_DATA_MAX
        self.authority = authority or Authority()
        self.contents = Registry(card)
        self._channel: HostChannel | None = None

    # what may be read by anybody

    def select(self) -> Selection:
        """SELECT; ends any secure channel. A locked card answers too, and says so."""
        response = self.card.select(self.aid, accepted=(CARD_LOCKED,))
        selection = parse_selection(response.data, self.aid, locked=response.sw == CARD_LOCKED)
        self.max_data = selection.max_block
        self.contents.forget()
        return selection

    def get_data(self, tag: int) -> bytes | None:
        """The value of a data object, None when the domain has none (6A88).

        Asks for the whole object, and takes the value alone from cards that give only that.
        """
        command = Command(0x80, Ins.GET_DATA, tag >> 8, tag & 0xFF, le=256)
        response = self.card.expect(command, NOT_FOUND)
        if response.sw == NOT_FOUND:
            return None
        prefix = tag.to_bytes(2 if tag > 0xFF else 1, "big")
        if not response.data.startswith(prefix):
            return response.data
        objects = read_objects(response.data, f"GET DATA {tag:X}")
        return objects[0].value

    def cplc(self) -> Cplc | None:
        """Production life cycle data; None when the card has none."""
        raw = self.get_data(Tag.CPLC)
        try:
            return None if raw is None else Cplc.parse(raw)
        except ValueError as error:
            raise MalformedResponse(str(error), "CPLC") from None

    def cin(self) -> bytes | None:
        """Card image number ``45``."""
        return self.get_data(Tag.CIN)

    def identity(self) -> bytes:
        """What tells this card from all others: twelve bytes of its CPLC, else the CIN, else nothing.

        A CPLC whose serial number was never written is every such card's. Raises MalformedResponse for a CIN
        that is no number of a card.
        """
        cplc = _told(self.cplc)
        if cplc is not None and cplc.numbered:
            return cplc.identity
        cin = _told(self.cin) or b""
        if len(cin) > MAX_CIN:
            raise MalformedResponse(f"{len(cin)} bytes", "CIN")
        return cin

    def iin(self) -> bytes | None:
        """Issuer identification number ``42``."""
        return self.get_data(Tag.IIN)

    def key_information(self) -> tuple[KeyInformation, ...]:
        """The keys that the domain holds: numbers, versions, types and lengths."""
        return parse_key_information(self.get_data(Tag.KEY_INFORMATION) or b"")

    def key_versions(self) -> tuple[int, ...]:
        """Versions of the keys, in the card's order."""
        return tuple(dict.fromkeys(key.version for key in self.key_information()))

    def card_data(self) -> CardData | None:
        """Card recognition data; None when the card has none."""
        raw = self.get_data(Tag.CARD_DATA)
        return None if raw is None else parse_card_data(raw)

    def capabilities(self) -> Capabilities | None:
        """Card capability information; None when the card has none."""
        raw = self.get_data(Tag.CAPABILITIES)
        return None if raw is None else parse_capabilities(raw)

    # the secure channel

    @property
    def room(self) -> int:
        """The most data bytes that one block to this domain carries now.

        That is what the domain announces (9F65) less what the secure channel adds; in the extended form where
        domain, card and link all take it.
        """
        most = min(self.max_data, SHORT_DATA_MAX)
        if self.card.profile.extended:
            whole = min(self.card.profile.max_command, EXTENDED_OVERHEAD + EXTENDED_DATA_MAX)
            most = max(most, min(self.max_data, whole - EXTENDED_OVERHEAD))
        return max(self.card.room(most), 1)

    def block(
        self, ins: int, p1: int, number: int, data: bytes, *, answer: bool, secret: tuple[Span, ...] = ()
    ) -> Command:
        """A block of LOAD or STORE DATA, in the extended form when it is longer than a short one."""
        extended = len(data) > self.card.max_data
        le = EXTENDED_LE_MAX if extended else SHORT_LE_MAX
        return Command(
            0x80, ins, p1, number & 0xFF, data, le if answer else None, extended=extended, secret=secret
        )

    @property
    def dek(self) -> ChannelDek:
        """What the open channel encrypts keys under. Raises CardError ``gp.no_channel`` without one."""
        if self._channel is None or self.card.secure_channel is not self._channel:
            raise CardError("gp.no_channel")
        return self._channel.dek

    def initialize_update(
        self,
        version: int = 0,
        host_challenge: bytes | None = None,
        *,
        scp02_i: int | None = None,
        s16: bool = False,
    ) -> Handshake:
        """Ask for a channel under key set ``version`` (0: the card's first), in SCP02 or SCP03.

        The answer (version, diversification data, i) tells which set the card used; nothing is spent yet but
        a count. ``host_challenge`` is random unless a test gives it; ``scp02_i`` is the variant of SCP02,
        which the card does not tell. Raises CardError ``gp.scp01``, and ``gp.key_version`` when another
        version answers than was asked for.
        """
        self.card.unsecure()
        return scp.initialize_update(
            self.card.send,
            version=version,
            scp02_i=scp02_i,
            s16=s16,
            host_challenge=host_challenge,
            quirks=self.card.profile.quirks,
        )

    def matches(self, handshake: Handshake, ring: KeyRing, key_set: KeySet) -> bool:
        """Whether these are the keys that the card used. Computed here: nothing is sent or spent."""
        return handshake.matches(ring, key_set)

    def authenticate(
        self, handshake: Handshake, ring: KeyRing, key_set: KeySet, level: int = FULL_LEVEL
    ) -> HostChannel:
        """Prove the host's knowledge of the keys, once, and secure ``card`` with the new channel.

        Raises CardError ``gp.cryptogram`` before anything is sent when the keys are not the card's.
        """
        channel = handshake.authenticate(ring, key_set, level)
        self.use(channel)
        return channel

    def use(self, channel: HostChannel) -> None:
        """Send everything through ``channel`` from now on, such as one that SCP11 opened."""
        self.card.secure(channel)
        self._channel = channel
        self.contents.forget()

    def open(
        self,
        ring: KeyRing,
        key_set: KeySet,
        *,
        version: int | None = None,
        level: int = FULL_LEVEL,
        host_challenge: bytes | None = None,
        scp02_i: int | None = None,
    ) -> Handshake:
        """INITIALIZE UPDATE and EXTERNAL AUTHENTICATE in one; errors as in these two.

        ``version`` is that of the key set unless given; 0 takes what the card takes first.
        """
        asked = key_set.version if version is None else version
        handshake = self.initialize_update(asked, host_challenge, scp02_i=scp02_i)
        self.authenticate(handshake, ring, key_set, level)
        return handshake

    # the registry

    def registry(self) -> list[Registered]:
        """Issuer domain, domains and applications, packages with their modules, in the card's order.

        Read once; afterwards only what this domain's commands have changed is asked for.
        """
        return self.contents.entries()

    def find(self, aid: bytes) -> Registered | None:
        """The line of one AID, None when there is none. The rest of the registry is not read for it."""
        return self.contents.find(aid)

    # content

    def load(self, what: Load, *, progress: Progress | None = None) -> CheckedReceipt | None:
        """:func:`loading.load`."""
        return loading.load(self, what, progress=progress)

    def install(
        self,
        package: bytes,
        module: bytes,
        instance: bytes,
        *,
        privileges: Privilege = Privilege.NONE,
        parameters: bytes | InstallParameters = b"",
        selectable: bool = True,
    ) -> CheckedReceipt | None:
        """INSTALL [for install and make selectable]; ``parameters`` in bytes become the content of ``C9``."""
        return content.install(
            self,
            package,
            module,
            instance,
            privileges=privileges,
            parameters=parameters,
            selectable=selectable,
        )

    def make_selectable(
        self, instance: bytes, *, privileges: Privilege = Privilege.NONE, package: bytes = b""
    ) -> CheckedReceipt | None:
        """INSTALL [for make selectable] of an instance that is only installed, or to make it the default."""
        return content.make_selectable(self, instance, privileges=privileges, package=package)

    def create_domain(
        self,
        aid: bytes,
        *,
        package: bytes = b"",
        module: bytes = b"",
        privileges: Privilege = Privilege.SECURITY_DOMAIN,
        parameters: DomainParameters | bytes = b"",
    ) -> CheckedReceipt | None:
        """:func:`content.create_domain`."""
        return content.create_domain(
            self, aid, package=package, module=module, privileges=privileges, parameters=parameters
        )

    def extradite(self, aid: bytes, domain: bytes, *, origin: bytes | None = None) -> CheckedReceipt | None:
        """INSTALL [for extradition]: give an application or package of this domain to another."""
        return content.extradite(self, aid, domain, origin=origin)

    def update_registry(
        self,
        aid: bytes,
        *,
        privileges: Privilege | None = None,
        to: bytes = b"",
        origin: bytes = b"",
        parameters: bytes | InstallParameters = b"",
    ) -> CheckedReceipt | None:
        """INSTALL [for registry update]: :func:`content.update`."""
        return content.update(self, aid, privileges=privileges, to=to, origin=origin, parameters=parameters)

    def delete(self, *aids: bytes, related: bool = False) -> list[CheckedReceipt]:
        """DELETE applications and packages; with ``related`` the applications of a package go too.

        StatusError 6A88: it is not there. 6985: a package that still has applications.
        """
        return content.delete(self, aids, related=related)

    def set_locked(self, aid: bytes, *, locked: bool, with_applications: bool = False) -> None:
        """SET STATUS of an application or supplementary domain."""
        life_cycle.set_locked(self, aid, locked=locked, with_applications=with_applications)

    def set_card_state(self, state: int) -> None:
        """SET STATUS of the card: 07 initialized, 0F secured, 7F locked, FF terminated (for ever)."""
        life_cycle.set_card_state(self, state)

    # data and keys

    def install_for_personalization(self, instance: bytes) -> None:
        """From now on STORE DATA reaches ``instance`` of this domain, until the last block."""
        personalization.begin(self, instance)

    def store_data(
        self,
        groupings: Iterable[Dgi],
        *,
        encryption: Encryption = Encryption.APPLICATION_DEPENDENT,
        answer: bool = False,
        progress: Progress | None = None,
    ) -> Response:
        """Data groupings to the domain itself, or to the target of :meth:`install_for_personalization`."""
        return personalization.store_data(
            self, groupings, encryption=encryption, answer=answer, progress=progress
        )

    def store_objects(self, objects: Iterable[Tlv]) -> Response:
        """Data objects of the domain itself, such as IIN ``42`` and CIN ``45``, as BER-TLV."""
        return personalization.store_objects(self, objects)

    def put_key_set(self, ring: KeyRing, key_set: KeySet, *, replace: int = 0) -> None:
        """PUT KEY of a whole set, added (``replace`` 0) or instead of version ``replace``."""
        keys.put_key_set(self, ring, key_set, replace=replace)

    def put_key(self, ring: KeyRing, key: KeyRef, kid: int, *, replace: int = 0) -> None:
        """PUT KEY of one symmetric key: token, receipt, DAP."""
        keys.put_key(self, ring, key, kid, replace=replace)

    def put_public_key(self, key: keys.PublicKey, version: int, kid: int, *, replace: int = 0) -> None:
        """PUT KEY of a public RSA or EC key that verifies tokens or load files."""
        keys.put_public_key(self, key, version, kid, replace=replace)

    def delete_key_set(self, version: int, *, last: bool = False) -> None:
        """DELETE all keys of a version; ``last`` allows the only set. StatusError 6A88: not there."""
        keys.delete_keys(self, version=version, last=last)

    def delete_key(self, version: int, kid: int) -> None:
        """DELETE one key."""
        keys.delete_keys(self, version=version, kid=kid)

    def key_set_groupings(self, ring: KeyRing, key_set: KeySet) -> Sequence[Dgi]:
        """The first key set of a domain below this one, encrypted for this channel."""
        return key_set_groupings(ring, key_set, self.dek)


def _told(read: Callable[[], Told | None]) -> Told | None:
    """What a card refuses to tell, in whatever way, it does not tell."""
    try:
        return read()
    except StatusError:
        return None
