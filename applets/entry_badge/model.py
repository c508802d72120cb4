"""Names, numbers and pure functions of the entry badge (docs/protocols/entry-badge.md).

Card and door calculate with the same functions; what they compute is proved by OpenSSL's command line. Key
references of the key ring for scheme ``entry-badge``: usage ``site`` and ``privacy`` with the 4-byte site as
diversification, usage ``badge`` with site ‖ diversifier; the version is the key version, the length 16.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from ...apdu.tlv import Tlv

PACKAGE_AID = bytes.fromhex("F054454741544101")
MODULE_AID = PACKAGE_AID + b"\x01"
INSTANCE_AID = PACKAGE_AID + b"\x01\x01"

PROTOCOL_VERSION = 1
AUTHENTICATE_CLA, AUTHENTICATE_INS = 0x80, 0x82
REFUSED = 0x6982
KEY_LENGTH = 16
CHALLENGE_LENGTH = 16
DIVERSIFIER_LENGTH = 16
MAC_LENGTH = 16
TOKEN_LENGTH = 40
PLAIN_LENGTH = 80
ANSWER_LENGTH = PLAIN_LENGTH + MAC_LENGTH
MAX_PAIRS = 4
SLOTS = range(1, 5)

SCHEME = "entry-badge"
LABEL = b"tegata-badge/1 "


# Data groupings of the personalisation; for all but the first the low byte is the slot.
DGI_DIVERSIFIER = 0x0100
DGI_RECORD = 0x0100
DGI_FORGET_VERSION = 0x0200
DGI_BADGE_KEY = 0x8100
DGI_PRIVACY_KEY = 0x8200


# Keys


def kdf_input(label: bytes, context: bytes) -> bytes:
    """What the CMAC of :func:`kdf` runs over, for a key ring that computes it."""
    return b"\x00\x00\x00\x01" + LABEL + label + b"\x00" + context + b"\x00\x00\x00\x80"


def kdf(key: bytes, label: bytes, context: bytes) -> bytes:
    """SP 800-108r1 §4.1, counter mode with AES-CMAC, for 16 bytes of output: one CMAC."""
    return cmac(key, kdf_input(label, context))


def cmac(key: bytes, message: bytes) -> bytes:
    """AES-CMAC (SP 800-38B), 16 bytes."""
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


def site_key(master: bytes, site: int, version: int) -> bytes:
    """The authentication key of a site's doors."""
    return kdf(master, b"site", _site_version(site, version))


def privacy_key(master: bytes, site: int, version: int) -> bytes:
    """The key that hides the diversifier from strangers; doors and badges of the site hold it."""
    return kdf(master, b"privacy", _site_version(site, version))


def badge_key(site: bytes, diversifier: bytes) -> bytes:
    """The key of one badge, from the site key (16 bytes)."""
    if len(diversifier) != DIVERSIFIER_LENGTH:
        raise ValueError(f"a diversifier has {DIVERSIFIER_LENGTH} bytes, got {len(diversifier)}")
    return kdf(site, b"badge", diversifier)


def _site_version(site: int, version: int) -> bytes:
    if not 1 <= version <= 0xFF:
        raise ValueError(f"a key version is 1 to 255, got {version}")
    return site.to_bytes(4, "big") + bytes((version,))


# Token


@dataclass(frozen=True, slots=True)
class TokenKeys:
    """Encryption and MAC key of the token of one slot and version."""

    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)


def token_keys(privacy: bytes, slot: int, version: int) -> TokenKeys:
    """Both keys of a token, from the privacy key."""
    context = bytes((slot, version))
    return TokenKeys(kdf(privacy, b"token enc", context), kdf(privacy, b"token mac", context))


def seal_token(keys: TokenKeys, challenge: bytes, fresh: bytes, diversifier: bytes) -> bytes:
    """The diversifier as the FCI carries it; ``fresh`` is 16 random bytes used once."""
    encrypted = _cbc_encrypt(keys.enc, fresh + diversifier)
    return encrypted + cmac(keys.mac, challenge + encrypted)[:8]


