"""The host's side of SCP02: opens a channel on a card and carries exchanges through it.

The card proves itself first: a wrong card cryptogram ends the opening before EXTERNAL AUTHENTICATE is
sent, so that nothing of any key is spent. An exchange without a verifiable answer kills the channel.
"""

from __future__ import annotations

import hmac

from ..command import Command, Response
from ..errors import CardError, StatusError
from ..ports import ChannelDek, KeyRing, KeySet, SessionKeys
from ..secure_messaging import HostSide, Send
from .crypto import SEQUENCE_LENGTH, pseudo_random_challenge
from .handshake import SCP02, InitializeUpdate, Opening, external_authenticate, implicit_state
from .options import DEFAULT_I, Options, level_allowed
from .session import Scp02State, unwrap_response, wrap_command

__all__ = ["Scp02Handshake", "Scp02Host", "open_implicitly"]

MAX_SEQUENCE = 0xFFFF
DES = "3des"


class Scp02Host(HostSide[Scp02State]):
    """An open channel of SCP02."""

    def __init__(self, state: Scp02State, *, version: int, dek: ChannelDek) -> None:
        super().__init__(
            state, protocol=SCP02, level=state.level, version=version, dek=dek, overhead=state.overhead
        )

    def _wrap(self, state: Scp02State, command: Command) -> tuple[Scp02State, Command]:
        return wrap_command(state, command)

    def _unwrap(self, state: Scp02State, response: Response) -> tuple[Scp02State, Response]:
        return unwrap_response(state, response)


class Scp02Handshake:
    """A card that has answered INITIALIZE UPDATE in SCP02. Nothing is spent yet: candidates of key sets can
    be compared with its cryptogram on the host, before one is used.

    ``i`` is not part of the answer: it comes from Card Recognition Data or the card's profile.
    """

    protocol = SCP02

    def __init__(
        self, send: Send, answer: InitializeUpdate, host_challenge: bytes, i: int = DEFAULT_I
    ) -> None:
        self._send = send
        self.answer = answer
        self.host_challenge = host_challenge
        self.options = Options(i)
        if not self.options.explicit:
            raise ValueError(f"with i = {i:02X} the first C-MAC opens the channel")

    @property
    def i(self) -> int:
        return self.options.i

    @property
    def version(self) -> int:
        return self.answer.version

    @property
    def diversification(self) -> bytes:
        return self.answer.diversification

    def matches(self, ring: KeyRing, keys: KeySet) -> bool:
        """Whether the card used this key set. Sends nothing; a set of AES keys never matches."""
        return _is_des(keys) and self._opening(ring, keys).card_proved(self.answer.cryptogram)

    def foretold(self, ring: KeyRing, keys: KeySet, aid: bytes) -> bool:
        """Whether the card challenge is the one that i bit 40 computes for the selected ``aid``.

        A challenge that is not foretold is no proof against the card: many cards that announce i = 55 use
        another AID or a random number. To be told, not to be stopped at.
        """
        return _is_des(keys) and hmac.compare_digest(
            self.answer.challenge, pseudo_random_challenge(self._keys(ring, keys), aid)
        )

    def authenticate(self, ring: KeyRing, keys: KeySet, level: int) -> Scp02Host:
        """Check the card's cryptogram, then send EXTERNAL AUTHENTICATE, once.

        Raises CardError ``gp.cryptogram`` before anything is sent, CardError ``gp.level`` for a level
        that the card does not offer, StatusError when the card refuses the host.
        """
        if not level_allowed(level, self.i):
            raise CardError("gp.level", level=f"{level:02X}", i=f"{self.i:02X}")
        opening = self._opening(ring, keys) if _is_des(keys) else None
        if opening is None or not opening.card_proved(self.answer.cryptogram):
            raise CardError("gp.cryptogram", version=f"{self.version:02X}")
        state, command = external_authenticate(opening, level)
        response = self._send(command)
        if not response.ok:
            raise StatusError(response.sw, "EXTERNAL AUTHENTICATE", "security domain")
        dek = keys.dek if self.options.three_keys else keys.enc
        return Scp02Host(
            state, version=self.version, dek=ChannelDek(static=dek, sequence=self.answer.sequence)
        )

    def _keys(self, ring: KeyRing, keys: KeySet) -> SessionKeys:
        mac = keys.mac if self.options.three_keys else keys.enc
        return ring.scp02_session(keys.enc, mac, sequence=self.answer.sequence)

    def _opening(self, ring: KeyRing, keys: KeySet) -> Opening:
        session = self._keys(ring, keys)
        return Opening(session, self.host_challenge, self.answer.sequence, self.answer.challenge, self.i)


def _is_des(keys: KeySet) -> bool:
    return all(ref.algorithm == DES for ref in keys.refs)


def open_implicitly(ring: KeyRing, keys: KeySet, *, sequence: bytes, aid: bytes, i: int) -> Scp02Host:
    """A channel that its first command opens (§E.1.2.2); nothing is sent here.

    ``sequence`` is the card's counter as GET DATA C1 tells it, ``aid`` the selected application. The card
    proves nothing: it is trusted no further than its answers show.
    """
    options = Options(i)
    following = int.from_bytes(sequence, "big") + 1
    if following > MAX_SEQUENCE:
        raise CardError("gp.counter_spent", version=f"{keys.version:02X}")
    later = following.to_bytes(SEQUENCE_LENGTH, "big")
    mac, dek = (keys.mac, keys.dek) if options.three_keys else (keys.enc, keys.enc)
    state = implicit_state(
        ring.scp02_session(keys.enc, mac, sequence=sequence),
        ring.scp02_session(keys.enc, mac, sequence=later),
        aid,
        i,
    )
    return Scp02Host(state, version=keys.version, dek=ChannelDek(static=dek, sequence=later, cbc=True))
