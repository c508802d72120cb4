"""The key sets of a domain: PUT KEY, DELETE [key], key information (GPC 2.3.1 §11.2.2.3, §11.8; Amd D §7.2).

A set is K-ENC, K-MAC and K-DEK of one version, written and removed as a whole. The set put last is the one
that version 0 stands for.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from ....apdu.command import Command, Response
from ....apdu.scp03 import StaticKeys, key_check_value, unwrap_key
from ....apdu.secret import Secret
from ....apdu.tlv import Tlv
from ....applets.security_domain.model import FACTORY_KVN, KCV_LENGTH, KEY_TYPE_AES, MAX_KVN, Tag
from ...card.application import CardStatus, DomainContext, Storage
from .access import require

__all__ = ["KeyStore", "delete_keys", "put_key", "set_record", "store_set"]

ORDER = "key-order"
MAX_SETS = 8
KEY_SIZES = (16, 24, 32)
FIRST_OF_THREE = 0x81


def set_record(enc: bytes, mac: bytes, dek: bytes) -> bytes:
    """A key set as it lies in memory: the length of one key and the three keys."""
    return bytes((len(enc),)) + enc + mac + dek


class KeyStore:
    """The key sets in a domain's non-volatile memory."""

    def __init__(self, ctx: DomainContext) -> None:
        self._ctx = ctx
        self._nv: Storage = ctx.nv

    def versions(self) -> list[int]:
        """Versions of all sets, the default first."""
        return list(self._nv.get(ORDER))

    def default_version(self) -> int:
        """Raises CardStatus 6A88 for a domain without keys: it cannot open a channel."""
        versions = self.versions()
        if not versions:
            raise CardStatus(0x6A88)
        return versions[0]

    def read(self, version: int) -> StaticKeys:
        """Raises CardStatus 6A88 for a version that is not there."""
        if version not in self.versions():
            raise CardStatus(0x6A88)
        raw = self._nv.get(f"key/{version:02x}")
        size = raw[0]
        enc, mac, dek = (raw[1 + index * size : 1 + (index + 1) * size] for index in range(3))
        return StaticKeys(Secret(enc), Secret(mac), Secret(dek))

    def write(self, version: int, keys: StaticKeys, replaced: int = 0) -> None:
        """One set in, the replaced one out, all or nothing."""
        rest = [other for other in self.versions() if other not in (version, replaced)]
        if len(rest) >= MAX_SETS:
            raise CardStatus(0x6A84)
        with self._ctx.transaction():
            record = set_record(keys.enc.reveal(), keys.mac.reveal(), keys.dek.reveal())
            self._nv.put(f"key/{version:02x}", record)
            if replaced not in (0, version):
                self._forget(replaced)
            self._nv.put(ORDER, bytes((version, *rest)))

    def remove(self, version: int) -> None:
        rest = [other for other in self.versions() if other != version]
        with self._ctx.transaction():
            self._nv.put(ORDER, bytes(rest))
            self._forget(version)

    def _forget(self, version: int) -> None:
        self._nv.delete(f"key/{version:02x}")
        self._nv.delete(f"sequence/{version:02x}")

    def sequence(self, version: int) -> int:
        """Channels begun with this set so far; a replaced set of the same version goes on counting, so
        that no card challenge comes twice."""
        return int.from_bytes(self._nv.get(f"sequence/{version:02x}"), "big")

    def put_sequence(self, version: int, value: int) -> None:
        self._nv.put(f"sequence/{version:02x}", value.to_bytes(3, "big"))

    def information(self) -> bytes:
        """Key information: one ``C0`` for each key."""
        return b"".join(
            bytes(Tlv(Tag.KEY, bytes((kid, version, KEY_TYPE_AES, len(self.read(version).enc)))))
            for version in self.versions()
            for kid in (1, 2, 3)
        )


@dataclass(frozen=True, slots=True)
class KeyBlock:
    """One key of a PUT KEY: its ciphertext, its true length, and the check value if one was sent."""

    cryptogram: bytes
    length: int
    kcv: bytes


