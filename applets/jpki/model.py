"""Identifiers and codecs of the JPKI application: AID, elementary files, PIN rules, token info, DigestInfo.

No official APDU specification is public. File numbers and rules are those that open clients (OpenSC, myna and
others) agree on; the token info is a serialised ``CK_TOKEN_INFO`` (PKCS #11), DigestInfo is RFC 8017 §9.2.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ...apdu.errors import Words
from ...apdu.pin import PinChange, PinReference, PinRule

__all__ = [
    "AID",
    "DIGEST_INFO",
    "KEY_BYTES",
    "MAX_SIGN_INPUT",
    "PINS",
    "TOKEN_INFO_BYTES",
    "Ef",
    "JpkiKey",
    "PinRule",
    "SignMode",
    "TokenInfo",
    "digest_info",
]

AID = bytes.fromhex("D392F000260100000001")
KEY_BYTES = 256
MAX_SIGN_INPUT = KEY_BYTES - 11
TOKEN_INFO_BYTES = 160


class Ef(enum.IntEnum):
    """Elementary files. Every id is below 001F, so each works as a short id too."""

    SIGNATURE_CERTIFICATE = 0x0001
    SIGNATURE_CA_CERTIFICATE = 0x0002
    TOKEN_INFO = 0x0006
    AVAILABILITY = 0x0008
    PROTECTED_0009 = 0x0009
    AUTHENTICATION_CERTIFICATE = 0x000A
    AUTHENTICATION_CA_CERTIFICATE = 0x000B
    TERMINAL_CA_KEY = 0x0016
    AUTHENTICATION_KEY = 0x0017
    AUTHENTICATION_PIN = 0x0018
    SIGNATURE_KEY = 0x001A
    SIGNATURE_PIN = 0x001B


INTERNAL_FILES = (0x0005, 0x0010, 0x0019, 0x001C, 0x001E)
"""Files that can be selected and answer 6981 to READ BINARY; what they hold is not known."""


class SignMode(enum.IntEnum):
    """P1 of COMPUTE DIGITAL SIGNATURE: what the card adds before it uses the key."""

    PADDING_ONLY = 0x00
    HASH_WITHOUT_DIGEST_INFO = 0x01
    DIGEST_INFO = 0x02
    HASH_AND_DIGEST_INFO = 0x03
    PSS = 0x04
    HASH_AND_PSS = 0x05


class JpkiKey(enum.Enum):
    """The two keys, each with its files and its PIN."""

    AUTHENTICATION = (
        Ef.AUTHENTICATION_KEY,
        Ef.AUTHENTICATION_PIN,
        Ef.AUTHENTICATION_CERTIFICATE,
        Ef.AUTHENTICATION_CA_CERTIFICATE,
        PinRule(
            Words("authentication PIN", "利用者証明用暗証番号"),
            r"[0-9]{4}",
            Words("4 digits", "数字 4 桁"),
            3,
            4,
            4,
        ),
    )
    SIGNATURE = (
        Ef.SIGNATURE_KEY,
        Ef.SIGNATURE_PIN,
        Ef.SIGNATURE_CERTIFICATE,
        Ef.SIGNATURE_CA_CERTIFICATE,
        PinRule(
            Words("signature password", "署名用パスワード"),
            r"[A-Z0-9]{6,16}",
            Words("6 to 16 letters and digits", "英数字 6~16 文字"),
            5,
            6,
            16,
            r"(?=.*[A-Z])(?=.*[0-9])[A-Z0-9]{6,16}",
            Words("6 to 16 letters and digits, both of them", "英字と数字を混ぜた 6~16 文字"),
        ),
    )

    def __init__(self, key: Ef, pin: Ef, certificate: Ef, ca_certificate: Ef, rule: PinRule) -> None:
        self.key_file = key
        self.pin_file = pin
        self.certificate_file = certificate
        self.ca_certificate_file = ca_certificate
        self.pin_rule = rule

    @property
    def pin(self) -> PinReference:
        """Where and what the PIN of this key is."""
        name = "auth" if self.pin_file == Ef.AUTHENTICATION_PIN else "sign"
        return PinReference(name, AID, self.pin_file, self.pin_rule, PinChange.CHANGE_REFERENCE_DATA)


PINS = tuple(key.pin for key in JpkiKey)


DIGEST_INFO = {
    "sha1": bytes.fromhex("3021300906052B0E03021A05000414"),
    "sha256": bytes.fromhex("3031300D060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300D060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300D060960864801650304020305000440"),
}
"""DigestInfo up to the hash value (RFC 8017 §9.2 note 1); its last byte is the length of the hash."""


def digest_info(algorithm: str, digest: bytes) -> bytes:
    """DigestInfo of a hash value. Raises ValueError for an unknown algorithm or a wrong length."""
    prefix = DIGEST_INFO.get(algorithm)
    if prefix is None:
        raise ValueError(f"hash algorithms are {', '.join(DIGEST_INFO)}; got {algorithm!r}")
    if len(digest) != prefix[-1]:
        raise ValueError(f"a {algorithm} value has {prefix[-1]} bytes, got {len(digest)}")
    return prefix + digest


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """EF 0006: ``CK_TOKEN_INFO`` with 32-bit big-endian numbers, texts padded with spaces, 160 bytes.

    ``serial`` is the same on many cards: it does not tell cards apart.
    """

    label: str = "JPKIAPICCTOKEN2"
    manufacturer: str = "00000000000000000000000000000001"
    model: str = "E16R01NJ"
    serial: str = "0000000020500003"
    flags: int = 0x0000040D
    counts: tuple[int, int, int, int] = (1, 0, 1, 0)
    max_pin: int = 16
    min_pin: int = 6
    memory: tuple[int, int, int, int] = (0xFFFFFFFF,) * 4
    hardware: str = "03"
    firmware: str = "01"
    time: str = "9" * 16

    def __bytes__(self) -> bytes:
        numbers = (self.flags, *self.counts, self.max_pin, self.min_pin, *self.memory)
        return b"".join(
            (
                _text(self.label, 32),
                _text(self.manufacturer, 32),
                _text(self.model, 16),
                _text(self.serial, 16),
                *(number.to_bytes(4, "big") for number in numbers),
                _text(self.hardware, 2),
                _text(self.firmware, 2),
                _text(self.time, 16),
            )
        )

    @classmethod
    def parse(cls, raw: bytes) -> TokenInfo:
        """Read the 160 bytes; spaces and NULs at the end of texts are dropped. Raises ValueError."""
        if len(raw) != TOKEN_INFO_BYTES:
            raise ValueError(f"token info has {TOKEN_INFO_BYTES} bytes, got {len(raw)}")

        def text(start: int, stop: int) -> str:
            return raw[start:stop].decode("ascii").rstrip(" \0")

        numbers = [int.from_bytes(raw[at : at + 4], "big") for at in range(96, 140, 4)]
        return cls(
            label=text(0, 32),
            manufacturer=text(32, 64),
            model=text(64, 80),
            serial=text(80, 96),
            flags=numbers[0],
            counts=(numbers[1], numbers[2], numbers[3], numbers[4]),
            max_pin=numbers[5],
            min_pin=numbers[6],
            memory=(numbers[7], numbers[8], numbers[9], numbers[10]),
            hardware=text(140, 142),
            firmware=text(142, 144),
            time=text(144, 160),
        )


def _text(value: str, length: int) -> bytes:
    raw = value.encode("ascii")
    if len(raw) > length:
        raise ValueError(f"{value!r} does not fit {length} bytes")
    return raw.ljust(length, b" ")
