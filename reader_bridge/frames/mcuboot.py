"""MCUboot images: header, payload, protected and unprotected TLVs (MCUboot, "Boot Loader", Image Format).

All integers are little-endian. The digest is taken over header, payload and protected TLVs; the signature
over the digest. A vendor's TLV of the type :data:`HARDWARE_ID`, protected, names in UTF-8 the hardware that
the image is made for (``imgtool sign --custom-tlv 0xA0 NAME``); MCUboot leaves the types from A0 on to
vendors, and this one is tegata's choice.

Parsing is pure and trusts no length: :class:`ImageFault` says what is wrong, and at which byte.
"""

from __future__ import annotations

import enum
import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "HARDWARE_ID",
    "HEADER_SIZE",
    "MAGIC",
    "Dependency",
    "Image",
    "ImageFault",
    "ImageFlag",
    "Tlv",
    "TlvType",
    "Version",
    "parse_image",
]

MAGIC = 0x96F3B83D
HEADER_SIZE = 32
"""Bytes of the header's fields; the header itself is as long as it says."""
HARDWARE_ID = 0xA0

_HEADER = struct.Struct("<IIHHIIBBHII")
_TLV = struct.Struct("<HH")
_AREA_MAGIC = 0x6907
_PROTECTED_MAGIC = 0x6908


class ImageFlag(enum.IntFlag):
    """Bits of the header's flags."""

    PIC = 0x01
    ENCRYPTED_AES128 = 0x04
    ENCRYPTED_AES256 = 0x08
    NON_BOOTABLE = 0x10
    RAM_LOAD = 0x20
    ROM_FIXED = 0x100
    COMPRESSED = 0x600


class TlvType(enum.IntEnum):
    """Types of TLVs that are used here."""

    KEY_HASH = 0x01
    PUBLIC_KEY = 0x02
    SHA256 = 0x10
    RSA2048_PSS = 0x20
    ECDSA = 0x22
    RSA3072_PSS = 0x23
    ED25519 = 0x24
    SIGNATURE_PURE = 0x25
    DEPENDENCY = 0x40
    SECURITY_COUNTER = 0x50


class ImageFault(ValueError):
    """Bytes that are no MCUboot image: what is wrong in ``en`` and ``ja``, and at which ``offset``."""

    def __init__(self, en: str, ja: str, offset: int) -> None:
        self.en = f"{en} (byte {offset})"
        self.ja = f"{ja} ({offset} バイト目)"
        self.offset = offset
        super().__init__(self.en)


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Version of an image. Written ``1.2.3``, with ``.4`` behind it for a build number other than 0, as SMP
    servers write it; imgtool's ``1.2.3+4`` is read too."""

    major: int = 0
    minor: int = 0
    revision: int = 0
    build: int = 0

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.revision}"
        return f"{text}.{self.build}" if self.build else text

    @classmethod
    def parse(cls, text: str) -> Version:
        """Raises ValueError for what is not one to four numbers that fit their fields."""
        found = re.fullmatch(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:[+.](\d+))?", text, re.ASCII)
        if found is None or any(part and len(part) > 10 for part in found.groups()):
            raise ValueError(f"{text!r} is not a version")
        version = cls(*(int(part or 0) for part in found.groups()))
        if version.major > 0xFF or version.minor > 0xFF or version.revision > 0xFFFF:
            raise ValueError(f"{text!r} does not fit an image version")
        if version.build > 0xFFFFFFFF:
            raise ValueError(f"{text!r} does not fit an image version")
        return version


@dataclass(frozen=True, slots=True)
class Tlv:
    """One TLV: ``offset`` is that of its type field."""

    type: int
    value: bytes
    offset: int
    protected: bool


@dataclass(frozen=True, slots=True)
class Dependency:
    """The least version that another image of the device must have."""

    image: int
    version: Version


@dataclass(frozen=True, slots=True)
class Image:
    """A parsed image. ``size`` is its length with all TLVs; what follows it (padding, a trailer) is none of
    its own. ``digest_input`` is what digest and signature cover."""

    version: Version
    header_size: int
    payload_size: int
    load_address: int
    flags: ImageFlag
    tlvs: tuple[Tlv, ...]
    digest_input: bytes
    size: int

    @property
    def payload(self) -> bytes:
        return self.digest_input[self.header_size : self.header_size + self.payload_size]

    @property
    def digest(self) -> bytes:
        """SHA-256 that the image says of itself, empty when it says none."""
        return self._value(TlvType.SHA256)

    @property
    def digest_is_right(self) -> bool:
        """Whether the image's bytes have the digest that it says."""
        return hashlib.sha256(self.digest_input).digest() == self.digest

    @property
    def key_hash(self) -> bytes:
        """SHA-256 of the public key that is said to verify the signature, empty when none is said."""
        return self._value(TlvType.KEY_HASH)

    @property
    def security_counter(self) -> int | None:
        """The counter that guards against going back, None when there is none."""
        value = self._value(TlvType.SECURITY_COUNTER)
        return int.from_bytes(value, "little") if value else None

    @property
    def hardware_id(self) -> str:
        """The hardware that the image is made for, empty when it names none."""
        return self._value(HARDWARE_ID).decode()

    @property
    def dependencies(self) -> tuple[Dependency, ...]:
        return tuple(_dependency(tlv.value) for tlv in self.find(TlvType.DEPENDENCY))

    def find(self, kind: int) -> Iterator[Tlv]:
        """All TLVs of one type, in order."""
        return (tlv for tlv in self.tlvs if tlv.type == kind)

    def _value(self, kind: int) -> bytes:
        return next((tlv.value for tlv in self.find(kind)), b"")


