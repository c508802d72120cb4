"""SCP11 on the card: PERFORM SECURITY OPERATION, MUTUAL and INTERNAL AUTHENTICATE (GPC 2.3.1 Amd F 1.4 §7).

Status words: 6A88 for a key that is not there, 6A80 for data that cannot be read (a point not on the curve
among them), 6982 for a certificate that does not verify or is not on the allow list, 6985 for MUTUAL
AUTHENTICATE without a certificate before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from ....apdu.command import Command, Response
from ....apdu.scp11 import (
    Anchor,
    Certificate,
    ChainError,
    Established,
    KeyNumber,
    Request,
    Role,
    Variant,
    accept,
    check_link,
    curve_of,
    new_private_key,
    point,
    private_key,
    read_certificate,
    read_point,
    verify_chain,
)
from ....apdu.scp11.objects import AUTHORITY_KIDS
from ....apdu.secret import Secret
from ....apdu.tlv import Tlv
from ....applets.security_domain.model import FACTORY_KVN, SCP03_I, KeyType, Tag
from ...card.application import CardStatus, DomainContext
from . import key_tries, scp11_objects
from .access import AUTHENTICATED, require
from .attestation import private_card_key
from .channel import Scp03Channel
from .keys import store_keys
from .keystore import CardKey, KeyStore

__all__ = ["KIDS", "authenticate", "generate_key", "verify_certificate"]

SCP11 = 0x11
KIDS = tuple(variant.kid for variant in Variant)
PIECE_FOLLOWS = CERTIFICATE_FOLLOWS = 0x80
CERTIFICATE, HOST = "scp11-certificate", "scp11-host"
"""In volatile memory: the pieces of a certificate, and what is known of the host."""
MAX_CERTIFICATE = 4096


@dataclass(frozen=True, slots=True)
class Pieces:
    """A certificate that comes in commands with bit 8 of P1."""

    header: tuple[int, int]
    data: bytes


@dataclass(frozen=True, slots=True)
class Host:
    """The host's certificates so far; ``key`` is that of the leaf, once it has come and is verified."""

    kid: int
    chain: tuple[Certificate, ...]
    key: ec.EllipticCurvePublicKey | None


def verify_certificate(ctx: DomainContext, command: Command) -> Response:
    """PERFORM SECURITY OPERATION [verify certificate]: one certificate, or a piece of one.

    P1 is the version and P2 the identifier of the key that verifies the first one, 00 for any. Bit 8 of P1
    says that the certificate goes on, bit 8 of P2 that another one follows.
    """
    data = _whole(ctx, command)
    if data is None:
        return Response()
    kid, more = command.p2 & ~CERTIFICATE_FOLLOWS, bool(command.p2 & CERTIFICATE_FOLLOWS)
    keys = _authorities(ctx, kid, command.p1)
    before: Host | None = ctx.clear_on_deselect.pop(HOST, None)
    chain = before.chain if before is not None and before.key is None and before.kid == kid else ()
    with key_tries.attempt(ctx, keys):
        ctx.spend("ec256_sign")
        try:
            chain = (*chain, read_certificate(data))
        except ValueError:
            raise CardStatus(0x6A80) from None
        try:
            leaf = _verified(ctx, keys, chain, more=more)
        except ChainError:
            raise CardStatus(0x6982) from None
    ctx.clear_on_deselect[HOST] = Host(kid, chain, leaf.key if leaf else None)
    return Response()


def _whole(ctx: DomainContext, command: Command) -> bytes | None:
    """The whole certificate, or None while pieces are missing."""
    header = (command.p1 & ~PIECE_FOLLOWS, command.p2)
    kept: Pieces | None = ctx.clear_on_deselect.pop(CERTIFICATE, None)
    data = (kept.data if kept is not None and kept.header == header else b"") + command.data
    if len(data) > MAX_CERTIFICATE:
        raise CardStatus(0x6700)
    if not command.p1 & PIECE_FOLLOWS:
        return data
    ctx.clear_on_deselect[CERTIFICATE] = Pieces(header, data)
    return None


def _authorities(ctx: DomainContext, kid: int, version: int) -> list[CardKey]:
    """The keys that may verify, as P1 and P2 name them. Raises CardStatus 6A88."""
    found = [
        key
        for key in KeyStore(ctx).all_keys()
        if key.kid in AUTHORITY_KIDS
        and key.type == KeyType.EC_PUBLIC
        and kid in (0, key.kid)
        and version in (0, key.version)
    ]
    if not found:
        raise CardStatus(0x6A88)
    return found