def open_token(keys: TokenKeys, challenge: bytes, token: bytes) -> bytes | None:
    """The diversifier, or None when these keys did not make the token."""
    encrypted, check = token[:32], token[32:]
    if len(token) != TOKEN_LENGTH or not hmac.compare_digest(
        check, cmac(keys.mac, challenge + encrypted)[:8]
    ):
        return None
    return _cbc_decrypt(keys.enc, encrypted)[16:]


# FCI


@dataclass(frozen=True, slots=True)
class Fci:
    """The answer to SELECT. ``pairs`` are (slot, version); ``tokens`` stand in the same order."""

    pairs: tuple[tuple[int, int], ...]
    challenge: bytes
    tokens: tuple[bytes, ...]
    aid: bytes = INSTANCE_AID
    protocol: int = PROTOCOL_VERSION

    def __bytes__(self) -> bytes:
        inner = (
            Tlv(0x80, bytes((self.protocol,))),
            Tlv(0x81, b"".join(bytes(pair) for pair in self.pairs)),
            Tlv(0x82, self.challenge),
            Tlv(0x83, b"".join(self.tokens)),
        )
        return bytes(Tlv.build(0x6F, (Tlv(0x84, self.aid), Tlv.build(0xA5, inner))))

    @classmethod
    def parse(cls, raw: bytes) -> Fci:
        """Read it exactly. Raises ValueError for anything but the form of version 1."""
        outer = Tlv.parse(raw)
        aid, inner = _exactly(outer.children, 0x84, 0xA5) if outer.tag == 0x6F else (b"", b"")
        protocol, pairs, challenge, tokens = _exactly(Tlv.parse_all(inner), 0x80, 0x81, 0x82, 0x83)
        if protocol != bytes((PROTOCOL_VERSION,)) or len(challenge) != CHALLENGE_LENGTH:
            raise ValueError("not an FCI of protocol version 1")
        count = len(pairs) // 2
        if len(pairs) % 2 or len(tokens) != count * TOKEN_LENGTH or count > MAX_PAIRS:
            raise ValueError("key versions and tokens of the FCI do not match")
        fci = cls(
            tuple((pairs[i], pairs[i + 1]) for i in range(0, len(pairs), 2)),
            challenge,
            tuple(tokens[i : i + TOKEN_LENGTH] for i in range(0, len(tokens), TOKEN_LENGTH)),
            aid,
        )
        if bytes(fci) != raw or len(set(fci.pairs)) != count:
            raise ValueError("the FCI is not in its one form")
        return fci


def _exactly(found: Iterable[Tlv], *tags: int) -> list[bytes]:
    found = list(found)
    if [tlv.tag for tlv in found] != list(tags):
        raise ValueError(f"expected data objects {', '.join(f'{tag:X}' for tag in tags)}")
    return [tlv.value for tlv in found]


# Record


@dataclass(frozen=True, slots=True)
class BadgeRecord:
    """What a door learns. Times are aware, in whole seconds; valid in [valid_from, valid_until)."""

    badge_number: str
    site: int
    valid_from: datetime
    valid_until: datetime
    access_classes: frozenset[int] = frozenset()

    def __bytes__(self) -> bytes:
        number = self.badge_number.encode("ascii", "replace")
        if not 1 <= len(number) <= 20 or any(not 0x21 <= byte <= 0x7E for byte in number):
            raise ValueError("a badge number has 1 to 20 visible ASCII characters")
        if number.decode() != self.badge_number or len(self.access_classes) > 12:
            raise ValueError("a badge number is ASCII, and a badge has at most 12 access classes")
        classes = b"".join(number.to_bytes(2, "big") for number in sorted(self.access_classes))
        parts = (
            Tlv(0x80, number),
            Tlv(0x81, self.site.to_bytes(4, "big")),
            Tlv(0x82, _seconds(self.valid_from)),
            Tlv(0x83, _seconds(self.valid_until)),
            Tlv(0x84, classes),
        )
        return b"".join(bytes(part) for part in parts)

    @classmethod
    def parse(cls, raw: bytes) -> BadgeRecord:
        """Read it exactly. Raises ValueError for anything but the one form."""
        number, site, begin, end, classes = _exactly(Tlv.parse_all(raw), 0x80, 0x81, 0x82, 0x83, 0x84)
        if len(site) != 4 or len(begin) != 8 or len(end) != 8 or len(classes) % 2:
            raise ValueError("a field of the badge record has a wrong length")
        pieces = [int.from_bytes(classes[i : i + 2], "big") for i in range(0, len(classes), 2)]
        record = cls(
            number.decode("ascii", "strict"),
            int.from_bytes(site, "big"),
            _moment(begin),
            _moment(end),
            frozenset(pieces),
        )
        if bytes(record) != raw:
            raise ValueError("the badge record is not in its one form")
        return record