def parse_blocks(raw: bytes) -> list[KeyBlock]:
    """The key blocks behind the new version number. Raises ValueError.

    Both forms in the field are read: ``88 11 10 cg16 03 kcv`` with the key's length inside (Amd D §7.2) and
    ``88 10 cg16 03 kcv`` without. Only the first can carry a 24-byte key.
    """
    blocks, offset = [], 0
    while offset < len(raw):
        tlv, offset = Tlv.read(raw, offset)
        if tlv.tag != KEY_TYPE_AES:
            raise ValueError(f"keys of type {tlv.tag:02X} are not for SCP03")
        value, length = tlv.value, len(tlv.value)
        if length % 16 == 1:
            length, value = value[0], value[1:]
        if length not in KEY_SIZES or len(value) != length + (-length % 16):
            raise ValueError("a key block has the wrong length")
        if offset >= len(raw):
            raise ValueError("a key block ends before its check value")
        end = offset + 1 + raw[offset]
        kcv = raw[offset + 1 : end]
        if len(kcv) != raw[offset] or len(kcv) not in (0, KCV_LENGTH):
            raise ValueError("a check value has 3 bytes or none")
        blocks.append(KeyBlock(value, length, kcv))
        offset = end
    return blocks


def put_key(ctx: DomainContext, command: Command) -> Response:
    """A whole set of AES keys, new (P1 = 00) or instead of version P1; answers version and check values."""
    require(ctx)
    if command.p2 != FIRST_OF_THREE or (command.p1 & 0x80 and command.p1 != FACTORY_KVN):
        raise CardStatus(0x6A86)
    if len(command.data) < 1:
        raise CardStatus(0x6A80)
    version = command.data[0]
    try:
        blocks = parse_blocks(command.data[1:])
    except ValueError:
        raise CardStatus(0x6A80) from None
    if len(blocks) != 3 or len({block.length for block in blocks}) != 1:
        raise CardStatus(0x6A80)
    _check_version(KeyStore(ctx).versions(), version, command.p1)
    dek = ctx.channel_state.dek
    keys = [unwrap_key(dek, block.cryptogram, block.length) for block in blocks]
    check_values = store_set(ctx, version, keys, [block.kcv for block in blocks], command.p1)
    return Response(bytes((version,)) + check_values)


def _check_version(known: list[int], version: int, replaced: int) -> None:
    if not 1 <= version <= MAX_KVN:
        raise CardStatus(0x6A80)
    if replaced and replaced not in known:
        raise CardStatus(0x6A88)
    if version in known and version != replaced:
        raise CardStatus(0x6A80)


def store_set(
    ctx: DomainContext, version: int, keys: list[Secret], sent: list[bytes], replaced: int = 0
) -> bytes:
    """Compare the check values and write the set. Raises CardStatus 6982 for a wrong one (§11.11.4)."""
    ctx.spend("aes_block", 2 * len(keys))
    check_values = [key_check_value(key) for key in keys]
    for kcv, true in zip(sent, check_values, strict=True):
        if kcv and not hmac.compare_digest(kcv, true):
            raise CardStatus(0x6982)
    KeyStore(ctx).write(version, StaticKeys(*keys), replaced)
    return b"".join(check_values)


def delete_keys(ctx: DomainContext, command: Command, objects: dict[int, bytes]) -> Response:
    """DELETE [key]: a set goes as a whole, by its version; the last one only with P2 = 01 (facts §1.8)."""
    if command.p1 != 0 or command.p2 not in (0, 1):
        raise CardStatus(0x6A86)
    version = objects.get(Tag.KEY_VERSION, b"")
    if len(version) != 1 or objects.get(Tag.KEY_ID, b"\x01") not in (b"\x01", b"\x02", b"\x03"):
        raise CardStatus(0x6A80)
    store = KeyStore(ctx)
    versions = store.versions()
    if version[0] not in versions:
        raise CardStatus(0x6A88)
    if len(versions) == 1 and command.p2 != 1:
        raise CardStatus(0x6985)
    store.remove(version[0])
    return Response()