def _verified(
    ctx: DomainContext, keys: list[CardKey], chain: tuple[Certificate, ...], *, more: bool
) -> Certificate | None:
    """The leaf of a chain that is complete, once one of the keys vouches for it. Raises ChainError."""
    for key in keys:
        anchor = Anchor(public_key(key), scp11_objects.ca_identifier(ctx, key.number))
        if not anchor.issued(chain[0]):
            continue
        if more:
            if len(chain) > 1:
                check_link(chain[-2], chain[-1])
            return None
        # The card has no clock: periods of validity are not looked at.
        leaf = verify_chain(chain, (anchor,), Role.HOST)
        if not scp11_objects.allowed(ctx, key.number, leaf.serial):
            raise ChainError("the certificate is not on the allow list")
        return leaf
    raise ChainError("no authority of this card signed the certificate")


def authenticate(ctx: DomainContext, command: Command) -> Response:
    """MUTUAL AUTHENTICATE (SCP11a and c) and INTERNAL AUTHENTICATE (SCP11b): agree on keys, open the channel.

    P1 is the version, P2 the identifier of the card's key. A plain command ends the channel that is open.
    """
    if ctx.security_level:
        raise CardStatus(0x6985)
    ctx.channel_state = None
    if command.p2 not in KIDS:
        raise CardStatus(0x6A88)
    variant = Variant.of_kid(command.p2)
    key = KeyStore(ctx).find(command.p2, command.p1)
    if key is None or key.type != KeyType.EC_PRIVATE or variant.instruction != command.ins:
        raise CardStatus(0x6A88)
    host: Host | None = ctx.clear_on_deselect.pop(HOST, None)
    with key_tries.attempt(ctx, (key,)):
        try:
            answer, opened = _agree(ctx, variant, key, command.data, host)
        except ValueError:
            raise CardStatus(0x6A80) from None
    ctx.channel_state = Scp03Channel(
        opened.state,
        _dek(ctx, key) or opened.dek,
        key.version,
        SCP03_I,
        protocol=SCP11,
        authentication=AUTHENTICATED if variant.authenticates_host else 0,
    )
    return Response(answer)


def _agree(
    ctx: DomainContext, variant: Variant, key: CardKey, data: bytes, host: Host | None
) -> tuple[bytes, Established]:
    """Raises ValueError for a request that is none, CardStatus 6985 for a host that has not shown itself."""
    request = Request.parse(data)
    if request.variant is not variant:
        raise ValueError("the parameter is one of another variant")
    if variant.authenticates_host and (host is None or host.key is None):
        raise CardStatus(0x6985)
    static = _private(key)
    ctx.spend("ec256_keygen")
    ctx.spend("ec256_agree", 2)
    return accept(
        request,
        static,
        new_private_key(static.curve, ctx.random),
        host.key if host and variant.authenticates_host else None,
        card_ids=_card_ids(ctx, request),
    )


def _card_ids(ctx: DomainContext, request: Request) -> tuple[bytes, ...]:
    """SIN and SDIN, when the host's id takes part. The group id of SCP11c is not known: ValueError."""
    if request.host_id is None:
        return ()
    if request.variant is Variant.C:
        raise ValueError("this card belongs to no group")
    return ctx.nv.get(f"data/{Tag.IIN:x}"), ctx.nv.get(f"data/{Tag.CIN:x}")


def _dek(ctx: DomainContext, key: CardKey) -> Secret | None:
    """A static DEK, when one stands beside the key (identifiers 12, 14 and 16)."""
    dek = KeyStore(ctx).find(key.kid + 1, key.version)
    return dek.secret if dek is not None and dek.type == KeyType.AES else None


def generate_key(ctx: DomainContext, command: Command) -> Response:
    """GENERATE KEY: a key pair, new (P1 = 00) or instead of version P1; answers the public key."""
    require(ctx)
    if command.p2 not in KIDS or (command.p1 & 0x80 and command.p1 != FACTORY_KVN):
        raise CardStatus(0x6A86)
    try:
        parameters = Tlv.parse(command.data[1:])
        if parameters.tag != KeyType.EC_PARAMETERS or len(parameters.value) != 1:
            raise ValueError("a curve is named by F0 with one byte")
        curve = curve_of(parameters.value[0])
    except ValueError:
        raise CardStatus(0x6A80) from None
    key = new_private_key(curve, ctx.random)
    ctx.spend("ec256_keygen")
    number = KeyNumber(command.p2, command.data[0])
    store_keys(ctx, [private_card_key(number, key)], [b""], command.p1)
    return Response(bytes(Tlv(KeyType.EC_PUBLIC, point(key.public_key()))))


def public_key(key: CardKey) -> ec.EllipticCurvePublicKey:
    """A stored public key."""
    return read_point(_curve(key), key.component(KeyType.EC_PUBLIC))


def _private(key: CardKey) -> ec.EllipticCurvePrivateKey:
    return private_key(_curve(key), key.component(KeyType.EC_PRIVATE))


def _curve(key: CardKey) -> ec.EllipticCurve:
    return curve_of(key.component(KeyType.EC_PARAMETERS)[0])
