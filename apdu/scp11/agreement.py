"""What both sides of SCP11 compute: control reference, session keys, receipt (GPC 2.3.1 Amendment F 1.4).

``Z`` is the ephemeral shared secret followed by the static one, the derivation ANSI X9.63 with SHA-256, and
the receipt an AES-CMAC over the bytes that went over the line, so a message keeps the form it came in.
"""

from __future__ import annotations

import enum
import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from ..ports import SessionKeys
from ..scp03.crypto import cmac
from ..secret import Secret
from ..tlv import Tlv

__all__ = [
    "AgreedKeys",
    "Answer",
    "KeyUsage",
    "Request",
    "Variant",
    "agree",
]

CONTROL_REFERENCE, PUBLIC_KEY, RECEIPT = 0xA6, 0x5F49, 0x86
SCP_IDENTIFIER, KEY_USAGE, KEY_TYPE, KEY_LENGTH, HOST_ID = 0x90, 0x95, 0x80, 0x81, 0x84
SCP11, AES = 0x11, 0x88
KEY_LENGTHS = (16, 24, 32)
WITH_HOST_ID = 0x04
RECEIPT_LENGTH = 16


class Variant(enum.Enum):
    """The three protocols: ``kid`` of the card's key, and the first bits of the SCP11 parameter.

    a: both sides are authenticated. b: the card alone. c: both, and the card's static key stands in for an
    ephemeral one, so that a host can prepare a whole script without the card.
    """

    A = ("a", 0x11, 0x01)
    B = ("b", 0x13, 0x00)
    C = ("c", 0x15, 0x03)

    def __init__(self, letter: str, kid: int, parameter: int) -> None:
        self.letter = letter
        self.kid = kid
        self.parameter = parameter

    @classmethod
    def of_kid(cls, kid: int) -> Variant:
        """Raises ValueError for a key identifier that is none of the three."""
        for variant in cls:
            if variant.kid == kid:
                return variant
        raise ValueError(f"a key with identifier {kid:02X} opens no SCP11 channel")

    @property
    def instruction(self) -> int:
        """INTERNAL AUTHENTICATE for b, MUTUAL AUTHENTICATE for a and c."""
        return 0x88 if self is Variant.B else 0x82

    @property
    def authenticates_host(self) -> bool:
        """Whether the host proves who it is."""
        return self is not Variant.B


class KeyUsage(enum.IntEnum):
    """Key usage qualifier of the session (GPC 2.3.1 §11.1.9), and the security level that it stands for."""

    MAC = 0x34
    MAC_AND_ENCRYPTION = 0x3C

    @property
    def level(self) -> int:
        """Security level of SCP03 (Amd D table 7-4)."""
        return 0x33 if self is KeyUsage.MAC_AND_ENCRYPTION else 0x11


