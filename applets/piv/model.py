"""Names and numbers of the PIV card application.

Documents: NIST SP 800-73-5 part 1 (data model), part 2 (card edge), SP 800-78-5 (algorithms). The DGIs of the
personalisation are our own, since PIV leaves that to the issuer.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

PACKAGE_AID = bytes.fromhex("A00000030800001000")
MODULE_AID = bytes.fromhex("A000000308000010000100")
INSTANCE_AID = bytes.fromhex("A000000308000010000100")
RID = bytes.fromhex("A000000308")

APPLICATION_PROPERTY_TEMPLATE = bytes.fromhex("61164F0BA00000030800001000010079074F05A000000308")
DISCOVERY = bytes.fromhex("7E124F0BA0000003080000100001005F2F024000")
"""Discovery object: PIV PIN only (usage policy 40 00)."""


class Ins(enum.IntEnum):
    """Instruction bytes (SP 800-73-5 part 2 §3)."""

    VERIFY = 0x20
    CHANGE_REFERENCE_DATA = 0x24
    RESET_RETRY_COUNTER = 0x2C
    GENERATE_ASYMMETRIC_KEY_PAIR = 0x47
    GENERAL_AUTHENTICATE = 0x87
    GET_DATA = 0xCB
    PUT_DATA = 0xDB


class Algorithm(enum.IntEnum):
    """Algorithm identifiers (SP 800-78-5 table 6-2)."""

    RSA_2048 = 0x07
    AES_128 = 0x08
    AES_192 = 0x0A
    AES_256 = 0x0C
    P256 = 0x11
    P384 = 0x14

    @property
    def key_length(self) -> int:
        """Bytes of a symmetric key; of a coordinate or modulus otherwise."""
        return {0x07: 256, 0x08: 16, 0x0A: 24, 0x0C: 32, 0x11: 32, 0x14: 48}[self]


ASYMMETRIC = (Algorithm.RSA_2048, Algorithm.P256, Algorithm.P384)
SYMMETRIC = (Algorithm.AES_128, Algorithm.AES_192, Algorithm.AES_256)


class KeyReference(enum.IntEnum):
    """Key references (SP 800-73-5 part 1 table 4b)."""

    PIN = 0x80
    PUK = 0x81
    AUTHENTICATION = 0x9A
    MANAGEMENT = 0x9B
    SIGNATURE = 0x9C
    KEY_MANAGEMENT = 0x9D
    CARD_AUTHENTICATION = 0x9E


RETIRED_KEYS = range(0x82, 0x96)
ASYMMETRIC_REFERENCES = frozenset({0x9A, 0x9C, 0x9D, 0x9E, *RETIRED_KEYS})


class ObjectTag(enum.IntEnum):
    """BER-TLV tags of data objects (SP 800-73-5 part 1 table 3)."""

    CARD_AUTHENTICATION_CERTIFICATE = 0x5FC101
    CHUID = 0x5FC102
    FINGERPRINTS = 0x5FC103
    AUTHENTICATION_CERTIFICATE = 0x5FC105
    SECURITY_OBJECT = 0x5FC106
    CCC = 0x5FC107
    FACIAL_IMAGE = 0x5FC108
    PRINTED_INFORMATION = 0x5FC109
    SIGNATURE_CERTIFICATE = 0x5FC10A
    KEY_MANAGEMENT_CERTIFICATE = 0x5FC10B
    KEY_HISTORY = 0x5FC10C
    IRIS = 0x5FC121
    SECURE_MESSAGING_CERTIFICATE = 0x5FC122
    PAIRING_CODE = 0x5FC123
    DISCOVERY = 0x7E
    BIOMETRIC_GROUP = 0x7F61


STORED_OBJECTS = frozenset({*range(0x5FC101, 0x5FC104), *range(0x5FC105, 0x5FC124), 0x7F61})
"""Objects that PUT DATA may write; the discovery object is fixed."""

PIN_PROTECTED = frozenset({0x5FC103, 0x5FC108, 0x5FC109, 0x5FC121, 0x5FC123})
"""Objects readable after the PIN only."""

CONTACTLESS_FREE = frozenset({0x5FC102, 0x5FC101, 0x7E, 0x7F61, 0x5FC122})
"""Objects readable over a contactless interface without a virtual contact interface."""

CERTIFICATE_TAGS: Mapping[int, int] = {
    0x9A: ObjectTag.AUTHENTICATION_CERTIFICATE,
    0x9C: ObjectTag.SIGNATURE_CERTIFICATE,
    0x9D: ObjectTag.KEY_MANAGEMENT_CERTIFICATE,
    0x9E: ObjectTag.CARD_AUTHENTICATION_CERTIFICATE,
    **{reference: 0x5FC10C + reference - 0x81 for reference in RETIRED_KEYS},
}
"""Key reference to the tag of its certificate object."""


class Dgi(enum.IntEnum):
    """Data groupings of the personalisation; 80xx hold a value encrypted under the DEK of the channel.

    ``GUID``: 16 bytes. ``MANAGEMENT_KEY``: algorithm (1), check value (3), cryptogram (16 or 32).
    ``PIN`` and ``PUK``: tries (1), cryptogram (16) of the 8 bytes and ``80 00 00 00 00 00 00 00``.
    """

    GUID = 0x0102
    PIN = 0x8080
    PUK = 0x8081
    MANAGEMENT_KEY = 0x809B


MAX_TRIES = 10
DEFAULT_PIN_TRIES = 5
DEFAULT_PUK_TRIES = 5
PIN_LENGTH = 8


def padded_pin(digits: bytes) -> bytes:
    """A PIN as the card takes it: 6 to 8 ASCII digits, FF to 8 bytes (SP 800-73-5 part 2 §2.4.3).

    Raises ValueError, without the digits.
    """
    if not 6 <= len(digits) <= PIN_LENGTH or not digits.isdigit():
        raise ValueError("a PIV PIN has 6 to 8 digits")
    return digits.ljust(PIN_LENGTH, b"\xff")
