"""A security domain as every job on it needs it: selected, read, spoken to through a channel (GPC 2.3.1 §11).

What is done *to* a domain stands in the modules beside this one, each of which takes a :class:`Domain`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...apdu import scp
from ...apdu.card import Card
from ...apdu.command import Command, Span
from ...apdu.errors import CardError, MalformedResponse, StatusError
from ...apdu.ports import ChannelDek, KeyRing, KeySet
from ...apdu.scp import Handshake, HostChannel
from .delegation import Authority
from .model import AID, Ins, Tag
from .model.cplc import Cplc
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

__all__ = ["FULL_LEVEL", "Domain", "Progress", "told"]

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


class Domain:
    """One security domain of a card, the issuer's unless ``aid`` names another: selection, channel, registry.

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
        cplc = told(self.cplc)
        if cplc is not None and cplc.numbered:
            return cplc.identity
        cin = told(self.cin) or b""
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


def told(read: Callable[[], Told | None]) -> Told | None:
    """What a card refuses to tell, in whatever way, it does not tell."""
    try:
        return read()
    except StatusError:
        return None
