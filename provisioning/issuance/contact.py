"""One contact with one company card: who it is, which of its key sets lives, where the host stands on it.

Rules kept here (design §5): the card is known by CPLC or CIN before any authentication; a real My Number Card
is never written; a key set is tried once per contact, and compared on the host before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...apdu.card import Card, Recorder
from ...apdu.errors import CardError, StatusError
from ...apdu.ports import KeyRef, KeyRing, KeySet, Link
from ...applets.entry_badge.host import Door
from ...applets.entry_badge.model import BadgeRecord
from ...applets.mynumber_common.host import is_my_number_card
from ...applets.piv.host import Piv
from ...applets.security_domain import SecurityDomain

__all__ = ["Contact"]

NO_SUCH_KEYS = (0x6A88, 0x6A82, 0x6A80)


class Contact:
    """A company card on a reader, from its first APDU to its last.

    Methods raise CardRemoved when the card goes, StatusError and MalformedResponse as the applets do.
    """

    def __init__(
        self, link: Link, ring: KeyRing, domain_aid: bytes, *, recorder: Recorder | None = None
    ) -> None:
        self.ring = ring
        self.card = Card(link, recorder=recorder)
        self._piv = Piv(self.card)
        self._domain = SecurityDomain(self.card, domain_aid)
        self._current: KeySet | None = None
        self._piv_selected = self._piv_managed = False

    @property
    def current(self) -> KeySet:
        """The key set that opened the channel. Raises RuntimeError before :meth:`unlock`."""
        if self._current is None:
            raise RuntimeError("the card was not unlocked yet")
        return self._current

    def identify(self) -> bytes:
        """What tells this card from all others: 12 bytes of CPLC, else its CIN.

        Raises CardError ``badge.my_number_card`` for a My Number Card, ``badge.no_identity`` for a card
        that has neither.
        """
        if is_my_number_card(self.card):
            raise CardError("badge.my_number_card")
        self._domain.select()
        identity = self._domain.identity()
        if not identity:
            raise CardError("badge.no_identity")
        return identity

    def unlock(self, candidates: Iterable[KeySet]) -> bool:
        """Open the domain's channel with the first candidate that the card proves to hold.

        Each is asked for once, by its version; a set that the card does not have, or whose cryptogram does
        not fit, costs nothing but a count of the card. False when none fits: nothing was sent then.
        """
        for keys in candidates:
            try:
                probe = self._domain.initialize_update(keys.version)
            except StatusError as error:
                if error.sw in NO_SUCH_KEYS:
                    continue
                raise
            if self._domain.matches(probe, self.ring, keys):
                self._domain.authenticate(probe, self.ring, keys)
                self._current = keys
                return True
        return False

    def domain(self) -> SecurityDomain:
        """The security domain, its channel open: opened anew when another application was selected."""
        if self.card.secure_channel is None:
            self._open(self.current)
        return self._domain

    def switch(self, keys: KeySet) -> None:
        """Leave the channel and open one with ``keys``, just put on the card. Raises CardError."""
        self._open(keys)
        self._current = keys

    def _open(self, keys: KeySet) -> None:
        self._piv_selected = self._piv_managed = False
        self._domain.select()
        self._domain.open(self.ring, keys)

    def at_door(self, door: Door) -> BadgeRecord:
        """The badge as ``door`` reads it; another application is selected by that."""
        self._piv_selected = self._piv_managed = False
        return door.read(self.card)

    def piv(self, management: KeyRef | None = None) -> Piv:
        """The PIV application, selected; the domain's channel ends.

        With ``management`` also authenticated under that key 9B, once a contact.
        """
        if not self._piv_selected:
            self._piv.select()
            self._piv_selected, self._piv_managed = True, False
        if management is not None and not self._piv_managed:
            self._piv.authenticate_management(self.ring, management)
            self._piv_managed = True
        return self._piv
