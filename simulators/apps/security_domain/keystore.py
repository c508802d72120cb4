"""The keys in a domain's non-volatile memory (GPC 2.3.1 §7.5, §11.3.3.1, annex H.4; Amd D §7.2).

A key is known by its identifier and version (KID, KVN). The keys 1 to 3 of one version, of one type and
length, are a set that opens a channel: K-ENC, K-MAC and K-DEK. The set put last is the one that version 0
stands for. All keys of one version lie in one record, so that they change together; ``key-order`` names the
versions, those of sets first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from ....apdu.scp03 import key_check_value
from ....apdu.scp11 import KeyNumber
from ....apdu.secret import Secret
from ....apdu.tlv import Tlv
from ....applets.security_domain.model import KCV_LENGTH, KeyType, Tag
from ...card.application import CardStatus, DomainContext, Storage

__all__ = [
    "ORDER",
    "CardKey",
    "KeyStore",
    "ScpSet",
    "check_value",
    "key_record",
    "place_of",
    "read_record",
    "set_record",
]

ORDER = "key-order"
MAX_KEYS = 60
ENC, MAC, DEK = SET = (1, 2, 3)
TOKEN_KVN, RECEIPT_KVN, DAP_KVN, CIPHER_KVN = 0x70, 0x71, 0x73, 0x74
SPECIAL_KVN = range(TOKEN_KVN, CIPHER_KVN + 1)
"""Versions of keys that verify and sign: they open no channel."""
CHANNEL_KIDS = (ENC, 0x11, 0x13, 0x15)
"""The keys by which a host can authenticate: SCP02 and SCP03, SCP11a, b and c."""
NEW_FORM = 0x02
SYMMETRIC = {KeyType.DES: (16, 24), KeyType.AES: (16, 24, 32)}

# Key usage qualifier, first byte (GPC 2.3.1 table 11-17); access conditions (table 11-18).
USAGE_OF_SET = {ENC: b"\x38", MAC: b"\x34", DEK: b"\x48"}
USAGE_OF_VERSION = {TOKEN_KVN: b"\x81", RECEIPT_KVN: b"\x44", DAP_KVN: b"\x84", CIPHER_KVN: b"\x48"}
ACCESS_DOMAIN = 0x01


@dataclass(frozen=True, slots=True)
class CardKey:
    """One key: its components as (type, value) in the order of PUT KEY, what it is for, who may use it.

    ``usage`` and ``access`` are the qualifiers of GPC 2.3.1 tables 11-17 and 11-18; an empty usage stands for
    the usual one of this identifier and version.
    """

    kid: int
    version: int
    components: tuple[tuple[int, bytes], ...] = field(repr=False)
    usage: bytes = b""
    access: int = ACCESS_DOMAIN

    @property
    def number(self) -> KeyNumber:
        """Its identifier and version."""
        return KeyNumber(self.kid, self.version)

    @property
    def type(self) -> int:
        """The type of the first component."""
        return self.components[0][0]

    @property
    def symmetric(self) -> bool:
        return self.type in SYMMETRIC

    @property
    def of_set(self) -> bool:
        """Whether it is one of the three keys of a set."""
        return self.kid in SET and self.version not in SPECIAL_KVN and self.symmetric

    @property
    def secret(self) -> Secret:
        """The value of a key that has one component."""
        return Secret(self.components[0][1])

    def component(self, kind: int) -> bytes:
        """The component of that type, or nothing."""
        return dict(self.components).get(kind, b"")

    @property
    def usual_usage(self) -> bytes:
        if self.usage:
            return self.usage
        return USAGE_OF_SET.get(self.kid, b"") if self.of_set else USAGE_OF_VERSION.get(self.version, b"")

    def information(self, *, extended: bool) -> Tlv:
        """``C0`` of the key information, basic or extended (GPC 2.3.1 tables 11-29 and 11-30).

        A length of 256 bytes and more is 00 in the basic form; the curve of an EC key stands in the place of
        its length; a point is counted without its first byte 04.
        """
        body = bytes((self.kid, self.version))
        for kind, value in self.components:
            length = int.from_bytes(value, "big") if kind == KeyType.EC_PARAMETERS else len(value)
            if kind == KeyType.EC_PUBLIC:
                length -= 1
            if extended:
                body += bytes((KeyType.EXTENDED, kind)) + length.to_bytes(2, "big")
            else:
                body += bytes((kind, length if length <= 0xFF else 0))
        if extended:
            usage = self.usual_usage
            body += bytes((len(usage),)) + usage + bytes((1, self.access))
        return Tlv(Tag.KEY, body)

    def to_bytes(self) -> bytes:
        head = bytes((self.kid, len(self.usage))) + self.usage + bytes((self.access, len(self.components)))
        return head + b"".join(
            bytes((kind,)) + len(value).to_bytes(2, "big") + value for kind, value in self.components
        )


@dataclass(frozen=True, slots=True)
class ScpSet:
    """A set that opens a channel: three keys of one type and length."""

    version: int
    algorithm: Literal["aes", "3des"]
    enc: Secret = field(repr=False)
    mac: Secret = field(repr=False)
    dek: Secret = field(repr=False)


def place_of(key: KeyNumber) -> str:
    """Under which name lies what belongs to a key and goes with it: certificates, an allow list, tries."""
    return f"of-key/{key.version:02x}{key.kid:02x}/"


def set_record(enc: bytes, mac: bytes, dek: bytes, kind: int = KeyType.AES) -> bytes:
    """The record of a version that holds one set."""
    return key_record(
        CardKey(kid, 0, ((kind, value),)) for kid, value in zip(SET, (enc, mac, dek), strict=True)
    )


def key_record(keys: Iterable[CardKey]) -> bytes:
    """The record of one version's keys."""
    return bytes((NEW_FORM,)) + b"".join(key.to_bytes() for key in sorted(keys, key=lambda key: key.kid))


