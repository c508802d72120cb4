"""How commands and responses pass through a domain's channel (GPC 2.3.1 §10.2, §E.1.6; Amd D §5.6)."""

from __future__ import annotations

from ....apdu import des
from ....apdu.command import Command, Response
from ....apdu.secure_messaging import SecureMessagingError, is_secured
from ...card.application import CardStatus, DomainContext, SecureMessaging
from ...card.policy import SHORT_DATA_MAX
from .access import Channel
from .opening import Implicit, implicit

__all__ = ["Messaging"]

AES_BLOCK = 16
SCP02 = 0x02
SELECT, BY_NAME, MANAGE_CHANNEL = 0xA4, 0x04, 0x70


class Messaging(SecureMessaging):
    """The channel as the OPEN and applications see it."""

    def covers(self, ctx: DomainContext, command: Command) -> bool:
        """Whether ``command`` goes through the channel, or would open one by its C-MAC."""
        channel: Channel | None = ctx.channel_state
        if is_secured(command.cla):
            return channel is not None or implicit(ctx) is not None
        by_the_open = not command.cla & 0x80 and (
            command.ins == MANAGE_CHANNEL or (command.ins == SELECT and command.p1 == BY_NAME)
        )
        return channel is not None and channel.takes_plain and not by_the_open

    def unwrap(self, ctx: DomainContext, command: Command) -> Command:
        channel, opening = self._channel(ctx, command)
        self._check_form(ctx, command)
        _spend(ctx, channel, len(command.data))
        try:
            channel, plain = channel.unwrap(command)
        except SecureMessagingError as error:
            # A message that does not verify ends the channel (Amd D §5.6; GPC 2.3.1 §E.1.6).
            ctx.channel_state = None
            raise CardStatus(error.sw) from None
        if opening is not None:
            opening.count(ctx)
        ctx.channel_state = channel
        return plain

    def _channel(self, ctx: DomainContext, command: Command) -> tuple[Channel, Implicit | None]:
        """The channel that is open, or the one that this command may open."""
        channel: Channel | None = ctx.channel_state
        if channel is not None and not (channel.lapsed and is_secured(command.cla)):
            return channel, None
        opening = implicit(ctx)
        if opening is None:
            raise CardStatus(0x6985)
        ctx.channel_state = None
        return opening.channel, opening

    def _check_form(self, ctx: DomainContext, command: Command) -> None:
        """What some cards of the field demand of a secured command beyond the standard."""
        if not is_secured(command.cla):
            return
        if not command.cla & 0x80 and not ctx.policy.secured_class_04:
            raise CardStatus(0x6E00)
        if (ctx.policy.le_demanded and command.le is None) or (
            ctx.policy.le_refused and command.le is not None
        ):
            raise CardStatus(0x6700)
        most = ctx.policy.max_command_data
        if most != SHORT_DATA_MAX and len(command.data) > most:
            raise CardStatus(0x6700)

    def wrap(self, ctx: DomainContext, response: Response) -> Response:
        channel: Channel = ctx.channel_state
        _spend(ctx, channel, len(response.data))
        ctx.channel_state, wrapped = channel.wrap(response)
        return wrapped

    def decrypt(self, ctx: DomainContext, data: bytes) -> bytes:
        channel: Channel = ctx.channel_state
        _spend(ctx, channel, len(data))
        try:
            return channel.decrypt(data)
        except ValueError:
            raise CardStatus(0x6A80) from None

    def level(self, ctx: DomainContext) -> int:
        channel: Channel | None = ctx.channel_state
        return 0 if channel is None else channel.level


def _spend(ctx: DomainContext, channel: Channel, length: int) -> None:
    """The card's work for one message of ``length`` bytes: MAC and encryption."""
    if channel.protocol == SCP02:
        ctx.spend("des_block", 3 + 2 * (length // des.BLOCK))
    else:
        ctx.spend("aes_block", 2 + 2 * (length // AES_BLOCK))
