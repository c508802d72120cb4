"""GENERATE ASYMMETRIC KEY PAIR and GENERAL AUTHENTICATE (SP 800-73-5 part 2 §3.2.4, §3.3.2)."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from ....apdu.command import Command, Response
from ....apdu.tlv import Tlv
from ....applets.piv.model import ASYMMETRIC, ASYMMETRIC_REFERENCES, RETIRED_KEYS, Algorithm, KeyReference
from ...card.application import CardStatus, Context
from .state import PinPolicy, Profile, Session

__all__ = ["general_authenticate", "generate"]

TEMPLATE, WITNESS, CHALLENGE, RESPONSE, EXPONENTIATION = 0x7C, 0x80, 0x81, 0x82, 0x85
BLOCK = 16
CURVES: dict[int, tuple[ec.EllipticCurve, hashes.HashAlgorithm, str]] = {
    Algorithm.P256: (ec.SECP256R1(), hashes.SHA256(), "ec256"),
    Algorithm.P384: (ec.SECP384R1(), hashes.SHA384(), "ec256"),
}
ORDERS: dict[int, int] = {
    Algorithm.P256: int("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", 16),
    Algorithm.P384: int("F" * 48 + "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16),
}
"""Orders of the base points (SP 800-186 §3.2.1.3, §3.2.1.4)."""
POLICIES: dict[int, PinPolicy] = {
    KeyReference.SIGNATURE: PinPolicy.ALWAYS,
    KeyReference.CARD_AUTHENTICATION: PinPolicy.NEVER,
}
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def generate(ctx: Context, command: Command) -> Response:
    """A new key pair in the slot, kept by one atomic write; the certificate object stays as it is."""
    if command.p1 != 0x00:
        raise CardStatus(0x6A86)
    if ctx.contactless and not Profile.of(ctx).contactless_management:
        raise CardStatus(0x6A81)
    if not Session(ctx).managed:
        raise CardStatus(0x6982)
    if command.p2 not in ASYMMETRIC_REFERENCES:
        raise CardStatus(0x6A86)
    algorithm = _asked_algorithm(command.data)
    key = _new_key(ctx, algorithm)
    policy = POLICIES.get(command.p2, PinPolicy.ONCE)
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    ctx.nv.put(_name(command.p2), bytes((algorithm, policy)) + private)
    return Response(bytes(Tlv.build(0x7F49, _public_objects(key))))


def _asked_algorithm(data: bytes) -> Algorithm:
    try:
        template = Tlv.parse(data)
        found = template.find(0x80) if template.tag == 0xAC else None
        algorithm = Algorithm(int.from_bytes(found.value, "big")) if found else None
    except ValueError:
        raise CardStatus(0x6A80) from None
    if algorithm not in ASYMMETRIC:
        raise CardStatus(0x6A80)
    return algorithm


def _new_key(ctx: Context, algorithm: Algorithm) -> PrivateKey:
    if algorithm == Algorithm.RSA_2048:
        ctx.spend("rsa2048_keygen")
        return rsa.generate_private_key(65537, 2048)
    curve, _, cost = CURVES[algorithm]
    ctx.spend(f"{cost}_keygen")
    # 64 bits more than the order has, so that the remainder is as good as uniform (FIPS 186-5 A.2.1).
    number = int.from_bytes(ctx.random(curve.key_size // 8 + 8), "big")
    return ec.derive_private_key(number % (ORDERS[algorithm] - 1) + 1, curve)


def _public_objects(key: PrivateKey) -> tuple[Tlv, ...]:
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return Tlv(0x81, numbers.n.to_bytes(256, "big")), Tlv(0x82, numbers.e.to_bytes(3, "big"))
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return (Tlv(0x86, point),)


def general_authenticate(ctx: Context, command: Command) -> Response:
    """Management key 9B, or a private key. P1 is the algorithm, P2 the key."""
    elements = _elements(command.data)
    if command.p2 == KeyReference.MANAGEMENT:
        return _management(ctx, command.p1, elements)
    if command.p2 not in ASYMMETRIC_REFERENCES or _name(command.p2) not in ctx.nv:
        raise CardStatus(0x6A86)
    stored = ctx.nv.get(_name(command.p2))
    if stored[0] != command.p1:
        raise CardStatus(0x6A86)
    _allow(ctx, command.p2, PinPolicy(stored[1]))
    key = load_der_private_key(stored[2:], None)
    return Response(_template(RESPONSE, _use(ctx, command.p2, key, elements)))


def _elements(data: bytes) -> dict[int, bytes]:
    try:
        template = Tlv.parse(data)
        children = template.children if template.tag == TEMPLATE else ()
    except ValueError:
        raise CardStatus(0x6A80) from None
    if not children:
        raise CardStatus(0x6A80)
    return {child.tag: child.value for child in children}


def _template(tag: int, value: bytes) -> bytes:
    return bytes(Tlv.build(TEMPLATE, (Tlv(tag, value),)))


# 9B


def _management(ctx: Context, algorithm: int, elements: dict[int, bytes]) -> Response:
    session, stored = Session(ctx), ctx.nv.get("9b")
    if algorithm != stored[0]:
        raise CardStatus(0x6A86)
    if ctx.contactless and not Profile.of(ctx).contactless_management:
        raise CardStatus(0x6982)
    key = stored[1:]
    ctx.spend("aes_block", 2)
    if elements == {WITNESS: b""}:
        return Response(_template(WITNESS, _aes(key, _begin(ctx, session, WITNESS))))
    if elements == {CHALLENGE: b""}:
        return Response(_template(CHALLENGE, _begin(ctx, session, CHALLENGE)))
    if elements.get(WITNESS) and len(elements.get(CHALLENGE, b"")) == BLOCK:
        _finish(session, WITNESS, elements[WITNESS], lambda witness: witness)
        return Response(_template(RESPONSE, _aes(key, elements[CHALLENGE])))
    if elements.get(RESPONSE) and len(elements) == 1:
        _finish(session, CHALLENGE, elements[RESPONSE], lambda challenge: _aes(key, challenge))
        return Response()
    session.managed = False
    session.take_pending(0)
    raise CardStatus(0x6A80)


def _begin(ctx: Context, session: Session, tag: int) -> bytes:
    ctx.spend("random_block")
    value = ctx.random(BLOCK)
    session.set_pending(tag, value)
    return value


def _finish(session: Session, tag: int, answer: bytes, expected: Callable[[bytes], bytes]) -> None:
    pending = session.take_pending(tag)
    session.managed = False
    if pending is None or not hmac.compare_digest(expected(pending), answer):
        raise CardStatus(0x6982 if pending is not None else 0x6A80)
    session.managed = True


def _aes(key: bytes, block: bytes) -> bytes:
    cipher = Cipher(AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block, as the standard has it
    return cipher.update(block) + cipher.finalize()


# Private keys


def _allow(ctx: Context, reference: int, policy: PinPolicy) -> None:
    session = Session(ctx)
    strict = ctx.contactless and not Profile.of(ctx).contactless_management
    if strict and reference != KeyReference.CARD_AUTHENTICATION:
        raise CardStatus(0x6982)
    allowed = {
        PinPolicy.NEVER: True,
        PinPolicy.ONCE: session.pin_verified,
        PinPolicy.ALWAYS: session.pin_verified and session.pin_fresh,
    }[policy]
    if not allowed:
        raise CardStatus(0x6982)


def _use(ctx: Context, reference: int, key: object, elements: dict[int, bytes]) -> bytes:
    if EXPONENTIATION in elements:
        if reference != KeyReference.KEY_MANAGEMENT and reference not in RETIRED_KEYS:
            raise CardStatus(0x6A80)
        return _agree(ctx, key, elements[EXPONENTIATION])
    if elements.get(RESPONSE) != b"" or not elements.get(CHALLENGE):
        raise CardStatus(0x6A80)
    if isinstance(key, rsa.RSAPrivateKey):
        return _rsa(ctx, key, elements[CHALLENGE])
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _sign(ctx, key, elements[CHALLENGE])
    raise CardStatus(0x6A80)


def _rsa(ctx: Context, key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    """The raw private operation: padding is the host's."""
    numbers = key.private_numbers()
    modulus, value = numbers.public_numbers.n, int.from_bytes(data, "big")
    if len(data) != key.key_size // 8 or value >= modulus:
        raise CardStatus(0x6A80)
    ctx.spend("rsa2048_private")
    return pow(value, numbers.d, modulus).to_bytes(len(data), "big")


def _sign(ctx: Context, key: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes:
    """ECDSA over a hash as long as the curve or shorter; DER."""
    size = key.curve.key_size // 8
    algorithm = next(found for curve, found, _ in CURVES.values() if curve.name == key.curve.name)
    if len(digest) > size:
        raise CardStatus(0x6A80)
    ctx.spend("ec256_sign")
    # A shorter hash is the same number with zeros in front.
    padded = digest.rjust(size, b"\x00")
    try:
        return key.sign(padded, ec.ECDSA(Prehashed(algorithm), deterministic_signing=True))
    except UnsupportedAlgorithm:  # an OpenSSL older than 3.2
        return key.sign(padded, ec.ECDSA(Prehashed(algorithm)))


def _agree(ctx: Context, key: object, point: bytes) -> bytes:
    """ECDH: the X coordinate only."""
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CardStatus(0x6A80)
    try:
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, point)
    except ValueError:
        raise CardStatus(0x6A80) from None
    ctx.spend("ec256_agree")
    return key.exchange(ec.ECDH(), theirs)


def _name(reference: int) -> str:
    return f"key/{reference:02X}"
