"""OSDP 2.2 packets (IEC 60839-11-5:2020): built and read, whatever noise the line adds.

What a peripheral says before its secure channel is open: who it is, what it can do, and with which key it
answers a challenge. Packets inside a secure channel are recognised and not opened.
"""

from __future__ import annotations

import enum
from binascii import crc_hqx
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = [
    "BROADCAST",
    "CUID_LENGTH",
    "Capability",
    "ClientCryptogram",
    "Code",
    "Decoder",
    "Function",
    "Nak",
    "Packet",
    "PdId",
    "Reply",
    "encode",
    "is_protected",
    "parse_capabilities",
]

MARK = b"\xff"
SOM = 0x53
BROADCAST = 0x7F
LONGEST = 1440
"""Bytes of the largest packet that a peripheral may have (§5.9)."""
CUID_LENGTH = 8
RANDOM_LENGTH = 8
CRYPTOGRAM_LENGTH = 16
MAC_LENGTH = 4

_HEADER = 5
_REPLY_BIT = 0x80
_SEQUENCE, _CRC, _BLOCK = 0x03, 0x04, 0x08
_CRC_START = 0x1D0F
_MACED = range(0x15, 0x19)


class Code(enum.IntEnum):
    """Commands of the control panel (annex A.1)."""

    POLL = 0x60
    ID = 0x61
    CAP = 0x62
    KEYSET = 0x75
    CHLNG = 0x76
    SCRYPT = 0x77
    FILETRANSFER = 0x7C
    MFG = 0x80


class Reply(enum.IntEnum):
    """Replies of the peripheral (annex A.2)."""

    ACK = 0x40
    NAK = 0x41
    PDID = 0x45
    PDCAP = 0x46
    CCRYPT = 0x76
    RMAC_I = 0x78
    BUSY = 0x79


class Nak(enum.IntEnum):
    """Why a peripheral refuses (§7.3)."""

    CHECK = 1
    LENGTH = 2
    COMMAND = 3
    SEQUENCE = 4
    NO_SECURE_CHANNEL = 5
    CONDITIONS = 6
    BIOMETRIC_TYPE = 7
    BIOMETRIC_FORMAT = 8
    RECORD = 9


class Function(enum.IntEnum):
    """What a peripheral may be able to do (annex B)."""

    CONTACTS = 1
    OUTPUTS = 2
    CARD_FORMAT = 3
    LED = 4
    BUZZER = 5
    TEXT = 6
    TIME = 7
    CHECK = 8
    SECURE_CHANNEL = 9
    RECEIVE_BUFFER = 10
    LARGEST_MESSAGE = 11
    SMART_CARD = 12
    READERS = 13
    BIOMETRICS = 14


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet without its frame. ``block`` is the security block without its length byte (type, then
    data), empty when there is none; ``data`` of a packet inside a secure channel is what stands on the line,
    its MAC included."""

    address: int
    code: int
    data: bytes = b""
    sequence: int = 0
    reply: bool = False
    block: bytes = b""
    crc: bool = True


def encode(packet: Packet) -> bytes:
    """The bytes of a packet on the line, the mark byte before it."""
    control = packet.sequence | (_CRC if packet.crc else 0) | (_BLOCK if packet.block else 0)
    block = bytes((len(packet.block) + 1,)) + packet.block if packet.block else b""
    body = block + bytes((packet.code,)) + packet.data
    length = _HEADER + len(body) + (2 if packet.crc else 1)
    address = packet.address | (_REPLY_BIT if packet.reply else 0)
    head = bytes((SOM, address)) + length.to_bytes(2, "little") + bytes((control,))
    return MARK + head + body + _check(head + body, crc=packet.crc)


def _check(content: bytes, *, crc: bool) -> bytes:
    if crc:
        return crc_hqx(content, _CRC_START).to_bytes(2, "little")
    return bytes((-sum(content) & 0xFF,))


class Decoder:
    """Finds packets in a stream that begins anywhere and may hold anything."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, piece: bytes) -> list[Packet]:
        """The packets that are whole now. What is no packet is passed over."""
        self._pending += piece
        found: list[Packet] = []
        while True:
            start = self._pending.find(SOM)
            if start < 0:
                self._pending.clear()
                return found
            del self._pending[:start]
            if len(self._pending) < _HEADER:
                return found
            length = int.from_bytes(self._pending[2:4], "little")
            if not _HEADER + 2 <= length <= LONGEST:
                del self._pending[0]
            elif len(self._pending) < length:
                return found
            elif packet := _read(bytes(self._pending[:length])):
                found.append(packet)
                del self._pending[:length]
            else:
                del self._pending[0]


