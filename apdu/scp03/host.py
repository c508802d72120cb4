"""The host's side of SCP03: opens a channel on a card and carries exchanges through it.

The card proves itself first: a wrong card cryptogram ends the opening before EXTERNAL AUTHENTICATE is
sent, so that no try of any key is spent. An exchange without a verifiable answer kills the channel.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from ..command import Command, Response
from ..errors import CardError, MalformedResponse, StatusError
from ..ports import ChannelDek, KeyRef, KeyRing, SessionKeys
from ..secure_messaging import HostSide, Send
from .crypto import StaticKeys, derive_session_keys
from .handshake import SCP03, InitializeUpdate, Opening, external_authenticate, initialize_update_command
from .session import LEVELS, Scp03State, answered, level_allowed, unwrap_response, wrap_command

__all__ = ["Handshake", "Scp03Host", "SessionProvider", "ring_session", "static_session"]

NO_DEK = ChannelDek()
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

    def authenticate(
        self,
        session: SessionProvider,
        level: int = 0x33,
        *,
        dek: ChannelDek = NO_DEK,
        counts_all: bool = True,
    ) -> Scp03Host:
        """Check the card's cryptogram, then send EXTERNAL AUTHENTICATE, once.

        ``dek`` is what the channel will encrypt keys under; ``counts_all`` False is for a card that does
        not count commands without data.
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
        return Scp03Host(replace(state, counts_all=counts_all), self.answer, dek=dek)

    def _opening(self, session: SessionProvider) -> Opening:
        keys = session(self.answer, self.host_challenge)
        return Opening(keys, self.host_challenge, self.answer.challenge, self.answer.i)


class Scp03Host(HostSide[Scp03State]):
    """An open channel with the secure messaging of SCP03; SCP11 has the same, under its own ``protocol``.

    ``answer`` is the card's to INITIALIZE UPDATE, None where another handshake made the state.
    """

    def __init__(
        self,
        state: Scp03State,
        answer: InitializeUpdate | None = None,
        *,
        protocol: int = SCP03,
        version: int = 0,
        dek: ChannelDek = NO_DEK,
    ) -> None:
        super().__init__(
            state,
            protocol=protocol,
            level=state.level,
            version=answer.version if answer else version,
            dek=dek,
            overhead=state.overhead,
        )
        self.answer = answer

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

    def _wrap(self, state: Scp03State, command: Command) -> tuple[Scp03State, Command]:
        return wrap_command(state, command)

    def _unwrap(self, state: Scp03State, response: Response) -> tuple[Scp03State, Response]:
        plain = unwrap_response(state, response)
        return answered(state, plain.sw), plain
