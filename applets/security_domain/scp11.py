"""SCP11 on a security domain, the host's side: the channel, keys made on the card, and what is stored with
them (GPC 2.3.1 Amendment F 1.4 §7).

Everything that changes the card needs a channel in which the host is authenticated: SCP03, SCP11a or SCP11c.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from ...apdu import scp11
from ...apdu.command import Command
from ...apdu.errors import CardError, MalformedResponse
from ...apdu.scp11 import (
    CaIdentifier,
    Certificate,
    Chaining,
    Identity,
    KeyNumber,
    KeyUsage,
    Scp11Host,
    Trust,
    Variant,
    curve_reference,
    read_point,
)
from ...apdu.scp11.objects import allow_list, certificate_store, parse_ca_identifiers
from ...apdu.tlv import Tlv
from .host import SecurityDomain
from .model import Ins, KeyType, Tag

__all__ = [
    "authorities",
    "authority_of",
    "certificates",
    "generate_key",
    "open_channel",
    "store_allow_list",
    "store_authority",
    "store_certificates",
]

LAST_BER_TLV = 0x90
P256 = ec.SECP256R1()


def open_channel(
    domain: SecurityDomain,
    variant: Variant,
    trust: Trust,
    *,
    version: int = 0,
    identity: Identity | None = None,
    usage: KeyUsage = KeyUsage.MAC_AND_ENCRYPTION,
    key_length: int = 16,
    chaining: Chaining = Chaining.LAYERS,
    at: datetime.datetime | None = None,
) -> Scp11Host:
    """Open a channel to the domain, or to another application of it that is selected, and use it from now on.

    ``version`` 0 takes the first key of this variant that the domain names. Errors as in
    :func:`tegata.apdu.scp11.open_channel`.
    """
    domain.card.unsecure()
    channel = scp11.open_channel(
        domain.card.send,
        variant,
        version or _first_version(domain, variant),
        trust,
        identity=identity,
        usage=usage,
        key_length=key_length,
        chaining=chaining,
        at=at,
    )
    domain.use(channel)
    return channel


def _first_version(domain: SecurityDomain, variant: Variant) -> int:
    for key in domain.key_information():
        if key.kid == variant.kid:
            return key.version
    raise CardError("scp11.key", key=f"{variant.kid:02X}")


def certificates(domain: SecurityDomain, key: KeyNumber) -> tuple[Certificate, ...]:
    """The certificates of one of the card's keys, the leaf last; empty when there are none. Not checked."""
    return scp11.read_certificates(domain.card.send, key)


def authorities(domain: SecurityDomain) -> tuple[CaIdentifier, ...]:
    """Which authorities belong to which keys: those for hosts (FF33), then those for cards (FF34)."""
    found: tuple[CaIdentifier, ...] = ()
    for tag in (Tag.KLOC_IDENTIFIERS, Tag.KLCC_IDENTIFIERS):
        try:
            found += parse_ca_identifiers(domain.get_data(tag) or b"")
        except ValueError as error:
            raise MalformedResponse(str(error), f"GET DATA {tag:X}") from None
    return found


def authority_of(domain: SecurityDomain, chain: Sequence[Certificate]) -> KeyNumber | None:
    """The card's key that verifies certificates of the authority which the first of ``chain`` names."""
    wanted = chain[0].issuer_id
    hosts = [known for known in authorities(domain) if not known.of_card]
    return next((known.key for known in hosts if known.identifier == wanted), None)


def generate_key(
    domain: SecurityDomain, key: KeyNumber, curve: ec.EllipticCurve = P256, *, replace: int = 0
) -> ec.EllipticCurvePublicKey:
    """GENERATE KEY: a key pair that never leaves the card, in place of version ``replace`` if that is given.

    Certificates that belonged to a replaced key are gone.
    """
    parameters = Tlv(KeyType.EC_PARAMETERS, bytes((curve_reference(curve),)))
    data = bytes((key.version,)) + bytes(parameters)
    response = domain.card.expect(Command(0x80, Ins.GENERATE_KEY, replace, key.kid, data, le=256))
    try:
        answer = Tlv.parse(response.data)
        if answer.tag != KeyType.EC_PUBLIC:
            raise ValueError("no public key B0")
        return read_point(curve, answer.value)
    except ValueError as error:
        raise MalformedResponse(str(error), "GENERATE KEY") from None


def store_certificates(domain: SecurityDomain, key: KeyNumber, chain: Iterable[bytes]) -> None:
    """STORE DATA of the certificates of a card's key, DER or 7F21, the leaf last."""
    _store(domain, certificate_store(key, chain))


def store_allow_list(domain: SecurityDomain, key: KeyNumber, serials: Iterable[bytes]) -> None:
    """STORE DATA of the serial numbers that hosts' certificates under this authority must have.

    A serial number is ``Certificate.serial``. With none the list is taken away: any certificate will do.
    """
    _store(domain, allow_list(key, serials))


def store_authority(domain: SecurityDomain, identifier: CaIdentifier) -> None:
    """STORE DATA of the subject key identifier of the authority that belongs to a key."""
    _store(domain, identifier.stored())


def _store(domain: SecurityDomain, data: bytes) -> None:
    extended = len(data) > domain.card.max_data
    domain.card.expect(Command(0x80, Ins.STORE_DATA, LAST_BER_TLV, 0x00, data, extended=extended))