LAST_SECOND = 253402300799  # 9999-12-31T23:59:59Z


def _seconds(moment: datetime) -> bytes:
    if moment.tzinfo is None or moment.microsecond:
        raise ValueError("times of a badge are aware and of whole seconds")
    seconds = int(moment.timestamp())
    if seconds < 0:
        raise ValueError("times of a badge begin in 1970")
    return seconds.to_bytes(8, "big")


def _moment(raw: bytes) -> datetime:
    seconds = int.from_bytes(raw, "big")
    if seconds > LAST_SECOND:
        raise ValueError("a time of the badge record lies beyond the year 9999")
    return datetime.fromtimestamp(seconds, UTC)


# Authentication


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """Keys of one authentication: the door's MAC, the badge's encryption (used once) and MAC."""

    door_mac: bytes = field(repr=False)
    badge_enc: bytes = field(repr=False)
    badge_mac: bytes = field(repr=False)


def session_keys(
    badge: bytes,
    slot: int,
    version: int,
    fci: bytes,
    card_challenge: bytes,
    door_challenge: bytes,
    aid: bytes,
) -> SessionKeys:
    """Keys of one authentication from the badge key; ``fci`` is the whole answer to SELECT."""
    context = card_challenge + door_challenge + bytes((slot, version))
    context += bytes((len(aid),)) + aid + len(fci).to_bytes(2, "big") + fci
    return SessionKeys(
        kdf(badge, b"door mac", context),
        kdf(badge, b"badge enc", context),
        kdf(badge, b"badge mac", context),
    )


def door_mac(keys: SessionKeys, slot: int, version: int, door_challenge: bytes) -> bytes:
    """What the door proves itself with."""
    return cmac(keys.door_mac, bytes((AUTHENTICATE_CLA, AUTHENTICATE_INS, slot, version)) + door_challenge)


def seal_record(keys: SessionKeys, record: bytes) -> bytes:
    """The badge's answer: 80 bytes encrypted, then 16 of MAC."""
    if len(record) >= PLAIN_LENGTH:
        raise ValueError(f"a badge record has at most {PLAIN_LENGTH - 1} bytes")
    encrypted = _cbc_encrypt(keys.badge_enc, (record + b"\x80").ljust(PLAIN_LENGTH, b"\x00"))
    return encrypted + cmac(keys.badge_mac, encrypted)


def open_record(keys: SessionKeys, answer: bytes) -> bytes | None:
    """The record's bytes, or None when length, MAC or padding is wrong; the MAC is checked first."""
    encrypted, mac = answer[:PLAIN_LENGTH], answer[PLAIN_LENGTH:]
    if len(answer) != ANSWER_LENGTH or not hmac.compare_digest(mac, cmac(keys.badge_mac, encrypted)):
        return None
    record, mark, rest = _cbc_decrypt(keys.badge_enc, encrypted).rpartition(b"\x80")
    return record if mark and not any(rest) else None


def _cbc_encrypt(key: bytes, plain: bytes) -> bytes:
    cipher = Cipher(AES(key), modes.CBC(bytes(16))).encryptor()
    return cipher.update(plain) + cipher.finalize()


def _cbc_decrypt(key: bytes, encrypted: bytes) -> bytes:
    cipher = Cipher(AES(key), modes.CBC(bytes(16))).decryptor()
    return cipher.update(encrypted) + cipher.finalize()
