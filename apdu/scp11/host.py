"""The host's side of SCP11: reads the card's certificates, proves itself, opens the channel.

The card's key is believed because certificates lead to it from a trust anchor, or because it was known
before; anything else has to be asked for by name. An exchange without a verifiable answer kills the channel.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from ..command import Command
from ..errors import CardError, InputError, MalformedResponse, StatusError
from ..ports import ChannelDek
from ..scp03 import Scp03Host
from ..secure_messaging import Send
from .agreement import KeyUsage, Variant
from .certificates import Certificate, Role
from .chain import Anchor, ChainError, read_certificate, verify_chain
from .handshake import Established, HostOpening, ReceiptError
from .objects import KeyNumber, key_reference, parse_certificate_store

__all__ = ["Chaining", "Identity", "Scp11Host", "Trust", "open_channel", "read_certificates"]

SCP11 = 0x11
NOT_FOUND = 0x6A88
INS_PERFORM_SECURITY_OPERATION, INS_GET_DATA = 0x2A, 0xCA
ISO_CHAINING, P1_CHAINING = 0x10, 0x80
FURTHER_CERTIFICATE = 0x80
PIECE = 255


class Chaining(enum.Enum):
    """How a certificate longer than one short command is brought to the card; cards differ.

    ``LAYERS``: one command, which the layers below send extended or with ISO chaining. ``P1``: bit 8 of P1 on
    all pieces but the last. ``BOTH``: that bit and the one of CLA.
    """

    LAYERS = "layers"
    P1 = "p1"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Trust:
    """Why a key is believed to be the card's: certificates from ``anchors``, or ``key`` itself is known.

    ``unverified`` takes whatever key the card shows: the channel then protects against listeners only, not
    against somebody in between.
    """

    anchors: tuple[Anchor, ...] = ()
    key: ec.EllipticCurvePublicKey | None = None
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the host is, for SCP11a and c: its key, certificates (leaf last) and the card's key to verify them.

    ``authority`` is a PK.CA-KLOC.ECDSA of the card, KID 10 or 20 to 2F.
    """

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[Certificate, ...]
    authority: KeyNumber

    def __post_init__(self) -> None:
        """Raises InputError ``scp11.identity`` when the card could only refuse these certificates."""
        if not self.chain:
            raise InputError("scp11.identity", what="there is no certificate")
        leaf = self.chain[-1]
        if leaf.key.public_numbers() != self.key.public_key().public_numbers():
            raise InputError("scp11.identity", what="the last certificate is for another key")
        if not leaf.agrees:
            raise InputError("scp11.identity", what="the last certificate is not for key agreement")


class Scp11Host(Scp03Host):
    """An open channel: ``dek`` holds the session key S-DEK, ``verified`` whether the card's key was believed
    for a reason."""

    def __init__(self, opened: Established, key: KeyNumber, *, verified: bool = True) -> None:
        super().__init__(
            opened.state, protocol=SCP11, version=key.version, dek=ChannelDek(session=opened.dek)
        )
        self.key = key
        self.verified = verified


def open_channel(
    send: Send,
    variant: Variant,
    version: int,
    trust: Trust,
    *,
    identity: Identity | None = None,
    usage: KeyUsage = KeyUsage.MAC_AND_ENCRYPTION,
    key_length: int = 16,
    mac_length: int = 8,
    chaining: Chaining = Chaining.LAYERS,
    at: datetime.datetime | None = None,
    ephemeral: ec.EllipticCurvePrivateKey | None = None,
) -> Scp11Host:
    """Open a channel to the key of ``variant`` with that version, in the application that is selected.

    ``at`` is the time for which certificates are checked, now unless given; ``ephemeral`` is fresh unless a
    test gives it. Raises CardError ``scp11.unverified`` before anything is sent when there is no reason to
    believe the card, ``scp11.certificate``, ``scp11.refused``, ``scp11.key`` and ``scp11.receipt``,
    InputError ``scp11.identity``, MalformedResponse and StatusError.
    """
    if not trust.anchors and trust.key is None and not trust.unverified:
        raise CardError("scp11.unverified")
    if variant.authenticates_host != (identity is not None):
        what = "this variant needs one" if identity is None else "SCP11b has none"
        raise InputError("scp11.identity", what=what)
    number = KeyNumber(variant.kid, version)
    card_key = trust.key or _certified_key(send, number, trust, at or datetime.datetime.now(datetime.UTC))
    if identity is not None:
        if identity.key.curve.name != card_key.curve.name:
            raise InputError("scp11.identity", what=f"the card's key is one of {card_key.curve.name}")
        _send_chain(send, identity, chaining)
    opening = HostOpening.begin(
        variant,
        ephemeral or ec.generate_private_key(card_key.curve),
        identity.key if identity else None,
        usage=usage,
        key_length=key_length,
    )
    opened = _authenticate(send, opening, number, card_key, mac_length)
    return Scp11Host(opened, number, verified=not trust.unverified)


