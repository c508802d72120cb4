"""The host's side of a security domain (GPC 2.3.1 §11; SCP03: Amendment D 1.1.1).

Keys stay in the key ring: this module handles references, session keys and cryptograms only.
"""

from __future__ import annotations

import enum
import hmac
from collections.abc import Callable, Iterable, Sequence

from ...apdu.card import Card
from ...apdu.command import Command, Response, Span
from ...apdu.errors import CardError, InputError, MalformedResponse
from ...apdu.ports import KeyRef, KeyRing
from ...apdu.scp03 import Handshake, ring_session
from ...apdu.tlv import Tlv, encode_length
from .model import AID, KEY_TYPE_AES, Ins, Install, Privilege, StatusScope, Tag, lv
from .model.cplc import Cplc
from .model.dgi import Dgi, cut
from .results import (
    CardData,
    KeyInformation,
    Registered,
    Selection,
    parse_card_data,
    parse_key_information,
    parse_registry,
    parse_selection,
    read_objects,
)

__all__ = ["Encryption", "SecurityDomain", "Structure", "key_set_groupings"]

MORE_DATA, NOT_FOUND, WRONG_P1_P2, CARD_LOCKED = 0x6310, 0x6A88, 0x6A86, 0x6283
MAX_PAGES = 64
MAX_BLOCKS = 256
LAST_BLOCK = 0x80
ALL_THREE_KEYS = 0x81
FIRST, NEXT = 0x02, 0x03
FULL_LEVEL = 0x33
KEY_USAGE = {1: 0x38, 2: 0x34, 3: 0x48}
"""Usage of K-ENC, K-MAC and K-DEK: encryption and MAC both ways, data decipherment (GPC 2.3.1 §11.1.9)."""


class Structure(enum.IntEnum):
    """How STORE DATA is built: bits 5 and 4 of P1 (GPC 2.3.1 table 11-89)."""

    NONE = 0x00
    DGI = 0x08
    BER_TLV = 0x10


class Encryption(enum.IntEnum):
    """Which values of STORE DATA are encrypted under the DEK: bits 7 and 6 of P1."""

    NONE = 0x00
    APPLICATION_DEPENDENT = 0x20
    ALL = 0x60


