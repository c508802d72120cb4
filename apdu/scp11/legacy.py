"""The older certificate format of GlobalPlatform, ``7F21`` (GPC 2.3.1 Amendment F 1.4 §6.1).

``7F21 { 93 serial, 42 id of the authority, 5F20 id of the subject, 95 usage, [5F25 effective], 5F24 expiry,
[53 | 73 discretionary], [BF20 authorisations], 7F49 { B0 point, F0 curve }, 5F37 signature }``. The signature
covers everything before it inside ``7F21``; DER and plain r ‖ s are both in the field.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from ..tlv import Tlv
from .certificates import Certificate
from .curves import curve_of, curve_reference, point, read_point

__all__ = ["KEY_AGREEMENT", "SIGNATURE_VERIFICATION", "build", "read"]

CERTIFICATE = 0x7F21
SERIAL, ISSUER, SUBJECT, USAGE = 0x93, 0x42, 0x5F20, 0x95
EFFECTIVE, EXPIRY = 0x5F25, 0x5F24
DISCRETIONARY, DISCRETIONARY_TEMPLATE, AUTHORISATIONS = 0x53, 0x73, 0xBF20
PUBLIC_KEY, SIGNATURE = 0x7F49, 0x5F37
POINT, CURVE = 0xB0, 0xF0
ORDER = (
    SERIAL,
    ISSUER,
    SUBJECT,
    USAGE,
    EFFECTIVE,
    EXPIRY,
    DISCRETIONARY,
    DISCRETIONARY_TEMPLATE,
    AUTHORISATIONS,
    PUBLIC_KEY,
    SIGNATURE,
)
REQUIRED = frozenset((SERIAL, ISSUER, SUBJECT, USAGE, EXPIRY, PUBLIC_KEY, SIGNATURE))
MAX_ID = 20
KEY_AGREEMENT, SIGNATURE_VERIFICATION = b"\x00\x80", b"\x82"


def read(raw: bytes) -> Certificate:
    """Read one certificate. Raises ValueError."""
    outer = Tlv.parse(raw)
    parts = outer.children if outer.tag == CERTIFICATE else ()
    fields = {part.tag: part.value for part in parts}
    tags = [part.tag for part in parts]
    in_order = [tag for tag in ORDER if tag in fields]
    if tags != in_order or not set(tags) >= REQUIRED:
        raise ValueError("a certificate 7F21 lacks data objects, or has them in another order")
    if not all(0 < len(fields[tag]) <= MAX_ID for tag in (SERIAL, ISSUER, SUBJECT)):
        raise ValueError(f"serial number and ids of a certificate have 1 to {MAX_ID} bytes")
    usage = fields[USAGE]
    if usage not in (KEY_AGREEMENT, SIGNATURE_VERIFICATION):
        raise ValueError(f"the usage {usage.hex().upper()} of a certificate is not known")
    return Certificate(
        raw=raw,
        serial=fields[SERIAL],
        issuer_id=fields[ISSUER],
        subject_id=fields[SUBJECT],
        key=_key(fields[PUBLIC_KEY]),
        signs=usage == SIGNATURE_VERIFICATION,
        agrees=usage == KEY_AGREEMENT,
        not_before=_day(fields[EFFECTIVE]) if EFFECTIVE in fields else None,
        # The day of expiry is still a day of validity.
        not_after=_day(fields[EXPIRY]) + datetime.timedelta(days=1, microseconds=-1),
        body=b"".join(_as_sent(outer.value)[:-1]),
        signature=fields[SIGNATURE],
        owner=fields[SUBJECT],
        authorisations=fields.get(AUTHORISATIONS, b""),
        digest=SHA256(),
    )


def build(
    *,
    serial: bytes,
    issuer_id: bytes,
    subject_id: bytes,
    usage: bytes,
    expiry: datetime.date,
    key: ec.EllipticCurvePublicKey,
    sign: Callable[[bytes], bytes],
    effective: datetime.date | None = None,
) -> bytes:
    """A certificate; ``sign`` makes the signature over the given bytes, ECDSA with SHA-256."""
    fields = {
        SERIAL: serial,
        ISSUER: issuer_id,
        SUBJECT: subject_id,
        USAGE: usage,
        **({} if effective is None else {EFFECTIVE: _decimal(effective)}),
        EXPIRY: _decimal(expiry),
        PUBLIC_KEY: bytes(Tlv(POINT, point(key))) + bytes(Tlv(CURVE, bytes((curve_reference(key.curve),)))),
    }
    body = b"".join(bytes(Tlv(tag, value)) for tag, value in fields.items())
    return bytes(Tlv(CERTIFICATE, body + bytes(Tlv(SIGNATURE, sign(body)))))


def _as_sent(content: bytes) -> list[bytes]:
    """The data objects with their own bytes: a length may be written longer than it needs to be."""
    pieces, offset = [], 0
    while offset < len(content):
        _, end = Tlv.read(content, offset)
        pieces.append(content[offset:end])
        offset = end
    return pieces


def _key(raw: bytes) -> ec.EllipticCurvePublicKey:
    parts = {part.tag: part.value for part in Tlv.parse_all(raw)}
    if set(parts) != {POINT, CURVE} or len(parts[CURVE]) != 1:
        raise ValueError("a public key of a certificate is made of the data objects B0 and F0")
    return read_point(curve_of(parts[CURVE][0]), parts[POINT])


def _day(raw: bytes) -> datetime.datetime:
    """Four bytes: BCD ``YYYYMMDD``, or century, year, month and day as plain numbers; both are seen."""
    if len(raw) != 4:
        raise ValueError("a date of a certificate has 4 bytes")
    text = raw.hex()
    century, year, month, day = raw
    if text.isdecimal() and 1 <= int(text[4:6]) <= 12:
        century, year, month, day = (int(text[at : at + 2]) for at in range(0, 8, 2))
    return datetime.datetime(century * 100 + year, month, day, tzinfo=datetime.UTC)


def _decimal(day: datetime.date) -> bytes:
    return bytes.fromhex(f"{day:%Y%m%d}")
