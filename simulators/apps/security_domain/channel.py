"""SCP03 on the card: INITIALIZE UPDATE, EXTERNAL AUTHENTICATE and the open channel (Amd D §5.2, §7.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ....apdu.command import Command, Response
from ....apdu.scp03 import (
    InitializeUpdate,
    Opening,
    SecureMessagingError,
    accept_external_authenticate,
    derive_session_keys,
    pseudo_random_challenge,
    unwrap_command,
    wrap_response,
)
from ....apdu.scp03.crypto import aes_cbc_decrypt
from ....apdu.secret import Secret
from ....applets.security_domain.model import SCP03_I
from ....applets.security_domain.model.cplc import Cplc
from ...card.application import CardStatus, DomainContext, SecureMessaging
from .access import AUTHENTICATED, Channel
from .keystore import KeyStore

__all__ = ["Scp03Messaging", "external_authenticate", "initialize_update"]

OPENING = "scp03-opening"
CHALLENGE_LENGTH = 8
MAX_SEQUENCE = 0xFFFFFF
BLOCK = 16


@dataclass(frozen=True, slots=True)
class Pending:
    """A channel that has only been asked for."""

    opening: Opening
    dek: Secret
    version: int


def initialize_update(ctx: DomainContext, command: Command) -> Response:
    """Begin a channel; one that is open ends. The counter is spent before anything derived from it leaves."""
    ctx.channel_state = None
    ctx.clear_on_deselect.clear()
    if command.p2 != 0:
        raise CardStatus(0x6A86)
    if len(command.data) != CHALLENGE_LENGTH:
        raise CardStatus(0x6700)
    store = KeyStore(ctx)
    version = command.p1 or store.default_version()
    keys = store.scp_set(version)
    if keys.algorithm != "aes":
        raise CardStatus(0x6A88)
    sequence = store.sequence(version) + 1
    if sequence > MAX_SEQUENCE:
        raise CardStatus(0x6985)
    store.put_sequence(version, sequence)
    challenge = pseudo_random_challenge(keys.enc, sequence, ctx.aid)
    session = derive_session_keys(keys.enc, keys.mac, command.data, challenge)
    ctx.spend("aes_block", 9)
    opening = Opening(session, command.data, challenge, SCP03_I)
    ctx.clear_on_deselect[OPENING] = Pending(opening, keys.dek, version)
    answer = InitializeUpdate(
        diversification=diversification(ctx),
        version=version,
        i=SCP03_I,
        challenge=challenge,
        cryptogram=opening.card_cryptogram,
        sequence=sequence,
    )
    return Response(bytes(answer))


def external_authenticate(ctx: DomainContext, command: Command) -> Response:
    """Check the host. Whatever comes of it, this opening is used up."""
    ctx.channel_state = None
    pending = ctx.clear_on_deselect.pop(OPENING, None)
    if command.cla & 0x04 == 0:
        raise CardStatus(0x6982)
    if pending is None:
        raise CardStatus(0x6985)
    ctx.spend("aes_block", 4)
    try:
        state = accept_external_authenticate(pending.opening, command)
    except SecureMessagingError as error:
        raise CardStatus(error.sw) from None
    ctx.channel_state = Channel(state, pending.dek, pending.version)
    return Response()


def diversification(ctx: DomainContext) -> bytes:
    """Ten bytes by which an issuer finds this card's keys; they follow from the CPLC."""
    cplc = ctx.card_get("cplc")
    if not cplc:
        raise CardStatus(0x6985)
    return Cplc.parse(cplc).diversification


class Scp03Messaging(SecureMessaging):
    """The channel as the OPEN and applications see it."""

    def unwrap(self, ctx: DomainContext, command: Command) -> Command:
        channel = ctx.channel_state
        blocks = len(command.data) // BLOCK
        ctx.spend("aes_block", 2 + 2 * blocks)
        try:
            if channel.state.level == 0:
                raise SecureMessagingError("this channel has no secure messaging")
            state, plain = unwrap_command(channel.state, command)
        except SecureMessagingError as error:
            # A message that does not verify ends the channel (Amd D §6.2.4).
            ctx.channel_state = None
            raise CardStatus(error.sw) from None
        ctx.channel_state = replace(channel, state=state)
        return plain

    def wrap(self, ctx: DomainContext, response: Response) -> Response:
        ctx.spend("aes_block", 2 + 2 * (len(response.data) // BLOCK))
        return wrap_response(ctx.channel_state.state, response)

    def decrypt(self, ctx: DomainContext, data: bytes) -> bytes:
        """AES-CBC with zero IV under the static DEK (Amd D §6.2.8)."""
        if not data or len(data) % BLOCK:
            raise CardStatus(0x6A80)
        ctx.spend("aes_block", len(data) // BLOCK)
        return aes_cbc_decrypt(ctx.channel_state.dek, bytes(BLOCK), data)

    def level(self, ctx: DomainContext) -> int:
        channel = ctx.channel_state
        return AUTHENTICATED | channel.state.level if channel is not None else 0
