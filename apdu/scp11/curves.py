"""Elliptic curves of SCP11: references, points and ECKA (GPC 2.3.1 §B.4, table B-2; TR-03111 §4.3)."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec

__all__ = [
    "CURVES",
    "curve_of",
    "curve_reference",
    "ecka",
    "field_bytes",
    "new_private_key",
    "point",
    "private_key",
    "read_point",
    "scalar",
]

CURVES: dict[int, ec.EllipticCurve] = {
    0x00: ec.SECP256R1(),
    0x01: ec.SECP384R1(),
    0x02: ec.SECP521R1(),
    0x03: ec.BrainpoolP256R1(),
    0x05: ec.BrainpoolP384R1(),
    0x07: ec.BrainpoolP512R1(),
}
"""Key parameter reference ``F0`` to curve. The twisted Brainpool curves (04, 06, 08) are not offered."""
UNCOMPRESSED = 0x04


def curve_of(reference: int) -> ec.EllipticCurve:
    """The curve of a key parameter reference. Raises ValueError for one that is not offered."""
    if reference not in CURVES:
        raise ValueError(f"the curve with reference {reference:02X} is not offered")
    return CURVES[reference]


def curve_reference(curve: ec.EllipticCurve) -> int:
    """The inverse of :func:`curve_of`."""
    for reference, known in CURVES.items():
        if known.name == curve.name:
            return reference
    raise ValueError(f"{curve.name} is not a curve of SCP11")


def field_bytes(curve: ec.EllipticCurve) -> int:
    """Length of a coordinate, and of a private key."""
    return (curve.key_size + 7) // 8


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """``04 ‖ X ‖ Y``."""
    numbers, size = key.public_numbers(), field_bytes(key.curve)
    return bytes((UNCOMPRESSED,)) + numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


def read_point(curve: ec.EllipticCurve, raw: bytes) -> ec.EllipticCurvePublicKey:
    """The public key ``04 ‖ X ‖ Y``. Raises ValueError for another form and for a point not on the curve."""
    if len(raw) != 1 + 2 * field_bytes(curve) or raw[0] != UNCOMPRESSED:
        raise ValueError(f"not an uncompressed point of {curve.name}")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, raw)
    except ValueError:
        raise ValueError(f"the point is not on {curve.name}") from None


def private_key(curve: ec.EllipticCurve, raw: bytes) -> ec.EllipticCurvePrivateKey:
    """The private key with this big-endian number. Raises ValueError outside of 1 … n-1."""
    return ec.derive_private_key(int.from_bytes(raw, "big"), curve)


def scalar(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The private number, as long as a coordinate."""
    return key.private_numbers().private_value.to_bytes(field_bytes(key.curve), "big")


def new_private_key(curve: ec.EllipticCurve, entropy: Callable[[int], bytes]) -> ec.EllipticCurvePrivateKey:
    """A key pair from a given source of randomness, by testing candidates (FIPS 186-5 §A.2.2)."""
    mask = (1 << curve.key_size) - 1
    while True:
        candidate = int.from_bytes(entropy(field_bytes(curve)), "big") & mask
        try:
            return ec.derive_private_key(candidate, curve)
        except ValueError:
            # Zero, or not below the order of the group: draw again.
            continue


def ecka(own: ec.EllipticCurvePrivateKey, other: ec.EllipticCurvePublicKey) -> bytes:
    """The X coordinate of the shared point, as long as the field. Raises ValueError for another curve."""
    if own.curve.name != other.curve.name:
        raise ValueError(f"a key of {other.curve.name} does not agree with one of {own.curve.name}")
    return own.exchange(ec.ECDH(), other)