def read_record(raw: bytes, version: int) -> list[CardKey]:
    """The keys of a record, also of one in the first form: the length of an AES key, and three keys."""
    if raw[0] != NEW_FORM:
        size = raw[0]
        values = [raw[1 + index * size : 1 + (index + 1) * size] for index in range(3)]
        return [
            CardKey(kid, version, ((KeyType.AES, value),)) for kid, value in zip(SET, values, strict=True)
        ]
    keys, offset = [], 1
    while offset < len(raw):
        kid, length = raw[offset], raw[offset + 1]
        usage = raw[offset + 2 : offset + 2 + length]
        access, count = raw[offset + 2 + length : offset + 4 + length]
        offset += 4 + length
        components = []
        for _ in range(count):
            kind, size = raw[offset], int.from_bytes(raw[offset + 1 : offset + 3], "big")
            components.append((kind, raw[offset + 3 : offset + 3 + size]))
            offset += 3 + size
        keys.append(CardKey(kid, version, tuple(components), usage, access))
    return keys


def check_value(kind: int, key: Secret) -> bytes:
    """The KCV: of AES over a block of 01, of 3DES over a block of 00 (GPC 2.3.1 §B.6; Amd D §4.1.4)."""
    if kind == KeyType.AES:
        return key_check_value(key)
    value = key.reveal()
    cipher = Cipher(TripleDES((value + value[:8])[:24]), modes.ECB()).encryptor()  # noqa: S305 - one block
    return (cipher.update(bytes(8)) + cipher.finalize())[:KCV_LENGTH]


