"""Which secure channels a domain offers, and what the card says of them and of itself: Card Data ``66`` and
Card Capability Information ``67`` (GPC 2.3.1 §H.2, §H.4)."""

from __future__ import annotations

from dataclasses import dataclass

from ....apdu import scp02, scp03
from ....apdu.tlv import Tlv
from ....applets.security_domain.model import GLOBALPLATFORM_OID, SCP03_I, Tag
from ...card.application import CardStatus, DomainContext
from ...card.registry import Kind
from .keys import CURVES
from .keystore import KeyStore
from .privileges import FOR_APPLICATIONS, FOR_DOMAINS
from .rights import domain_context

__all__ = ["OFFERED", "Offer", "capabilities", "offer_of", "offers", "parse_offers", "recognition"]

OFFERED = "scp"
"""Where a domain's memory says what it offers, three bytes each; nothing: as the issuer's domain."""
SCP02, SCP03, SCP11 = 0x02, 0x03, 0x11
S16, R_MAC_SUPPORT = 0x01, 0x20
AES_SIZES = 0x07
SUPPLEMENTARY_SCP = 0x81
SCP11_I = 0x1B << 7 | 0x02
"""SCP11a, b and c, certificate chains; X.509 beside the older format. The top bit of the first byte says that
a second one follows, so that in an object identifier both look the same (Amd F 1.4)."""
SCP11_KIDS = (0x11, 0x13, 0x15)
GPC_2_3_1 = (2, 2, 3, 1)
LOAD_FILE_HASHES = bytes((1, 2, 3, 4))
# Cipher suites (facts §5.2): all that verify; receipts are made with all but RSA.
VERIFIED, SIGNED = b"\xff\x03", b"\xfc\x03"


@dataclass(frozen=True, slots=True)
class Offer:
    """A protocol and its parameter "i"; SCP11's has two bytes."""

    scp: int
    i: int

    @property
    def exists(self) -> bool:
        """Whether the protocol has this variant (GPC 2.3.1 table E-1, Amd D table 5-1)."""
        if self.scp == SCP02:
            return self.i & ~R_MAC_SUPPORT in scp02.DOCUMENTED
        return self.scp != SCP03 or self.i in scp03.VARIANTS

    def __bytes__(self) -> bytes:
        return bytes((self.scp,)) + self.i.to_bytes(2, "big")


DEFAULT = (Offer(SCP03, SCP03_I),)


def parse_offers(raw: bytes) -> tuple[Offer, ...]:
    """What lies in memory under :data:`OFFERED`."""
    pieces = (raw[at : at + 3] for at in range(0, len(raw), 3))
    return tuple(Offer(piece[0], int.from_bytes(piece[1:], "big")) for piece in pieces)


def offers(ctx: DomainContext) -> tuple[Offer, ...]:
    """What this domain offers, its own choice or the issuer's."""
    own = ctx.nv.get(OFFERED)
    if not own:
        issuer = next(entry for entry in ctx.registry() if entry.kind is Kind.ISSUER_DOMAIN)
        own = domain_context(ctx, issuer.aid).nv.get(OFFERED)
    found = parse_offers(own) or DEFAULT
    if not any(offer.scp == SCP11 for offer in found) and _has_scp11_keys(ctx):
        found += (Offer(SCP11, SCP11_I),)
    if not ctx.policy.s16_only:
        return found
    return tuple(Offer(offer.scp, offer.i | S16) if offer.scp == SCP03 else offer for offer in found)


def _has_scp11_keys(ctx: DomainContext) -> bool:
    return any(key.kid in SCP11_KIDS for key in KeyStore(ctx).all_keys())


def offer_of(ctx: DomainContext, scp: int) -> Offer:
    """The offer of that protocol. Raises CardStatus 6A88 when there is none."""
    for offer in offers(ctx):
        if offer.scp == scp:
            return offer
    raise CardStatus(0x6A88)


def choice(ctx: DomainContext, parameters: bytes) -> bytes:
    """What the install parameters of a domain choose (``81 02 scp i``, also several), for its memory.

    Raises CardStatus 6A80 for a protocol that the card does not have.
    """
    try:
        chosen = [tlv.value for tlv in Tlv.parse_all(parameters) if tlv.tag == SUPPLEMENTARY_SCP]
    except ValueError:
        raise CardStatus(0x6A80) from None
    known = {offer.scp for offer in offers(ctx)}
    if any(len(value) not in (2, 3) or value[0] not in known for value in chosen):
        raise CardStatus(0x6A80)
    made = [Offer(value[0], int.from_bytes(value[1:], "big")) for value in chosen]
    if not all(offer.exists for offer in made):
        raise CardStatus(0x6A80)
    return b"".join(bytes(offer) for offer in made)


def recognition(ctx: DomainContext) -> bytes:
    """The value of Card Data: GPC 2.3.1, and each protocol in a ``64`` of its own."""
    protocols = [Tlv.build(0x64, (_oid(4, offer.scp, *_base128(offer.i)),)) for offer in offers(ctx)]
    version = Tlv.build(0x60, (_oid(*GPC_2_3_1),))
    objects = (_oid(1), version, Tlv.build(0x63, (_oid(3),)), *protocols)
    return bytes(Tlv.build(Tag.CARD_RECOGNITION, objects))


def capabilities(ctx: DomainContext) -> bytes:
    """The value of Card Capability Information."""
    channels: dict[int, list[bytes]] = {}
    for offer in offers(ctx):
        i = _base128(offer.i) if offer.scp == SCP11 else bytes((offer.i,))
        channels.setdefault(offer.scp, []).append(i)
    parts = []
    for scp, variants in channels.items():
        inner = [Tlv(0x80, bytes((scp,))), Tlv(0x81, b"".join(variants))]
        if scp != SCP02:
            inner.append(Tlv(0x82, bytes((AES_SIZES,))))
        parts.append(Tlv.build(0xA0, inner))
    parts += [
        Tlv(0x81, FOR_DOMAINS.to_bytes(3, "big")),
        Tlv(0x82, FOR_APPLICATIONS.to_bytes(3, "big")),
        Tlv(0x83, LOAD_FILE_HASHES),
        Tlv(0x85, VERIFIED),
        Tlv(0x86, SIGNED),
        Tlv(0x87, VERIFIED),
        Tlv(0x88, bytes(sorted(CURVES))),
    ]
    return b"".join(bytes(part) for part in parts)


def _oid(*arcs: int) -> Tlv:
    return Tlv(0x06, GLOBALPLATFORM_OID + bytes(arcs))


def _base128(number: int) -> bytes:
    """One arc of an object identifier above 127 (X.690 §8.19.2)."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))
