"""SCP11 for a card: keys with certificates, laid down by its maker.

The maker is invented and its root no secret: nobody trusts it outside of tests and demonstrations. Each card
has an authority of its own under that root, with which it also certifies the key that a reset makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec

from ...apdu.errors import CardError, InputError
from ...apdu.scp11 import KeyNumber, Variant, curve_reference, new_private_key, point
from ...apdu.scp11.objects import AUTHORITY_KIDS
from ...applets.security_domain import model
from ..apps.security_domain.attestation import (
    ATTESTATION,
    CERTIFICATES,
    CURVE,
    Authority,
    private_card_key,
)
from ..apps.security_domain.keystore import ORDER, CardKey, key_record, place_of, read_record
from ..apps.security_domain.scp11_objects import IDENTIFIER
from ..card.device import seeded
from ..card.policy import CardPolicy

__all__ = ["add_host_authority", "add_scp11", "free_host_authority", "maker_root"]

HOST_AUTHORITY = KeyNumber(0x10, 0x01)
VERSION = 0x01


@cache
def maker_root() -> Authority:
    """The authority of the invented maker, the same for all cards."""
    return Authority.root(
        "Card maker's root", seeded(b"tegata: the root of a card maker that does not exist")
    )


def add_scp11(
    memory: dict[str, bytes],
    entropy: Callable[[int], bytes],
    variants: Iterable[Variant] = (Variant.B,),
    *,
    domain: bytes = model.AID,
    version: int = VERSION,
) -> dict[str, bytes]:
    """The card with a key of each variant, certified by its own authority, and with tries of keys.

    The certificates of one card and seed are always the same.
    """
    own = f"app/{domain.hex()}/"
    card = maker_root().below("Card's authority", entropy)
    policy = CardPolicy.from_bytes(memory["card/policy"]).with_quirks({"keys_block": True})
    found = memory | {own + ATTESTATION: card.to_bytes(), "card/policy": policy.to_bytes()}
    for variant in variants:
        number = KeyNumber(variant.kid, version)
        key = new_private_key(CURVE, entropy)
        certificate = card.certify(f"SCP11{variant.letter}", key.public_key(), entropy)
        found |= _with_key(found, own, private_card_key(number, key))
        found[own + place_of(number) + CERTIFICATES] = card.der + certificate
    return found


def add_host_authority(
    memory: dict[str, bytes],
    key: ec.EllipticCurvePublicKey,
    identifier: bytes,
    number: KeyNumber = HOST_AUTHORITY,
    *,
    domain: bytes = model.AID,
) -> dict[str, bytes]:
    """The card that lets hosts in whose certificates were signed with ``key`` (PK.CA-KLOC.ECDSA);
    ``identifier`` is the subject key identifier of that authority."""
    own = f"app/{domain.hex()}/"
    reference = bytes((curve_reference(key.curve),))
    components = ((model.KeyType.EC_PUBLIC, point(key)), (model.KeyType.EC_PARAMETERS, reference))
    found = memory | _with_key(memory, own, CardKey(number.kid, number.version, components))
    return found | {own + place_of(number) + IDENTIFIER: identifier}


def free_host_authority(memory: Mapping[str, bytes]) -> KeyNumber:
    """A number for one more authority of hosts.

    Raises CardError ``scp11.key`` unless this maker's keys for SCP11a and c are there, and InputError
    ``input.error`` when every number is taken.
    """
    own = f"app/{model.AID.hex()}/"
    record = memory.get(f"{own}key/{VERSION:02x}")
    there = {key.kid for key in read_record(record, VERSION)} if record else set()
    for variant in (Variant.A, Variant.C):
        number = KeyNumber(variant.kid, VERSION)
        if number.kid not in there or own + ATTESTATION not in memory:
            raise CardError("scp11.key", key=f"{number.kid:02X}/{number.version:02X}")
    for kid in AUTHORITY_KIDS:
        if kid not in there:
            return KeyNumber(kid, VERSION)
    raise InputError("input.error", what=f"the card knows {len(AUTHORITY_KIDS)} authorities of hosts already")


def _with_key(memory: dict[str, bytes], own: str, key: CardKey) -> dict[str, bytes]:
    """The records that change when one key comes in."""
    name = f"{own}key/{key.version:02x}"
    there = read_record(memory[name], key.version) if name in memory else []
    order = memory.get(own + ORDER, b"")
    if key.version not in order:
        order += bytes((key.version,))
    return {name: key_record([*there, key]), own + ORDER: order}
