"""SCP11 on the card: PERFORM SECURITY OPERATION, MUTUAL and INTERNAL AUTHENTICATE (GPC 2.3.1 Amd F 1.4 §7).

Status words (tables 7-13 and 7-19): 6A88 for a key that is not there, 6A80 for data that cannot be read (a
point not on the curve among them), 6600 for a certificate that does not verify, 6640 for one that is not on
the allow list, 6A81 for one with authorisations ``BF20``, which this card does not know how to keep to, 6985
for MUTUAL AUTHENTICATE without a certificate before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from ....apdu.command import Command, Response
from ....apdu.scp11 import (
    MAX_CHAIN,
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
    without_root,
)
from ....apdu.scp11.objects import AUTHORITY_KIDS
from ....apdu.secret import Secret
from ....apdu.tlv import Tlv
from ....applets.security_domain.model import FACTORY_KVN, SCP03_I, KeyType, Tag
from ...card.application import CardStatus, DomainContext
from . import key_tries, scp11_objects
from .access import ANY_AUTHENTICATED, AUTHENTICATED, require, require_fresh
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
NOT_VERIFIED, NOT_ALLOWED, NO_AUTHORISATIONS = 0x6600, 0x6640, 0x6A81


@dataclass(frozen=True, slots=True)
class Pieces:
    """A certificate that comes in commands with bit 8 of P1."""

    header: tuple[int, int]
    data: bytes


@dataclass(frozen=True, slots=True)
class Host:
    """The host's certificates so far, for which ``authority`` vouches; ``leaf`` once the last has come."""

    kid: int
    chain: tuple[Certificate, ...]
    authority: KeyNumber
    leaf: Certificate | None = None


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
    chain = before.chain if before is not None and before.leaf is None and before.kid == kid else ()
    with key_tries.attempt(ctx, keys):
        ctx.spend("ec256_sign")
        try:
            chain = (*chain, read_certificate(data))
        except ValueError:
            raise CardStatus(0x6A80) from None
        if chain[-1].authorisations:
            raise CardStatus(NO_AUTHORISATIONS)
        try:
            authority, leaf = _verified(ctx, keys, chain, more=more)
        except ChainError:
            raise CardStatus(NOT_VERIFIED) from None
        host = Host(kid, chain, authority, leaf)
        if leaf is not None and not _allowed(ctx, host):
            raise CardStatus(NOT_ALLOWED)
    ctx.clear_on_deselect[HOST] = host
    return Response()


def _allowed(ctx: DomainContext, host: Host) -> bool:
    """An allow list names what the authority itself signed: those below come with it (§7.5.1)."""
    return scp11_objects.allowed(ctx, host.authority, without_root(host.chain)[0].serial)


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
) -> tuple[KeyNumber, Certificate | None]:
    """Which of the keys vouches for the chain, and the leaf of one that is complete. Raises ChainError."""
    if len(chain) > MAX_CHAIN:
        raise ChainError("the chain is too long")
    for key in keys:
        anchor = Anchor(public_key(key), scp11_objects.ca_identifier(ctx, key.number))
        if not anchor.issued(chain[0]):
            continue
        if more:
            if len(chain) > 1:
                check_link(chain[-2], chain[-1])
            return key.number, None
        # The card has no clock: periods of validity are not looked at.
        return key.number, verify_chain(chain, (anchor,), Role.HOST)
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
        authentication=_authentication(ctx, host) if variant.authenticates_host else 0,
        replayable=variant is Variant.C,
    )
    return Response(answer)


def _authentication(ctx: DomainContext, host: Host | None) -> int:
    """As the domain's owner, whom INSTALL named by ``5F20``, or as somebody else whom an authority knows
    (§4.7). A domain of which nobody said whose it is takes everybody for its owner."""
    named = ctx.entry.provider
    owner = not named or (host is not None and host.leaf is not None and host.leaf.owner == named)
    return AUTHENTICATED if owner else ANY_AUTHENTICATED


def _agree(
    ctx: DomainContext, variant: Variant, key: CardKey, data: bytes, host: Host | None
) -> tuple[bytes, Established]:
    """Raises ValueError for a request that is none, CardStatus 6985 for a host that has not shown itself."""
    request = Request.parse(data)
    if request.variant is not variant:
        raise ValueError("the parameter is one of another variant")
    leaf = host.leaf if host is not None and variant.authenticates_host else None
    if variant.authenticates_host and (leaf is None or host is None or not _allowed(ctx, host)):
        raise CardStatus(0x6985)
    static = _private(key)
    ctx.spend("ec256_keygen")
    ctx.spend("ec256_agree", 2)
    return accept(
        request,
        static,
        new_private_key(static.curve, ctx.random),
        leaf.key if leaf else None,
        card_ids=_card_ids(ctx, request),
    )


def _card_ids(ctx: DomainContext, request: Request) -> tuple[bytes, ...]:
    """SIN and SDIN, when the host's id takes part. The group id of SCP11c is not known: ValueError.

    Raises CardStatus 6A88 for a domain without these numbers.
    """
    if request.host_id is None:
        return ()
    if request.variant is Variant.C:
        raise ValueError("this card belongs to no group")
    numbers = ctx.nv.get(f"data/{Tag.IIN:x}"), ctx.nv.get(f"data/{Tag.CIN:x}")
    if not all(numbers):
        raise CardStatus(0x6A88)
    return numbers


def _dek(ctx: DomainContext, key: CardKey) -> Secret | None:
    """A static DEK, when one stands beside the key (identifiers 12, 14 and 16)."""
    dek = KeyStore(ctx).find(key.kid + 1, key.version)
    return dek.secret if dek is not None and dek.type == KeyType.AES else None


def generate_key(ctx: DomainContext, command: Command) -> Response:
    """GENERATE KEY: a key pair, new (P1 = 00) or instead of version P1; answers the public key."""
    require(ctx)
    require_fresh(ctx)
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
