"""How a host opens a channel of SCP02 or SCP03 (GPC 2.3.1 §E.1.2, §E.5.1, §E.5.2; Amd D §5.2, §7.1).

The type of the key set decides the protocol, the domain's offer of it the variant "i".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ....apdu import scp02, scp03
from ....apdu.command import Command, Response
from ....apdu.secret import Secret
from ....apdu.secure_messaging import SecureMessagingError
from ....applets.security_domain.model.cplc import Cplc
from ...card.application import CardStatus, DomainContext
from . import key_tries
from .channel import Scp02Channel, Scp03Channel
from .keystore import KeyStore, ScpSet
from .protocols import SCP02, SCP03, offer_of

__all__ = [
    "Implicit",
    "diversification",
    "external_authenticate",
    "implicit",
    "initialize_update",
    "sequence_counter",
]

OPENING = "scp-opening"
MAX_SEQUENCE_SCP02, MAX_SEQUENCE_SCP03 = 0xFFFF, 0xFFFFFF
WRONG_CRYPTOGRAM = 0x6300
AES = "aes"


@dataclass(frozen=True, slots=True)
class Pending:
    """A channel that has only been asked for; ``dek`` is what it will decrypt with."""

    opening: scp02.Opening | scp03.Opening
    dek: Secret = field(repr=False)
    version: int


@dataclass(frozen=True, slots=True)
class Implicit:
    """A channel of SCP02 that a right C-MAC would open; its key set counts ``following`` channels then."""

    channel: Scp02Channel
    following: int

    def count(self, ctx: DomainContext) -> None:
        """The C-MAC was right: the counter goes up, before the command is processed (§E.1.2)."""
        KeyStore(ctx).put_sequence(self.channel.version, self.following)


def initialize_update(ctx: DomainContext, command: Command) -> Response:
    """Begin a channel; one that is open ends. Nothing derived from a new counter leaves before it is kept."""
    ctx.channel_state = None
    ctx.clear_on_deselect.clear()
    if command.p2 != 0:
        raise CardStatus(0x6A86)
    store = KeyStore(ctx)
    keys = store.scp_set(command.p1 or store.default_version())
    key_tries.spend_on_set(ctx, keys.version)
    begin = _begin_scp03 if keys.algorithm == AES else _begin_scp02
    return begin(ctx, store, keys, command.data)


def _begin_scp03(ctx: DomainContext, store: KeyStore, keys: ScpSet, host_challenge: bytes) -> Response:
    i = offer_of(ctx, SCP03).i
    size = 16 if i & scp03.I_S16 else 8
    if len(host_challenge) != size:
        raise CardStatus(0x6700)
    sequence = None
    if i & scp03.I_PSEUDO_RANDOM:
        sequence = store.sequence(keys.version) + 1
        if sequence > MAX_SEQUENCE_SCP03:
            raise CardStatus(0x6985)
        store.put_sequence(keys.version, sequence)
        challenge = scp03.pseudo_random_challenge(keys.enc, sequence, ctx.aid, size)
    else:
        challenge = ctx.random(size)
    session = scp03.derive_session_keys(keys.enc, keys.mac, host_challenge, challenge)
    ctx.spend("aes_block", 9)
    opening = scp03.Opening(session, host_challenge, challenge, i)
    ctx.clear_on_deselect[OPENING] = Pending(opening, keys.dek, keys.version)
    answer = scp03.InitializeUpdate(
        diversification(ctx), keys.version, i, challenge, opening.card_cryptogram, sequence
    )
    return Response(bytes(answer))


def _begin_scp02(ctx: DomainContext, store: KeyStore, keys: ScpSet, host_challenge: bytes) -> Response:
    options = scp02.Options(offer_of(ctx, SCP02).i)
    if not options.explicit:
        raise CardStatus(0x6985)
    if len(host_challenge) != 8:
        raise CardStatus(0x6700)
    static = _static(keys, options)
    sequence = _counter(store.sequence(keys.version))
    session = scp02.derive_session_keys(static.enc, static.mac, sequence)
    foretold = scp02.pseudo_random_challenge(session, ctx.aid)
    challenge = foretold if options.pseudo_random else ctx.random(len(foretold))
    ctx.spend("des_block", 16)
    opening = scp02.Opening(session, host_challenge, sequence, challenge, options.i)
    pending = Pending(opening, scp02.session_dek(static.dek, sequence), keys.version)
    ctx.clear_on_deselect[OPENING] = pending
    answer = scp02.InitializeUpdate(
        diversification(ctx), keys.version, sequence, challenge, opening.card_cryptogram
    )
    return Response(bytes(answer))


def external_authenticate(ctx: DomainContext, command: Command) -> Response:
    """Check the host. Whatever comes of it, this opening is used up."""
    ctx.channel_state = None
    pending: Pending | None = ctx.clear_on_deselect.pop(OPENING, None)
    if command.cla & 0x04 == 0:
        raise CardStatus(0x6982)
    if pending is None:
        raise CardStatus(0x6985)
    try:
        if isinstance(pending.opening, scp02.Opening):
            ctx.channel_state = _accept_scp02(ctx, pending, pending.opening, command)
        else:
            ctx.channel_state = _accept_scp03(ctx, pending, pending.opening, command)
    except SecureMessagingError as error:
        raise CardStatus(error.sw) from None
    key_tries.give_back_to_set(ctx, pending.version)
    return Response()


def _accept_scp03(
    ctx: DomainContext, pending: Pending, opening: scp03.Opening, command: Command
) -> Scp03Channel:
    ctx.spend("aes_block", 4)
    state = scp03.accept_external_authenticate(opening, command)
    state = replace(state, counts_all=ctx.policy.empty_data_is_counted)
    return Scp03Channel(state, pending.dek, pending.version, opening.i)


def _accept_scp02(
    ctx: DomainContext, pending: Pending, opening: scp02.Opening, command: Command
) -> Scp02Channel:
    store = KeyStore(ctx)
    counter = store.sequence(pending.version)
    if counter != int.from_bytes(opening.sequence, "big"):
        # Another logical channel was opened with these session keys meanwhile.
        raise CardStatus(0x6985)
    ctx.spend("des_block", 8)
    try:
        state = scp02.accept_external_authenticate(opening, command)
    except SecureMessagingError as error:
        if error.sw == WRONG_CRYPTOGRAM:
            store.put_sequence(pending.version, counter + 1)
        raise
    store.put_sequence(pending.version, counter + 1)
    return Scp02Channel(state, pending.dek, pending.version)


def implicit(ctx: DomainContext) -> Implicit | None:
    """The channel that the next C-MAC could open, when SCP02 opens implicitly here: with the default set."""
    store = KeyStore(ctx)
    try:
        options = scp02.Options(offer_of(ctx, SCP02).i)
        keys = store.scp_set(store.default_version())
    except CardStatus:
        return None
    following = store.sequence(keys.version) + 1
    if options.explicit or keys.algorithm == AES or following >= MAX_SEQUENCE_SCP02:
        return None
    static = _static(keys, options)
    now, later = _counter(following - 1), _counter(following)
    state = scp02.implicit_state(
        scp02.derive_session_keys(static.enc, static.mac, now),
        scp02.derive_session_keys(static.enc, static.mac, later),
        ctx.aid,
        options.i,
    )
    dek = scp02.session_dek(static.dek, later)
    return Implicit(Scp02Channel(state, dek, keys.version), following)


def diversification(ctx: DomainContext) -> bytes:
    """Ten bytes by which an issuer finds this card's keys; they follow from the CPLC."""
    cplc = ctx.card_get("cplc")
    if not cplc:
        raise CardStatus(0x6985)
    return Cplc.parse(cplc).diversification


def sequence_counter(ctx: DomainContext) -> bytes:
    """Object C1: the counter of the default key set, 2 bytes for SCP02 and 3 for SCP03; empty without one."""
    store = KeyStore(ctx)
    try:
        keys = store.scp_set(store.default_version())
    except CardStatus:
        return b""
    return store.sequence(keys.version).to_bytes(3 if keys.algorithm == AES else 2, "big")


def _static(keys: ScpSet, options: scp02.Options) -> scp02.StaticKeys:
    """The three keys, or three times the base key where "i" has one.

    Raises CardStatus 6A88 for keys of 24 bytes: SCP02 has none.
    """
    if len(keys.enc) != scp02.KEY_LENGTH:
        raise CardStatus(0x6A88)
    if options.three_keys:
        return scp02.StaticKeys(keys.enc, keys.mac, keys.dek)
    return scp02.StaticKeys(keys.enc, keys.enc, keys.enc)


def _counter(value: int) -> bytes:
    """Raises CardStatus 6985 once the counter has reached its end: it never starts over (§E.1.2)."""
    if value >= MAX_SEQUENCE_SCP02:
        raise CardStatus(0x6985)
    return value.to_bytes(2, "big")
