"""The host's side of SCP03: opens a channel on a card and carries exchanges through it.

The card proves itself first: a wrong card cryptogram ends the opening before EXTERNAL AUTHENTICATE is
sent, so that no try of any key is spent. An exchange without a verifiable answer kills the channel.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ..command import Command, Response
from ..errors import CardError, MalformedResponse, StatusError
from ..ports import KeyRef, KeyRing, SessionKeys
from .crypto import StaticKeys, derive_session_keys
from .handshake import InitializeUpdate, Opening, external_authenticate, initialize_update_command
from .session import (
    LEVELS,
    Scp03State,
    SecureMessagingError,
    level_allowed,
    unwrap_response,
    wrap_command,
)

__all__ = ["Handshake", "Scp03Host", "SessionProvider", "ring_session", "static_session"]

Send = Callable[[Command], Response]
SessionProvider = Callable[[InitializeUpdate, bytes], SessionKeys]
"""Makes session keys from the card's answer and the host challenge."""


def static_session(keys: StaticKeys) -> SessionProvider:
    """Session keys from static keys that this process holds (test keys, a new card's keys)."""

    def provide(answer: InitializeUpdate, host_challenge: bytes) -> SessionKeys:
        return derive_session_keys(keys.enc, keys.mac, host_challenge, answer.challenge)

    return provide


def ring_session(ring: KeyRing, enc: KeyRef, mac: KeyRef) -> SessionProvider:
    """Session keys that a key ring derives; static keys never leave it."""

    def provide(answer: InitializeUpdate, host_challenge: bytes) -> SessionKeys:
        return ring.session(enc, mac, host_challenge=host_challenge, card_challenge=answer.challenge)

    return provide


class Handshake:
    """A card that has answered INITIALIZE UPDATE. Nothing is spent yet: candidates of key sets can be
    compared with its cryptogram on the host, before one is used."""

    def __init__(self, send: Send, answer: InitializeUpdate, host_challenge: bytes) -> None:
        self._send = send
        self.answer = answer
        self.host_challenge = host_challenge

    @classmethod
    def begin(
        cls, send: Send, *, version: int = 0, s16: bool = False, host_challenge: bytes | None = None
    ) -> Handshake:
        """Send INITIALIZE UPDATE for key version ``version`` (0: the card's first).

        ``host_challenge`` is random unless a test gives it. Raises StatusError, MalformedResponse, and
        CardError ``gp.key_version`` when the card answers for another version than the one asked for.
        """
        challenge = host_challenge or secrets.token_bytes(16 if s16 else 8)
        response = send(initialize_update_command(challenge, version))
        if not response.ok:
            raise StatusError(response.sw, "INITIALIZE UPDATE", "security domain")
        try:
            answer = InitializeUpdate.parse(response.data)
        except ValueError as error:
            raise MalformedResponse(str(error), "INITIALIZE UPDATE") from None
        if version and answer.version != version:
            raise CardError("gp.key_version", asked=f"{version:02X}", found=f"{answer.version:02X}")
        if answer.mac_length != len(challenge):
            raise MalformedResponse("the card chose another MAC length than asked for", "INITIALIZE UPDATE")
        return cls(send, answer, challenge)

    def matches(self, session: SessionProvider) -> bool:
        """Whether the key set behind ``session`` is the one the card used. Sends nothing."""
        return self._opening(session).card_proved(self.answer.cryptogram)

    def authenticate(self, session: SessionProvider, level: int = 0x33) -> Scp03Host:
        """Check the card's cryptogram, then send EXTERNAL AUTHENTICATE, once.

        Raises CardError ``gp.cryptogram`` before anything is sent, CardError ``gp.level`` for a level
        that the card does not offer, StatusError when the card refuses the host.
        """
        if not level_allowed(level, self.answer.i):
            raise CardError("gp.level", level=f"{level:02X}", i=f"{self.answer.i:02X}")
        opening = self._opening(session)
        if not opening.card_proved(self.answer.cryptogram):
            raise CardError("gp.cryptogram", version=f"{self.answer.version:02X}")
        state, command = external_authenticate(opening, level)
        response = self._send(command)
        if not response.ok:
            raise StatusError(response.sw, "EXTERNAL AUTHENTICATE", "security domain")
        return Scp03Host(state, self.answer)

    def _opening(self, session: SessionProvider) -> Opening:
        keys = session(self.answer, self.host_challenge)
        return Opening(keys, self.host_challenge, self.answer.challenge, self.answer.i)


class Scp03Host:
    """An open channel. Give it to ``Card.secure``; it is used for one exchange at a time."""

    def __init__(self, state: Scp03State, answer: InitializeUpdate) -> None:
        self._state: Scp03State | None = state
        self._died_in = ""
        self.answer = answer
        self.level = state.level
        self.max_data = state.max_data

    @classmethod
    def open(
        cls,
        send: Send,
        session: SessionProvider,
        *,
        level: int = 0x33,
        version: int = 0,
        s16: bool = False,
        host_challenge: bytes | None = None,
    ) -> Scp03Host:
        """INITIALIZE UPDATE, check of the card, EXTERNAL AUTHENTICATE. Errors as in :class:`Handshake`."""
        if level not in LEVELS:
            raise ValueError(f"{level:02X} is not a security level of SCP03")
        handshake = Handshake.begin(send, version=version, s16=s16, host_challenge=host_challenge)
        return handshake.authenticate(session, level)

    @property
    def alive(self) -> bool:
        """Whether the channel can still be used."""
        return self._state is not None

    def exchange(self, command: Command, send: Send) -> Response:
        """Send ``command`` through the channel and return the plain response.

        An answered exchange advances the state, error status words included. When ``send`` raises, or
        the answer does not verify, the channel is dead: CardError ``gp.channel_dead`` from then on.
        """
        if self._state is None:
            raise CardError("gp.channel_dead", what=self._died_in or "it was closed")
        state, wrapped = wrap_command(self._state, command)
        self.kill(f"{command.header.hex().upper()} was not answered")
        response = send(wrapped)
        try:
            plain = unwrap_response(state, response)
        except SecureMessagingError as error:
            self._died_in = str(error)
            raise CardError("gp.channel_dead", what=str(error)) from None
        self._state, self._died_in = state, ""
        return plain

    def kill(self, why: str = "") -> None:
        """End the channel on this side; nothing is sent."""
        self._state = None
        self._died_in = why

    def __repr__(self) -> str:
        return f"<Scp03Host level {self.level:02X} {'open' if self.alive else 'dead'}>"