class SecurityDomain:
    """One security domain of a card, the issuer's unless ``aid`` names another.

    Methods raise StatusError when the card refuses, MalformedResponse when it lies, CardRemoved when it goes.
    """

    def __init__(self, card: Card, aid: bytes | None = None) -> None:
        self.card = card
        self.aid = aid or AID
        self.max_data = 255

    # what may be read by anybody

    def select(self) -> Selection:
        """SELECT; ends any secure channel. A locked card answers too, and says so."""
        response = self.card.select(self.aid, accepted=(CARD_LOCKED,))
        selection = parse_selection(response.data, self.aid, locked=response.sw == CARD_LOCKED)
        self.max_data = selection.max_data
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

    def iin(self) -> bytes | None:
        """Issuer identification number ``42``."""
        return self.get_data(Tag.IIN)

    def key_information(self) -> tuple[KeyInformation, ...]:
        """The keys that the domain holds: numbers, versions, types and lengths."""
        return parse_key_information(self.get_data(Tag.KEY_INFORMATION) or b"")

    def key_versions(self) -> tuple[int, ...]:
        """Versions of the key sets, in the card's order."""
        return tuple(dict.fromkeys(key.version for key in self.key_information()))

    def card_data(self) -> CardData | None:
        """Card recognition data; None when the card has none."""
        raw = self.get_data(Tag.CARD_DATA)
        return None if raw is None else parse_card_data(raw)

    # the secure channel

    def initialize_update(self, version: int = 0, host_challenge: bytes | None = None) -> Handshake:
        """Ask for a channel under key set ``version`` (0: the card's first).

        The answer (``.answer``: key version, diversification data, sequence counter) tells which set the
        card used; nothing is spent yet but a count. ``host_challenge`` is random unless a test gives it.
        Raises CardError ``gp.key_version`` when another version answers than was asked for.
        """
        self.card.unsecure()
        return Handshake.begin(self.card.send, version=version, host_challenge=host_challenge)

    def matches(self, probe: Handshake, ring: KeyRing, enc: KeyRef, mac: KeyRef) -> bool:
        """Whether these are the keys that the card used. Computed here: nothing is sent or spent."""
        return probe.matches(ring_session(ring, enc, mac))

    def authenticate(
        self, probe: Handshake, ring: KeyRing, enc: KeyRef, mac: KeyRef, level: int = FULL_LEVEL
    ) -> None:
        """Prove the host's knowledge of the keys, once, and secure ``card`` with the new channel.

        Raises CardError ``gp.cryptogram`` before anything is sent when the keys are not the card's.
        """
        self.card.secure(probe.authenticate(ring_session(ring, enc, mac), level))

    def open(
        self,
        ring: KeyRing,
        enc: KeyRef,
        mac: KeyRef,
        *,
        version: int = 0,
        level: int = FULL_LEVEL,
        host_challenge: bytes | None = None,
    ) -> Handshake:
        """INITIALIZE UPDATE and EXTERNAL AUTHENTICATE in one; errors as in these two."""
        probe = self.initialize_update(version, host_challenge)
        self.authenticate(probe, ring, enc, mac, level)
        return probe

    # the registry

    def registry(self) -> list[Registered]:
        """Issuer domain, domains and applications, packages with their modules, in the card's order."""
        found = []
        for scope in (StatusScope.ISSUER_DOMAIN, StatusScope.APPLICATIONS):
            found += parse_registry(self._status(scope) or b"", scope)
        packages = self._status(StatusScope.PACKAGES_AND_MODULES)
        if packages is None:
            packages = self._status(StatusScope.PACKAGES) or b""
        return found + parse_registry(packages, StatusScope.PACKAGES)

    def _status(self, scope: StatusScope) -> bytes | None:
        """All pages of GET STATUS; None when the card does not know the scope (6A86)."""
        data, occurrence = b"", FIRST
        for _ in range(MAX_PAGES):
            command = Command(0x80, Ins.GET_STATUS, scope, occurrence, bytes(Tlv(Tag.REGISTRY_AID)), le=256)
            response = self.card.expect(command, MORE_DATA, NOT_FOUND, WRONG_P1_P2)
            if response.sw == WRONG_P1_P2 and not data:
                return None
            data += response.data
            if response.sw != MORE_DATA:
                return data
            occurrence = NEXT
        raise MalformedResponse("a registry without end", "GET STATUS")

    def install(
        self,
        package: bytes,
        module: bytes,
        instance: bytes,
        *,
        privileges: Privilege = Privilege.NONE,
        parameters: bytes = b"",
        selectable: bool = True,
    ) -> None:
        """INSTALL [for install and make selectable]; ``parameters`` becomes the content of ``C9``."""
        kind = Install.INSTALL_AND_MAKE_SELECTABLE if selectable else Install.FOR_INSTALL
        fields = (package, module, instance, _privileges(privileges), _parameters(parameters), b"")
        self._install(kind, fields)

    def make_selectable(self, instance: bytes) -> None:
        """INSTALL [for make selectable] of an instance that is only installed."""
        self._install(Install.MAKE_SELECTABLE, (b"", b"", instance, b"\x00", b"", b""))

    def extradite(self, aid: bytes, domain: bytes) -> None:
        """INSTALL [for extradition]: give an application or package of this domain to another."""
        self._install(Install.FOR_EXTRADITION, (domain, b"", aid, b"", b"", b""))

    def install_for_personalization(self, instance: bytes) -> None:
        """From now on STORE DATA reaches ``instance`` of this domain, until the last block."""
        self._install(Install.FOR_PERSONALIZATION, (b"", b"", instance, b"", b"", b""))

    def _install(self, kind: Install, fields: Iterable[bytes]) -> None:
        data = b"".join(lv(field) for field in fields)
        self.card.expect(Command(0x80, Ins.INSTALL, kind, 0x00, data, le=256))

    def delete(self, aid: bytes, *, related: bool = False) -> None:
        """DELETE an application, or a package; with ``related`` its applications go too.

        StatusError 6A88: it is not there. 6985: a package that still has applications.
        """
        data = bytes(Tlv(Tag.REGISTRY_AID, aid))
        self.card.expect(Command(0x80, Ins.DELETE, 0x00, 0x80 if related else 0x00, data, le=256))

    def set_locked(self, aid: bytes, *, locked: bool) -> None:
        """SET STATUS of an application or supplementary domain."""
        state = 0x80 if locked else 0x00
        self.card.expect(Command(0x80, Ins.SET_STATUS, StatusScope.APPLICATIONS, state, aid))

    def set_card_state(self, state: int) -> None:
        """SET STATUS of the card: 07 initialized, 0F secured, 7F locked, FF terminated (for ever)."""
        self.card.expect(Command(0x80, Ins.SET_STATUS, StatusScope.ISSUER_DOMAIN, state))

    # data and keys

    def store_data(
        self,
        groupings: Iterable[Dgi],
        *,
        encryption: Encryption = Encryption.APPLICATION_DEPENDENT,
        progress: Callable[[int, int], None] | None = None,
    ) -> Response:
        """Data groupings in as many STORE DATA blocks as they need; returns the answer to the last.

        They reach the domain itself, or the target of :meth:`install_for_personalization`. ``progress``
        is told the blocks done and their number.
        """
        room = min(self.card.max_data, self.max_data)
        return self._blocks(cut(groupings, room), Structure.DGI | encryption, progress)

    def store_objects(self, objects: Iterable[Tlv]) -> Response:
        """Data objects of the domain itself, such as IIN ``42`` and CIN ``45``, as BER-TLV."""
        stream = b"".join(bytes(tlv) for tlv in objects)
        room = min(self.card.max_data, self.max_data)
        blocks = [(stream[at : at + room], ()) for at in range(0, len(stream), room)]
        return self._blocks(blocks, Structure.BER_TLV, None)

    def _blocks(
        self,
        blocks: Sequence[tuple[bytes, tuple[Span, ...]]],
        p1: int,
        progress: Callable[[int, int], None] | None,
    ) -> Response:
        if not blocks:
            raise ValueError("STORE DATA carries something")
        if len(blocks) > MAX_BLOCKS:
            total = sum(len(block) for block, _ in blocks)
            raise CardError("gp.too_many_blocks", length=total, room=len(blocks[0][0]), most=MAX_BLOCKS)
        response = Response()
        for number, (block, secret) in enumerate(blocks):
            last = LAST_BLOCK if number == len(blocks) - 1 else 0
            command = Command(0x80, Ins.STORE_DATA, p1 | last, number, block, secret=secret)
            response = self.card.expect(command)
            if progress is not None:
                progress(number + 1, len(blocks))
        return response

    def put_key_set(
        self,
        version: int,
        ring: KeyRing,
        enc: KeyRef,
        mac: KeyRef,
        dek: KeyRef,
        *,
        current_dek: KeyRef,
        replace: int = 0,
    ) -> None:
        """PUT KEY of a whole set, added (``replace`` 0) or instead of version ``replace``.

        ``current_dek`` belongs to the set that opened this channel. Raises CardError ``gp.key_echo`` when
        the version or check values that the card answers are not those of the keys sent.
        """
        if not 1 <= version <= 0x7F:
            raise InputError("gp.version_range", version=f"{version:02X}")
        data = echo = bytes((version,))
        for key in (enc, mac, dek):
            wrapped, kcv = ring.wrap_for_put_key(current_dek, key), ring.kcv(key)
            block = bytes((key.length,)) + wrapped
            data += bytes((KEY_TYPE_AES,)) + encode_length(len(block)) + block + lv(kcv)
            echo += kcv
        command = Command(0x80, Ins.PUT_KEY, replace, ALL_THREE_KEYS, data, le=256, secret=((1, None),))
        response = self.card.expect(command)
        if not hmac.compare_digest(response.data, echo):
            raise CardError("gp.key_echo", version=f"{version:02X}")

    def delete_key_set(self, version: int, *, last: bool = False) -> None:
        """DELETE a key set by its version; ``last`` allows the only one. StatusError 6A88: not there."""
        data = bytes(Tlv(Tag.KEY_VERSION, bytes((version,))))
        self.card.expect(Command(0x80, Ins.DELETE, 0x00, 0x01 if last else 0x00, data, le=256))