class KeyStore:
    """The keys of one domain."""

    def __init__(self, ctx: DomainContext) -> None:
        self._ctx = ctx
        self._nv: Storage = ctx.nv

    def versions(self) -> list[int]:
        """All versions, that of the default set first."""
        return list(self._nv.get(ORDER))

    def all_keys(self) -> list[CardKey]:
        """All keys, in the order of their versions."""
        return [key for version in self.versions() for key in self.of_version(version)]

    def of_version(self, version: int) -> list[CardKey]:
        raw = self._nv.get(f"key/{version:02x}")
        return read_record(raw, version) if raw else []

    def find(self, kid: int, version: int = 0) -> CardKey | None:
        """The key of that identifier; version 0 means the first that there is."""
        known = self.of_version(version) if version else self.all_keys()
        return next((key for key in known if key.kid == kid), None)

    def default_version(self) -> int:
        """The version that 0 stands for in INITIALIZE UPDATE.

        Raises CardStatus 6A88 for a domain without a set: it cannot open a channel.
        """
        for version in self.versions():
            if _set_of(version, self.of_version(version)) is not None:
                return version
        raise CardStatus(0x6A88)

    def scp_set(self, version: int) -> ScpSet:
        """Raises CardStatus 6A88 for a version that holds no whole set."""
        found = _set_of(version, self.of_version(version))
        if found is None:
            raise CardStatus(0x6A88)
        return found

    def put(self, keys: Sequence[CardKey], replaced: int = 0, *, life_cycle: int | None = None) -> None:
        """Keys of one version in, those of the same identifiers and version ``replaced`` out, and with them
        the domain's new ``life_cycle``, all or nothing.

        Raises CardStatus 6A88 when there is nothing to replace, 6A80 when a key is there already or would
        take the place of one of a set, 6A84 when there is no room for more.
        """
        version, kids = keys[0].version, {key.kid for key in keys}
        kept = [key for key in self.of_version(version) if key.kid not in kids]
        gone = [key for key in self.of_version(replaced) if key.kid in kids] if replaced else []
        if replaced and len(gone) != len(kids):
            raise CardStatus(0x6A88)
        if any(key.of_set for key in gone) and not all(key.of_set for key in keys):
            raise CardStatus(0x6A80)
        if version != replaced and len(kept) != len(self.of_version(version)):
            raise CardStatus(0x6A80)
        if not replaced and len(self.all_keys()) + len(keys) > MAX_KEYS:
            raise CardStatus(0x6A84)
        if self._ctx.policy.put_key_torn_set and all(key.of_set for key in keys):
            self._put_piecemeal(keys, kept, replaced)
            if life_cycle is not None:
                self._ctx.set_life_cycle(life_cycle)
            return
        with self._ctx.transaction():
            self._forget_belongings(version, kids)
            self._nv.put(f"key/{version:02x}", key_record([*kept, *keys]))
            if replaced not in (0, version):
                self._drop(replaced, kids)
            self._put_order(version, first=keys[0].of_set)
            if life_cycle is not None:
                self._ctx.set_life_cycle(life_cycle)

    def _put_piecemeal(self, keys: Sequence[CardKey], kept: list[CardKey], replaced: int) -> None:
        """The quirk ``put_key_torn_set``: one key after the other, the old ones standing in for the rest."""
        version = keys[0].version
        old = {key.kid: key for key in self.of_version(replaced)} if replaced else {}
        for count in range(1, len(keys) + 1):
            rest = [old[key.kid] for key in keys[count:] if key.kid in old]
            if count == 1:  # first of all, so that no key lies where nothing leads to it
                self._put_order(version, first=True)
            self._nv.put(f"key/{version:02x}", key_record([*kept, *keys[:count], *rest]))
            if count == 1 and replaced not in (0, version):
                self._drop(replaced, {key.kid for key in keys})

    def remove(self, doomed: Iterable[CardKey]) -> None:
        """Take keys out, all or nothing."""
        gone: dict[int, set[int]] = {}
        for key in doomed:
            gone.setdefault(key.version, set()).add(key.kid)
        with self._ctx.transaction():
            for version, kids in gone.items():
                self._drop(version, kids)

    def replace_all(self, keys: Sequence[CardKey], belongings: Mapping[str, bytes]) -> None:
        """Every key out and these in, with what belongs to them, all or nothing."""
        with self._ctx.transaction():
            for version in self.versions():
                self._drop(version, {key.kid for key in self.of_version(version)})
            for version in dict.fromkeys(key.version for key in keys):
                of_version = [key for key in keys if key.version == version]
                self._nv.put(f"key/{version:02x}", key_record(of_version))
                self._put_order(version, first=any(key.of_set for key in of_version))
            for name, value in belongings.items():
                self._nv.put(name, value)

    def _forget_belongings(self, version: int, kids: Iterable[int]) -> None:
        for kid in kids:
            for name in self._nv.names(place_of(KeyNumber(kid, version))):
                self._nv.delete(name)

    def _drop(self, version: int, kids: set[int]) -> None:
        self._forget_belongings(version, kids)
        left = [key for key in self.of_version(version) if key.kid not in kids]
        if left:
            self._nv.put(f"key/{version:02x}", key_record(left))
        else:
            self._nv.put(ORDER, bytes(other for other in self.versions() if other != version))
            self._nv.delete(f"key/{version:02x}")
        if not any(key.of_set for key in left):
            self._nv.delete(f"sequence/{version:02x}")

    def _put_order(self, version: int, *, first: bool) -> None:
        versions = self.versions()
        if not first and version in versions:
            return
        rest = [other for other in versions if other != version]
        self._nv.put(ORDER, bytes((version, *rest) if first else (*rest, version)))

    def sequence(self, version: int) -> int:
        """Channels begun with this set so far; a replaced set of the same version goes on counting, so
        that no card challenge comes twice."""
        return int.from_bytes(self._nv.get(f"sequence/{version:02x}"), "big")

    def put_sequence(self, version: int, value: int) -> None:
        self._nv.put(f"sequence/{version:02x}", value.to_bytes(3, "big"))

    def opens_a_channel(self, without: Iterable[CardKey] = ()) -> bool:
        """Whether a host could still authenticate if the keys ``without`` were gone."""
        gone = {(key.kid, key.version) for key in without}
        return any(
            key.kid in CHANNEL_KIDS and key.version not in SPECIAL_KVN
            for key in self.all_keys()
            if (key.kid, key.version) not in gone
        )

    def information(self) -> bytes:
        """Key information: one ``C0`` for each key."""
        extended = self._ctx.policy.extended_key_information
        return b"".join(bytes(key.information(extended=extended)) for key in self.all_keys())


def _set_of(version: int, keys: list[CardKey]) -> ScpSet | None:
    found = [key for key in keys if key.of_set]
    kinds = {(key.type, len(key.components[0][1])) for key in found}
    if len(found) != len(SET) or len(kinds) != 1:
        return None
    enc, mac, dek = (key.secret for key in sorted(found, key=lambda key: key.kid))
    return ScpSet(version, "aes" if found[0].type == KeyType.AES else "3des", enc, mac, dek)
