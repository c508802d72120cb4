"""Certificates, allow lists and authorities of SCP11 keys, read and stored (GPC 2.3.1 Amd F 1.4 §7).

They lie under ``of-key/`` in the domain's memory and go when their key goes.
"""

from __future__ import annotations

from ....apdu.scp11 import CaIdentifier, KeyNumber
from ....apdu.scp11.objects import parse_key_reference, parse_stored
from ....apdu.tlv import Tlv
from ....applets.security_domain.model import Tag
from ...card.application import CardStatus, DomainContext
from .attestation import CERTIFICATES
from .keystore import KeyStore, place_of

__all__ = ["allowed", "ca_identifier", "read", "store", "stores"]

CONTROL_REFERENCE, SERIAL = 0xA6, 0x93
KEY_REFERENCE = 0x83
SERIALS, IDENTIFIER = "serials", "authority"
MAX_CERTIFICATES = 8192


def stores(data: bytes) -> bool:
    """Whether STORE DATA speaks of a key."""
    return data[:1] == bytes((CONTROL_REFERENCE,))


def store(ctx: DomainContext, data: bytes) -> None:
    """Certificates, an allow list or an authority of a key, in place of what there was.

    Raises CardStatus 6A80, 6A84, and 6A88 for a key that is not there.
    """
    try:
        stored = parse_stored(data)
    except ValueError:
        raise CardStatus(0x6A80) from None
    if KeyStore(ctx).find(*stored.key) is None:
        raise CardStatus(0x6A88)
    place = place_of(stored.key)
    if stored.certificates is not None:
        _put(ctx, place + CERTIFICATES, b"".join(stored.certificates))
    elif stored.serials is not None:
        _put(ctx, place + SERIALS, b"".join(bytes(Tlv(SERIAL, serial)) for serial in stored.serials))
    else:
        _put(ctx, place + IDENTIFIER, stored.identifier or b"")


def _put(ctx: DomainContext, name: str, value: bytes) -> None:
    if len(value) > MAX_CERTIFICATES:
        raise CardStatus(0x6A84)
    if value:
        ctx.nv.put(name, value)
    else:
        ctx.nv.delete(name)


def read(ctx: DomainContext, tag: int, asked: bytes) -> bytes:
    """The value of BF21, FF33, FF34, or 83 (the key that belongs to an authority); empty when there is none.

    Raises CardStatus 6A80 for a key that is not named as it should be.
    """
    if tag in (Tag.KLOC_IDENTIFIERS, Tag.KLCC_IDENTIFIERS):
        of_card = tag == Tag.KLCC_IDENTIFIERS
        return b"".join(bytes(found) for found in _identifiers(ctx) if found.of_card == of_card)
    try:
        wanted = parse_key_reference(asked)
    except ValueError:
        raise CardStatus(0x6A80) from None
    if tag == KEY_REFERENCE:
        known = [found.key for found in _identifiers(ctx) if found.identifier == wanted]
        return bytes(Tlv(KEY_REFERENCE, bytes(known[0]))) if known else b""
    if isinstance(wanted, KeyNumber):
        return ctx.nv.get(place_of(wanted) + CERTIFICATES)
    keys = [found.key for found in _identifiers(ctx) if found.identifier == wanted and found.of_card]
    return next((ctx.nv.get(place_of(key) + CERTIFICATES) for key in keys), b"")


def ca_identifier(ctx: DomainContext, key: KeyNumber) -> bytes:
    """The identifier of the authority that belongs to a key, or nothing."""
    return ctx.nv.get(place_of(key) + IDENTIFIER)


def allowed(ctx: DomainContext, key: KeyNumber, serial: bytes) -> bool:
    """Whether a certificate of this authority with that serial number may be used; without a list, any may.

    Hosts write a number with and without the 00 before a high first bit.
    """
    raw = ctx.nv.get(place_of(key) + SERIALS)
    listed = [tlv.value.lstrip(b"\x00") for tlv in Tlv.parse_all(raw)]
    return not listed or serial.lstrip(b"\x00") in listed


def _identifiers(ctx: DomainContext) -> list[CaIdentifier]:
    found = [(key.number, ca_identifier(ctx, key.number)) for key in KeyStore(ctx).all_keys()]
    return [CaIdentifier(number, identifier) for number, identifier in found if identifier]