@dataclass(frozen=True, slots=True)
class Request:
    """Data of INTERNAL and MUTUAL AUTHENTICATE: ``A6 { 90 95 80 81 [84] }`` and the host's ephemeral key.

    ``raw`` is what the receipt covers: the bytes as they were sent. ``host_id`` takes part in the key
    derivation when the parameter has bit 3.
    """

    raw: bytes
    variant: Variant
    usage: KeyUsage
    key_length: int
    point: bytes
    host_id: bytes | None = None

    @classmethod
    def build(
        cls,
        variant: Variant,
        point: bytes,
        *,
        usage: KeyUsage = KeyUsage.MAC_AND_ENCRYPTION,
        key_length: int = 16,
        host_id: bytes | None = None,
    ) -> Request:
        """A request in the order of tags that every known host uses. Raises ValueError for a key length."""
        if key_length not in KEY_LENGTHS:
            raise ValueError(f"session keys have 16, 24 or 32 bytes, not {key_length}")
        parameter = variant.parameter | (0 if host_id is None else WITH_HOST_ID)
        parts = [
            Tlv(SCP_IDENTIFIER, bytes((SCP11, parameter))),
            Tlv(KEY_USAGE, bytes((usage,))),
            Tlv(KEY_TYPE, bytes((AES,))),
            Tlv(KEY_LENGTH, bytes((key_length,))),
        ]
        if host_id is not None:
            parts.append(Tlv(HOST_ID, host_id))
        raw = bytes(Tlv.build(CONTROL_REFERENCE, parts)) + bytes(Tlv(PUBLIC_KEY, point))
        return cls(raw, variant, usage, key_length, point, host_id)

    @classmethod
    def parse(cls, raw: bytes) -> Request:
        """Read what a host sent. Raises ValueError for anything that this card could not agree to."""
        parts = Tlv.parse_all(raw)
        if [part.tag for part in parts] != [CONTROL_REFERENCE, PUBLIC_KEY]:
            raise ValueError("a request is made of the data objects A6 and 5F49")
        reference, point = parts[0].children, parts[1].value
        inner = {part.tag: part.value for part in reference}
        required = {SCP_IDENTIFIER, KEY_USAGE, KEY_TYPE, KEY_LENGTH}
        if len(inner) != len(reference) or not required <= set(inner) <= required | {HOST_ID}:
            raise ValueError("the control reference template lacks a data object, or holds a strange one")
        identifier, length = inner[SCP_IDENTIFIER], inner[KEY_LENGTH]
        if len(identifier) != 2 or identifier[0] != SCP11 or inner[KEY_TYPE] != bytes((AES,)):
            raise ValueError("not a request for SCP11 with AES")
        if len(length) != 1 or length[0] not in KEY_LENGTHS or len(inner[KEY_USAGE]) != 1:
            raise ValueError("the length or the usage of the session keys makes no sense")
        host_id = inner.get(HOST_ID)
        if bool(identifier[1] & WITH_HOST_ID) != (host_id is not None):
            raise ValueError("the parameter and the host id contradict each other")
        parameter = identifier[1] & ~WITH_HOST_ID
        variant = next((found for found in Variant if found.parameter == parameter), None)
        if variant is None:
            raise ValueError(f"{identifier[1]:02X} is not a parameter of SCP11")
        return cls(raw, variant, KeyUsage(inner[KEY_USAGE][0]), length[0], point, host_id)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the card answers: its ephemeral key (in SCP11c its static one), and the receipt.

    ``key_object`` is the data object ``5F49`` as it was sent.
    """

    key_object: bytes
    point: bytes
    receipt: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Answer:
        """Raises ValueError for anything but ``5F49`` and a receipt of 16 bytes."""
        key, end = Tlv.read(raw, 0)
        receipt = Tlv.parse(raw[end:])
        if key.tag != PUBLIC_KEY or receipt.tag != RECEIPT or len(receipt.value) != RECEIPT_LENGTH:
            raise ValueError("an answer is made of the data objects 5F49 and 86, the latter of 16 bytes")
        return cls(raw[:end], key.value, receipt.value)

    @classmethod
    def build(cls, point: bytes, keys: AgreedKeys, request: Request) -> Answer:
        """The card's answer."""
        key_object = bytes(Tlv(PUBLIC_KEY, point))
        return cls(key_object, point, keys.receipt_over(request.raw + key_object))

    def __bytes__(self) -> bytes:
        return self.key_object + bytes(Tlv(RECEIPT, self.receipt))


@dataclass(frozen=True, slots=True)
class AgreedKeys:
    """The five keys of one agreement, each as long as the request asked; ``receipt`` is used once."""

    receipt: Secret = field(repr=False)
    session: SessionKeys = field(repr=False)
    dek: Secret = field(repr=False)

    def receipt_over(self, exchanged: bytes) -> bytes:
        """The receipt over request and ``5F49`` of the answer: 16 bytes, in S8 mode too."""
        return cmac(self.receipt, exchanged)

    def confirms(self, request: Request, answer: Answer) -> bool:
        """Whether the receipt is the right one, compared in constant time."""
        return hmac.compare_digest(self.receipt_over(request.raw + answer.key_object), answer.receipt)


def agree(request: Request, ephemeral: bytes, static: bytes, card_ids: tuple[bytes, ...] = ()) -> AgreedKeys:
    """Derive the keys from both shared secrets.

    ``card_ids`` take part when the request carries a host id: SIN and SDIN of the security domain, in SCP11c
    the card group id; each goes in with its length before it.
    """
    shared_info = bytes((request.usage, AES, request.key_length))
    if request.host_id is not None:
        shared_info += b"".join(bytes((len(value),)) + value for value in (request.host_id, *card_ids))
    size = request.key_length
    derived = X963KDF(SHA256(), 5 * size, shared_info).derive(ephemeral + static)
    receipt, enc, mac, rmac, dek = (Secret(derived[at : at + size]) for at in range(0, 5 * size, size))
    return AgreedKeys(receipt, SessionKeys(enc, mac, rmac), dek)
