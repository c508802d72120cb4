"""PUT KEY and DELETE [key] (GPC 2.3.1 §11.2.2.3, §11.8; Amd D §7.2; facts §1.8).

One command brings one key, or several of consecutive identifiers. The three keys of a set that opens a
channel come and go together; all others are keys of their own.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ....apdu.command import Command, Response
from ....apdu.scp11.curves import CURVES
from ....apdu.secret import Secret
from ....apdu.tlv import parse_length
from ....applets.security_domain.model import FACTORY_KVN, KCV_LENGTH, MAX_KVN, KeyType, Tag
from ...card.application import CardStatus, DomainContext
from ...card.policy import CardPolicy
from .access import require, require_fresh
from .keystore import SET, SYMMETRIC, CardKey, KeyStore, check_value

__all__ = ["CURVES", "checked_key", "delete_keys", "put_key", "store_keys"]

MULTIPLE = 0x80
RSA_SIZES = range(128, 513)
MORE_OR_COMPONENT = 0x80
"""The first byte of a component is its type, 80 and above; that of a check value its length, 00 or 03."""
Unwrap = Callable[[bytes, int], Secret]


@dataclass(frozen=True, slots=True)
class KeyBlock:
    """One key of a PUT KEY as it arrived: its components, and the check value if one was sent."""

    components: tuple[tuple[int, bytes], ...]
    kcv: bytes


def parse_blocks(raw: bytes) -> list[KeyBlock]:
    """The key blocks behind the new version number. Raises ValueError."""
    blocks, offset = [], 0
    while offset < len(raw):
        components = []
        while offset < len(raw) and raw[offset] >= MORE_OR_COMPONENT:
            kind = raw[offset]
            length, start = parse_length(raw, offset + 1)
            offset = start + length
            components.append((kind, raw[start:offset]))
        if offset >= len(raw):
            raise ValueError("a key block ends before its check value")
        end = offset + 1 + raw[offset]
        kcv = raw[offset + 1 : end]
        if not components or end > len(raw) or len(kcv) not in (0, KCV_LENGTH):
            raise ValueError("a key block has no key, or a check value that is none")
        blocks.append(KeyBlock(tuple(components), kcv))
        offset = end
    return blocks


def put_key(ctx: DomainContext, command: Command) -> Response:
    """Keys that are new (P1 = 00) or replace those of version P1; answers the version and check values."""
    require(ctx)
    require_fresh(ctx)
    first, multiple = command.p2 & 0x7F, bool(command.p2 & MULTIPLE)
    if not first or (command.p1 & 0x80 and command.p1 != FACTORY_KVN):
        raise CardStatus(0x6A86)
    if len(command.data) < 1:
        raise CardStatus(0x6A80)
    version = command.data[0]
    try:
        blocks = parse_blocks(command.data[1:])
        if not blocks or (len(blocks) > 1 and not multiple) or first + len(blocks) > MULTIPLE:
            raise ValueError("more keys or fewer than P2 says")
        keys = [
            checked_key(CardKey(kid, version, _components(block, ctx.channel_state.unwrap_key, ctx.policy)))
            for kid, block in enumerate(blocks, first)
        ]
    except (ValueError, UnsupportedAlgorithm):
        raise CardStatus(0x6A80) from None
    check_values = store_keys(ctx, keys, [block.kcv for block in blocks], command.p1)
    return Response(bytes((version,)) + check_values)


def _components(block: KeyBlock, unwrap: Unwrap, policy: CardPolicy) -> tuple[tuple[int, bytes], ...]:
    """The components in clear: those of a secret key come encrypted. Raises ValueError."""
    clear = []
    for kind, value in block.components:
        if kind in (KeyType.DES, KeyType.AES):
            clear.append((kind, _symmetric(kind, value, unwrap, policy)))
        elif kind == KeyType.EC_PRIVATE:
            size = (_curve(dict(block.components).get(KeyType.EC_PARAMETERS, b"")).key_size + 7) // 8
            inside = value[:1] == bytes((size,)) and len(value) % 8 == 1
            clear.append((kind, unwrap(value[1:] if inside else value, size).reveal()))
        else:
            clear.append((kind, value))
    return tuple(clear)


def checked_key(key: CardKey) -> CardKey:
    """``key`` when its value is one of its kind. Raises ValueError or UnsupportedAlgorithm."""
    match tuple(kind for kind, _ in key.components):
        case (KeyType.DES,) | (KeyType.AES,):
            if len(key.components[0][1]) not in SYMMETRIC[KeyType(key.type)]:
                raise ValueError("a symmetric key has the wrong length")
        case (KeyType.RSA_MODULUS, KeyType.RSA_EXPONENT):
            modulus, exponent = (int.from_bytes(value, "big") for _, value in key.components)
            if (modulus.bit_length() + 7) // 8 not in RSA_SIZES or not modulus & 1:
                raise ValueError("this is no public key of RSA")
            rsa.RSAPublicNumbers(exponent, modulus).public_key()
        case (KeyType.EC_PUBLIC, KeyType.EC_PARAMETERS):
            point, parameters = (value for _, value in key.components)
            ec.EllipticCurvePublicKey.from_encoded_point(_curve(parameters), point)
        case (KeyType.EC_PRIVATE, KeyType.EC_PARAMETERS):
            scalar, parameters = (value for _, value in key.components)
            ec.derive_private_key(int.from_bytes(scalar, "big"), _curve(parameters))
        case _:
            raise ValueError("keys of this make are not for this card")
    return key


def _symmetric(kind: int, raw: bytes, unwrap: Unwrap, policy: CardPolicy) -> bytes:
    """Both forms in the field are read: ``88 11 10 cg16`` with the key's length inside (Amd D §7.2) and
    ``88 10 cg16`` without. Only the first can carry a key that does not fill whole blocks."""
    length, inside = len(raw), bool(len(raw) % 8)
    if inside:
        length, raw = raw[0], raw[1:]
    if kind == KeyType.AES and not (policy.put_key_with_length if inside else policy.put_key_without_length):
        raise ValueError("this card knows the other form of key block alone")
    if length not in SYMMETRIC[KeyType(kind)]:
        raise ValueError(f"a key of this type has no {length} bytes")
    return unwrap(raw, length).reveal()


def _curve(parameters: bytes) -> ec.EllipticCurve:
    if len(parameters) != 1 or parameters[0] not in CURVES:
        raise ValueError("this curve is not known")
    return CURVES[parameters[0]]


def store_keys(
    ctx: DomainContext,
    keys: Sequence[CardKey],
    sent: Sequence[bytes],
    replaced: int = 0,
    *,
    life_cycle: int | None = None,
) -> bytes:
    """Compare the check values and write the keys, and ``life_cycle`` with them, all or nothing; returns the
    check values of those that have one.

    Raises CardStatus 6982 for a wrong one (§11.11.4), 6A80 for a version that is none, and for keys of a set
    that do not come together.
    """
    if not 1 <= keys[0].version <= MAX_KVN:
        raise CardStatus(0x6A80)
    if any(key.of_set for key in keys) and not _whole_set(keys):
        raise CardStatus(0x6A80)
    check_values = []
    for key, kcv in zip(keys, sent, strict=True):
        if not key.symmetric:
            if kcv:
                raise CardStatus(0x6A80)
            continue
        ctx.spend("aes_block", 2)
        true = check_value(key.type, key.secret)
        if kcv and not hmac.compare_digest(kcv, true):
            raise CardStatus(0x6982)
        check_values.append(true)
    KeyStore(ctx).put(keys, replaced, life_cycle=life_cycle)
    return b"".join(check_values)


def _whole_set(keys: Sequence[CardKey]) -> bool:
    kinds = {(key.type, len(key.components[0][1])) for key in keys}
    return tuple(key.kid for key in keys) == SET and len(kinds) == 1


def delete_keys(ctx: DomainContext, command: Command, objects: dict[int, bytes]) -> Response:
    """DELETE [key] by version, by identifier or by both; the last one that opens a channel only with P2 = 01.

    A set goes whole: one of its keys is named only together with its version.
    """
    require_fresh(ctx)
    if command.p1 != 0 or command.p2 not in (0, 1):
        raise CardStatus(0x6A86)
    version, kid = objects.get(Tag.KEY_VERSION), objects.get(Tag.KEY_ID)
    if any(value is not None and len(value) != 1 for value in (version, kid)):
        raise CardStatus(0x6A80)
    store = KeyStore(ctx)
    doomed = [
        key
        for key in store.all_keys()
        if (version is None or key.version == version[0]) and _named(key, kid, bare=version is None)
    ]
    if not doomed:
        raise CardStatus(0x6A88)
    if command.p2 != 1 and not store.opens_a_channel(without=doomed):
        raise CardStatus(0x6985)
    store.remove(doomed)
    return Response()


def _named(key: CardKey, kid: bytes | None, *, bare: bool) -> bool:
    if kid is None:
        return True
    if key.of_set:
        return kid[0] in SET and not bare
    return key.kid == kid[0]
