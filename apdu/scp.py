"""Opening a secure channel whatever protocol the card speaks (GPC 2.3.1 annex E, Amendment D).

One INITIALIZE UPDATE asks the card; byte 11 of its answer names the protocol. SCP02 and SCP03 go on from
there; SCP01 is recognised and refused. SCP11 has another opening, in ``apdu.scp11``, and gives a
:class:`HostChannel` too.

The card cryptogram proves K-MAC in SCP03 and K-ENC in SCP02. A pseudo-random card challenge, where the card
has one, is made with the other of the two: it shows a set that a torn PUT KEY has left mixed.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection, Iterable
from typing import Final, Literal, Protocol

from . import scp02, scp03
from .command import Response
from .errors import CardError, MalformedResponse, StatusError
from .layers import SecureChannel
from .ports import ChannelDek, KeyRing, KeySet
from .secure_messaging import Send

__all__ = ["COUNTS_DATA_ONLY", "Handshake", "HostChannel", "Scp03Handshake", "initialize_update", "recognise"]

COUNTS_DATA_ONLY: Final = "scp03-counts-data-only"
"""Quirk of a card (``CardProfile.quirks``): its SCP03 encryption counter leaves out commands without data,
against Amd D §6.2.6. Such a card otherwise loses the channel at the first encrypted command after one."""

INITIALIZE_UPDATE = "INITIALIZE UPDATE"
PROTOCOL_AT = 11
SCP01, SCP02, SCP03 = 0x01, 0x02, 0x03
S8, S16 = 8, 16
WRONG_LENGTH = 0x6700
AES = "aes"


class HostChannel(SecureChannel, Protocol):
    """An open channel: what ``Card.secure`` takes, and under what keys are sent through it."""

    @property
    def protocol(self) -> int:
        """2, 3 or 0x11."""
        ...

    @property
    def level(self) -> int:
        """The security level that both sides agreed on."""
        ...

    @property
    def version(self) -> int:
        """The version of the key set that opened the channel."""
        ...

    @property
    def dek(self) -> ChannelDek:
        """What PUT KEY and STORE DATA encrypt under."""
        ...


class Handshake(Protocol):
    """A card that has answered INITIALIZE UPDATE. Nothing is spent yet."""

    @property
    def protocol(self) -> int:
        """2 or 3."""
        ...

    @property
    def version(self) -> int:
        """The key version that the card used."""
        ...

    @property
    def i(self) -> int:
        """The protocol's variant: told by an SCP03 card, as configured for SCP02."""
        ...

    @property
    def diversification(self) -> bytes:
        """Ten bytes from which an issuer finds the keys."""
        ...

    def matches(self, ring: KeyRing, keys: KeySet) -> bool:
        """Whether the card used this key set: compares its cryptogram on the host and sends nothing."""
        ...

    def foretold(self, ring: KeyRing, keys: KeySet, aid: bytes) -> bool:
        """Whether the card's challenge is the pseudo-random one of this key set for the selected ``aid``.

        A challenge that is not foretold is no proof against the card: it may be random, or made with another
        AID. One that another known set foretells shows a mixed set. Sends nothing.
        """
        ...

    def authenticate(self, ring: KeyRing, keys: KeySet, level: int) -> HostChannel:
        """Send EXTERNAL AUTHENTICATE, once, and only to a card that proved itself.

        Raises CardError ``gp.cryptogram`` or ``gp.level`` before anything is sent, StatusError when the
        card refuses the host.
        """
        ...


class Scp03Handshake:
    """:class:`Handshake` of SCP03."""

    protocol = SCP03

    def __init__(self, handshake: scp03.Handshake, *, counts_all: bool = True) -> None:
        self._handshake = handshake
        self._counts_all = counts_all

    @property
    def version(self) -> int:
        return self._handshake.answer.version

    @property
    def i(self) -> int:
        return self._handshake.answer.i

    @property
    def diversification(self) -> bytes:
        return self._handshake.answer.diversification

    def matches(self, ring: KeyRing, keys: KeySet) -> bool:
        """As :meth:`Handshake.matches`; a set of DES keys never matches."""
        return _is_aes(keys) and self._handshake.matches(scp03.ring_session(ring, keys.enc, keys.mac))

    def foretold(self, ring: KeyRing, keys: KeySet, aid: bytes) -> bool:
        """As :meth:`Handshake.foretold`; never where the card's challenges are random (i bit 10)."""
        answer = self._handshake.answer
        if answer.sequence is None or not _is_aes(keys):
            return False
        length = len(answer.challenge)
        expected = ring.card_challenge(keys.enc, sequence=answer.sequence, aid=aid, length=length)
        return hmac.compare_digest(answer.challenge, expected)

    def authenticate(self, ring: KeyRing, keys: KeySet, level: int) -> HostChannel:
        """As :meth:`Handshake.authenticate`."""
        if not _is_aes(keys):
            raise CardError("gp.cryptogram", version=f"{self.version:02X}")
        return self._handshake.authenticate(
            scp03.ring_session(ring, keys.enc, keys.mac),
            level,
            dek=ChannelDek(static=keys.dek),
            counts_all=self._counts_all,
        )


