"""PUT KEY and DELETE KEY (GPC 2.3.1 §11.2.2.3, §11.8; Amendment D §7.2).

Symmetric keys come from the key ring, wrapped under the DEK of the open channel; public keys travel as they
are. The check values that the card answers are compared with those of the keys sent, every time.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ...apdu.command import Command, Span
from ...apdu.errors import CardError, InputError
from ...apdu.ports import KeyRef, KeyRing, KeySet
from ...apdu.scp11.curves import curve_reference
from ...apdu.tlv import Tlv, encode_length
from .domain import Domain
from .model import MAX_KVN, Ins, KeyType, Tag, lv

__all__ = [
    "PUT_KEY_BARE",
    "PublicKey",
    "delete_keys",
    "put_key",
    "put_key_set",
    "put_public_key",
]

PUT_KEY_BARE = "put-key-bare"
"""Quirk of a card (``CardProfile.quirks``): its AES key blocks have no inner length byte, as GPC 2.3.1 table
11-71 has it; all others follow Amendment D §7.2.2.4."""
SEVERAL_KEYS = 0x80
FIRST_KID = 0x01
SHORT_DATA_MAX = 255
TYPES = {"aes": KeyType.AES, "3des": KeyType.DES}

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def put_key_set(domain: Domain, ring: KeyRing, keys: KeySet, *, replace: int = 0) -> None:
    """PUT KEY of a whole set, added (``replace`` 0) or instead of version ``replace``.

    Raises CardError ``gp.key_echo`` when the version or check values that the card answers are not those of
    the keys sent, InputError ``gp.version_range``.
    """
    _symmetric(domain, ring, keys.version, FIRST_KID, keys.refs, replace)


def put_key(domain: Domain, ring: KeyRing, key: KeyRef, kid: int, *, replace: int = 0) -> None:
    """PUT KEY of one symmetric key, such as a token, receipt or DAP key, as ``key.version`` and ``kid``.

    Errors as :func:`put_key_set`.
    """
    _symmetric(domain, ring, key.version, kid, (key,), replace)


def _symmetric(
    domain: Domain, ring: KeyRing, version: int, kid: int, keys: Sequence[KeyRef], replace: int
) -> None:
    _check_version(version)
    bare = PUT_KEY_BARE in domain.card.profile.quirks
    data = echo = bytes((version,))
    spans: list[Span] = []
    for key in keys:
        wrapped, kcv = ring.wrap_for_put_key(domain.dek, key), ring.kcv(key)
        head, block = _block(key, wrapped, bare=bare)
        spans.append((len(data) + len(head), len(data) + len(head) + len(block)))
        data += head + block + lv(kcv)
        echo += kcv
    several = SEVERAL_KEYS if len(keys) > 1 else 0
    _put(domain, replace, kid | several, data, echo, tuple(spans))


def _block(key: KeyRef, wrapped: bytes, *, bare: bool) -> tuple[bytes, bytes]:
    """Type and length of a key, and what follows them: for AES with the length of the plain key inside."""
    kind = TYPES[key.algorithm]
    block = wrapped if bare or kind is KeyType.DES else bytes((key.length,)) + wrapped
    return bytes((kind,)) + encode_length(len(block)), block


def put_public_key(domain: Domain, key: PublicKey, version: int, kid: int, *, replace: int = 0) -> None:
    """PUT KEY of a public RSA or EC key, for tokens or load file signatures; it has no check value.

    Raises InputError ``gp.version_range``, ``gp.curve`` for a curve that GlobalPlatform does not number.
    """
    _check_version(version)
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        components = _field(KeyType.RSA_MODULUS, _unsigned(numbers.n))
        components += _field(KeyType.RSA_EXPONENT, _unsigned(numbers.e))
    else:
        try:
            reference = curve_reference(key.curve)
        except ValueError:
            raise InputError("gp.curve", curve=key.curve.name) from None
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        components = _field(KeyType.EC_PUBLIC, point)
        components += _field(KeyType.EC_PARAMETERS, bytes((reference,)))
    data = bytes((version,)) + components + b"\x00"
    _put(domain, replace, kid, data, bytes((version,)), ())


def _put(domain: Domain, replace: int, p2: int, data: bytes, echo: bytes, secret: tuple[Span, ...]) -> None:
    extended = len(data) > SHORT_DATA_MAX
    command = Command(
        0x80,
        Ins.PUT_KEY,
        replace,
        p2,
        data,
        le=65536 if extended else 256,
        extended=extended,
        secret=secret,
    )
    response = domain.card.expect(command)
    if not hmac.compare_digest(response.data, echo):
        raise CardError("gp.key_echo", version=f"{echo[0]:02X}")


def delete_keys(
    domain: Domain, *, version: int | None = None, kid: int | None = None, last: bool = False
) -> None:
    """DELETE keys by version, by identifier, or the one key of both; ``last`` allows the only set left.

    StatusError 6A88: not there. Raises ValueError when neither is given.
    """
    named = [
        Tlv(tag, bytes((value,)))
        for tag, value in ((Tag.KEY_ID, kid), (Tag.KEY_VERSION, version))
        if value is not None
    ]
    if not named:
        raise ValueError("DELETE of keys names a version, an identifier or both")
    data = b"".join(bytes(tlv) for tlv in named)
    domain.card.expect(Command(0x80, Ins.DELETE, 0x00, 0x01 if last else 0x00, data, le=256))


def _check_version(version: int) -> None:
    if not 1 <= version <= MAX_KVN:
        raise InputError("gp.version_range", version=f"{version:02X}")


def _field(kind: int, value: bytes) -> bytes:
    return bytes((kind,)) + lv(value)


def _unsigned(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