def _read(raw: bytes) -> Packet | None:
    control = raw[4]
    crc = bool(control & _CRC)
    checked = len(raw) - (2 if crc else 1)
    if _check(raw[:checked], crc=crc) != raw[checked:]:
        return None
    body = raw[_HEADER:checked]
    block = b""
    if control & _BLOCK:
        if not body or not 2 <= body[0] < len(body):
            return None
        block, body = body[1 : body[0]], body[body[0] :]
    if not body:
        return None
    return Packet(
        address=raw[1] & ~_REPLY_BIT,
        code=body[0],
        data=body[1:],
        sequence=control & _SEQUENCE,
        reply=bool(raw[1] & _REPLY_BIT),
        block=block,
        crc=crc,
    )


def is_protected(packet: Packet) -> bool:
    """Whether it belongs to an open secure channel (SCS_15 to SCS_18)."""
    return bool(packet.block) and packet.block[0] in _MACED


@dataclass(frozen=True, slots=True)
class PdId:
    """What osdp_PDID says (§7.4): an OUI of the vendor, numbers that the vendor chose, and the firmware's
    version as three numbers."""

    vendor: bytes
    model: int
    version: int
    serial: int
    firmware: tuple[int, int, int]

    LENGTH = 12

    @classmethod
    def parse(cls, data: bytes) -> PdId:
        """Raises ValueError for another length."""
        if len(data) != cls.LENGTH:
            raise ValueError(f"a PDID of {len(data)} bytes")
        major, minor, build = data[9:12]
        return cls(
            vendor=data[:3],
            model=data[3],
            version=data[4],
            serial=int.from_bytes(data[5:9], "little"),
            firmware=(major, minor, build),
        )


@dataclass(frozen=True, slots=True)
class Capability:
    """How well a peripheral does something, and how many of it there are."""

    level: int
    count: int


def parse_capabilities(data: bytes) -> Mapping[int, Capability]:
    """What osdp_PDCAP lists (§7.5), by function code. Raises ValueError for another length."""
    if len(data) % 3:
        raise ValueError(f"capabilities of {len(data)} bytes")
    return {data[at]: Capability(data[at + 1], data[at + 2]) for at in range(0, len(data), 3)}


@dataclass(frozen=True, slots=True)
class ClientCryptogram:
    """The peripheral's answer to a challenge (osdp_CCRYPT, annex D): its unique identifier, its random number
    and what it makes of both random numbers under its key. ``default_key`` is what its security block says
    of that key: whether it is SCBK-D."""

    cuid: bytes
    random: bytes
    cryptogram: bytes
    default_key: bool

    @classmethod
    def parse(cls, packet: Packet) -> ClientCryptogram:
        """Raises ValueError for anything else."""
        if len(packet.data) != CUID_LENGTH + RANDOM_LENGTH + CRYPTOGRAM_LENGTH or len(packet.block) < 2:
            raise ValueError("a client cryptogram of another form")
        return cls(
            cuid=packet.data[:CUID_LENGTH],
            random=packet.data[CUID_LENGTH : CUID_LENGTH + RANDOM_LENGTH],
            cryptogram=packet.data[-CRYPTOGRAM_LENGTH:],
            default_key=packet.block[1] == 0,
        )