def recognise(handshake: Handshake, ring: KeyRing, candidates: Iterable[KeySet], aid: bytes) -> KeySet | None:
    """The candidate that the card used, None when it is none of them. Sends nothing.

    A set that proves itself while another candidate alone foretells the challenge is a mixed one, left by a
    torn PUT KEY: none of them. Where challenges are random this cannot be seen.
    """
    sets = list(candidates)
    proved = next((keys for keys in sets if handshake.matches(ring, keys)), None)
    if proved is None or handshake.foretold(ring, proved, aid):
        return proved
    return None if any(handshake.foretold(ring, keys, aid) for keys in sets) else proved


def initialize_update(
    send: Send,
    *,
    version: int = 0,
    scp02_i: int | None = None,
    s16: bool | Literal["auto"] = False,
    host_challenge: bytes | None = None,
    quirks: Collection[str] = (),
) -> Handshake:
    """Ask the card to begin a channel with key set ``version`` (0: the one it takes first).

    ``scp02_i`` is the variant if the card turns out to speak SCP02, one with explicit initiation (else
    ValueError); None stands for 55, which behaves as 15 does. ``s16`` asks for 16-byte challenges and MACs;
    ``"auto"`` does so when the card finds 8 bytes too short (6700). ``host_challenge`` is random unless a
    test gives it. ``quirks`` are those of the card's profile; :data:`COUNTS_DATA_ONLY` is looked at.

    Raises StatusError when the card refuses, CardError ``gp.scp01`` for a card of SCP01 and
    ``gp.key_version`` for one that answers with other keys, MalformedResponse for anything else.
    """
    i = scp02.DEFAULT_I if scp02_i is None else scp02_i
    if not scp02.Options(i).explicit:
        raise ValueError(f"i = {i:02X} is a variant without INITIALIZE UPDATE")
    challenge = host_challenge or secrets.token_bytes(S16 if s16 is True else S8)
    response = send(scp03.initialize_update_command(challenge, version))
    if response.sw == WRONG_LENGTH and s16 == "auto" and len(challenge) == S8:
        challenge = secrets.token_bytes(S16)
        response = send(scp03.initialize_update_command(challenge, version))
    if not response.ok:
        raise StatusError(response.sw, INITIALIZE_UPDATE, "security domain")
    handshake = _recognise(send, response, challenge, i, COUNTS_DATA_ONLY not in quirks)
    if version and handshake.version != version:
        raise CardError("gp.key_version", asked=f"{version:02X}", found=f"{handshake.version:02X}")
    return handshake


def _is_aes(keys: KeySet) -> bool:
    return all(ref.algorithm == AES for ref in keys.refs)


def _recognise(send: Send, response: Response, challenge: bytes, i: int, counts_all: bool) -> Handshake:
    protocol = response.data[PROTOCOL_AT] if len(response.data) > PROTOCOL_AT else 0
    if protocol == SCP01:
        raise CardError("gp.scp01")
    try:
        if protocol == SCP02:
            answer = scp02.InitializeUpdate.parse(response.data)
            return scp02.Scp02Handshake(send, answer, challenge, i)
        opened = scp03.Handshake(send, scp03.InitializeUpdate.parse(response.data), challenge)
    except ValueError as error:
        raise MalformedResponse(str(error), INITIALIZE_UPDATE) from None
    if opened.answer.mac_length != len(challenge):
        raise MalformedResponse("the card chose another MAC length than asked for", INITIALIZE_UPDATE)
    return Scp03Handshake(opened, counts_all=counts_all)