def parse_image(data: bytes) -> Image:
    """The image at the beginning of ``data``. Raises :class:`ImageFault`."""
    if len(data) < HEADER_SIZE:
        raise _cut("header", "ヘッダー", len(data))
    magic, load, header_size, protected_size, size, flags, *version, _pad = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ImageFault("there is no MCUboot image: the magic is wrong", "MCUboot イメージではありません", 0)
    if header_size < HEADER_SIZE:
        raise ImageFault("the header is too short", "ヘッダーが短すぎます", 8)
    end = header_size + size
    if end > len(data):
        raise _cut("payload", "本体", len(data))
    tlvs: list[Tlv] = []
    if protected_size:
        end = _read_area(data, end, _PROTECTED_MAGIC, tlvs, protected_size)
    stop = _read_area(data, end, _AREA_MAGIC, tlvs)
    _check_known(tlvs)
    return Image(
        version=Version(*version),
        header_size=header_size,
        payload_size=size,
        load_address=load,
        flags=ImageFlag(flags),
        tlvs=tuple(tlvs),
        digest_input=bytes(data[:end]),
        size=stop,
    )


def _read_area(data: bytes, start: int, magic: int, tlvs: list[Tlv], said: int | None = None) -> int:
    """Read one TLV area into ``tlvs``; where it ends."""
    if start + _TLV.size > len(data):
        raise _cut("TLV area", "TLV 領域", len(data))
    found, total = _TLV.unpack_from(data, start)
    if found != magic:
        raise ImageFault(
            f"the TLV area begins with {found:04X}", f"TLV 領域が {found:04X} で始まっています", start
        )
    if total < _TLV.size or (said is not None and total != said):
        raise ImageFault("the TLV area has a wrong length", "TLV 領域の長さが誤っています", start + 2)
    end: int = start + total
    if end > len(data):
        raise _cut("TLV area", "TLV 領域", len(data))
    place = start + _TLV.size
    while place < end:
        if place + _TLV.size > end:
            raise ImageFault("a TLV is cut off", "TLV が途中で切れています", place)
        kind, length = _TLV.unpack_from(data, place)
        value = place + _TLV.size
        if value + length > end:
            raise ImageFault("a TLV is longer than its area", "TLV が領域より長くなっています", place)
        tlvs.append(Tlv(kind, bytes(data[value : value + length]), place, magic == _PROTECTED_MAGIC))
        place = value + length
    return end


_LENGTHS = {
    TlvType.KEY_HASH: 32,
    TlvType.SHA256: 32,
    TlvType.ED25519: 64,
    TlvType.RSA2048_PSS: 256,
    TlvType.RSA3072_PSS: 384,
    TlvType.SECURITY_COUNTER: 4,
    TlvType.DEPENDENCY: 12,
}
_SINGLE = {TlvType.KEY_HASH, TlvType.SHA256, TlvType.SECURITY_COUNTER, HARDWARE_ID}
_PROTECTED = {TlvType.SECURITY_COUNTER, TlvType.DEPENDENCY, HARDWARE_ID}


def _check_known(tlvs: list[Tlv]) -> None:
    """What the bootloader relies on has its length, stands once, and is protected where it must be."""
    seen: set[int] = set()
    for tlv in tlvs:
        if tlv.type in _LENGTHS and len(tlv.value) != _LENGTHS[TlvType(tlv.type)]:
            raise _at(tlv, "has a wrong length", "の長さが誤っています", 2)
        if tlv.type in _SINGLE and tlv.type in seen:
            raise _at(tlv, "stands twice", "が二つあります")
        if tlv.type in _PROTECTED and not tlv.protected:
            raise _at(tlv, "is not protected", "が保護されていません")
        if tlv.type == HARDWARE_ID:
            _check_hardware_id(tlv)
        seen.add(tlv.type)


def _check_hardware_id(tlv: Tlv) -> None:
    try:
        good = tlv.value.decode().isprintable() and 0 < len(tlv.value) <= 64
    except UnicodeDecodeError:
        good = False
    if not good:
        raise _at(tlv, "is not a hardware id", "はハードウェア ID ではありません", 4)


def _dependency(value: bytes) -> Dependency:
    image, *version = struct.unpack("<B3xBBHI", value)
    return Dependency(image, Version(*version))


def _at(tlv: Tlv, en: str, ja: str, place: int = 0) -> ImageFault:
    return ImageFault(f"the TLV {tlv.type:02X} {en}", f"TLV {tlv.type:02X} {ja}", tlv.offset + place)


def _cut(en: str, ja: str, length: int) -> ImageFault:
    return ImageFault(f"the file ends inside the {en}", f"ファイルが{ja}の途中で終わっています", length)