def key_set_groupings(
    version: int, ring: KeyRing, enc: KeyRef, mac: KeyRef, dek: KeyRef, *, current_dek: KeyRef
) -> list[Dgi]:
    """The first key set of a supplementary domain, for :meth:`SecurityDomain.store_data` to it.

    ``00B9`` describes the keys, three ``8113`` carry them under ``current_dek`` of the domain above
    (GPC 2.3.1 §11.11.4).
    """
    described, values = b"", []
    for kid, key in enumerate((enc, mac, dek), start=1):
        description = (
            Tlv(0x95, bytes((KEY_USAGE[kid],))),
            Tlv(0x80, bytes((KEY_TYPE_AES,))),
            Tlv(0x81, bytes((key.length,))),
            Tlv(0x82, bytes((kid,))),
            Tlv(0x83, bytes((version,))),
            Tlv(0x84, ring.kcv(key)),
        )
        described += bytes(Tlv.build(0xB9, description))
        values.append(Dgi(0x8113, ring.wrap_for_put_key(current_dek, key), secret=True))
    return [Dgi(0x00B9, described), *values]


def _privileges(privileges: Privilege) -> bytes:
    """One byte when that is enough: older cards take no more (GPC 2.3.1 §11.1.2)."""
    raw = int(privileges).to_bytes(3, "big")
    return raw if any(raw[1:]) else raw[:1]


def _parameters(parameters: bytes) -> bytes:
    return bytes(Tlv(Tag.APPLICATION_PARAMETERS, parameters))