def read_certificates(send: Send, key: KeyNumber) -> tuple[Certificate, ...]:
    """The certificates of one of the card's keys, the leaf last; empty when there are none.

    Raises MalformedResponse for what is no certificate, StatusError.
    """
    data = key_reference(key)
    response = send(Command(0x00, INS_GET_DATA, 0xBF, 0x21, data, le=256))
    if response.sw == NOT_FOUND:
        return ()
    if not response.ok:
        raise StatusError(response.sw, "GET DATA", "security domain")
    try:
        return tuple(read_certificate(raw) for raw in parse_certificate_store(response.data))
    except ValueError as error:
        raise MalformedResponse(str(error), "GET DATA BF21") from None


def _certified_key(
    send: Send, key: KeyNumber, trust: Trust, at: datetime.datetime
) -> ec.EllipticCurvePublicKey:
    chain = read_certificates(send, key)
    if not chain:
        raise CardError("scp11.certificate", what="the card gives none")
    if trust.unverified:
        return chain[-1].key
    try:
        return verify_chain(chain, trust.anchors, Role.CARD, at=at).key
    except ChainError as error:
        raise CardError("scp11.certificate", what=str(error)) from None


def _send_chain(send: Send, identity: Identity, chaining: Chaining) -> None:
    for index, certificate in enumerate(identity.chain):
        last = index == len(identity.chain) - 1
        p2 = identity.authority.kid | (0 if last else FURTHER_CERTIFICATE)
        for command in _certificate_commands(certificate.raw, identity.authority.version, p2, chaining):
            response = send(command)
            if response.sw == NOT_FOUND:
                raise CardError("scp11.key", key=_spoken(identity.authority))
            if not response.ok:
                raise StatusError(
                    response.sw,
                    "PERFORM SECURITY OPERATION",
                    "security domain",
                    code="scp11.refused",
                    number=index + 1,
                    of=len(identity.chain),
                )


def _certificate_commands(raw: bytes, p1: int, p2: int, chaining: Chaining) -> Iterator[Command]:
    """One certificate as commands: VERIFY CERTIFICATE."""
    ins = INS_PERFORM_SECURITY_OPERATION
    if chaining is Chaining.LAYERS:
        yield Command(0x80, ins, p1, p2, raw, le=256, extended=len(raw) > PIECE)
        return
    for start in range(0, len(raw), PIECE):
        piece, more = raw[start : start + PIECE], start + PIECE < len(raw)
        cla = 0x80 | (ISO_CHAINING if more and chaining is Chaining.BOTH else 0)
        yield Command(cla, ins, p1 | (P1_CHAINING if more else 0), p2, piece, le=256)


def _authenticate(
    send: Send,
    opening: HostOpening,
    number: KeyNumber,
    card_key: ec.EllipticCurvePublicKey,
    mac_length: int,
) -> Established:
    response = send(opening.command(number.version))
    name = "INTERNAL AUTHENTICATE" if opening.request.variant is Variant.B else "MUTUAL AUTHENTICATE"
    if response.sw == NOT_FOUND:
        raise CardError("scp11.key", key=_spoken(number))
    if not response.ok:
        raise StatusError(response.sw, name, "security domain")
    try:
        return opening.complete(card_key, response.data, mac_length=mac_length)
    except ReceiptError:
        raise CardError("scp11.receipt", key=_spoken(number)) from None
    except ValueError as error:
        raise MalformedResponse(str(error), name) from None


def _spoken(key: KeyNumber) -> str:
    return f"{key.kid:02X}/{key.version:02X}"
