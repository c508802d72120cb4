"""Frames of the Simple Management Protocol (SMP, "mcumgr") on a serial console.

A message is a header of 8 bytes and a CBOR map. On a serial line it travels as a *packet*: length(2),
message, CRC-16/XMODEM(2), all big-endian, in base64, cut into lines. The first line begins with ``06 09``,
the others with ``04 14``, each ends with a line feed. (Zephyr: MCUmgr, "SMP protocol specification" and
"MCUmgr console".)

What the CBOR map holds is not known here: a payload stays bytes.
"""

from __future__ import annotations

import binascii
import enum
import struct
from dataclasses import dataclass

__all__ = [
    "HEADER_SIZE",
    "LINE_LENGTH",
    "MAX_MESSAGE",
    "Decoder",
    "Group",
    "ImageCommand",
    "ImageError",
    "Message",
    "Op",
    "OsCommand",
    "Rc",
    "READER_GROUP",
    "ReaderCommand",
    "ReaderRc",
    "crc16",
    "encode",
]

HEADER_SIZE = 8
LINE_LENGTH = 127
"""Bytes of a line with its two marks and its line feed, as stock servers and clients take it."""
READER_GROUP = 65
"""The group that tegata's readers have for themselves; 64 and above belong to applications, and 64 is taken
by a stock client already."""

_HEADER = struct.Struct(">BBHHBB")
_FIRST = b"\x06\x09"
_NEXT = b"\x04\x14"
_LENGTH = 2
_CRC = 2
MAX_MESSAGE = 0xFFFF - _CRC
"""Most bytes of a message that a packet's length can say."""
_MAX_LINE = 4096


class Op(enum.IntEnum):
    """What a message does. An answer's number is its request's plus one."""

    READ = 0
    READ_RESPONSE = 1
    WRITE = 2
    WRITE_RESPONSE = 3


class Group(enum.IntEnum):
    """The groups of commands that are used here."""

    OS = 0
    IMAGE = 1


class OsCommand(enum.IntEnum):
    """Commands of the group OS."""

    ECHO = 0
    RESET = 5
    PARAMETERS = 6
    INFO = 7
    BOOTLOADER = 8


class ImageCommand(enum.IntEnum):
    """Commands of the group IMAGE."""

    STATE = 0
    UPLOAD = 1
    ERASE = 5


class ReaderCommand(enum.IntEnum):
    """Commands of the group that tegata's readers have (docs/protocols/reader-firmware.md)."""

    IDENTITY = 0
    SETTINGS = 1
    SELF_TEST = 2
    FIND_ME = 3


class ReaderRc(enum.IntEnum):
    """Results of that group."""

    UNKNOWN_SETTING = 2
    BAD_VALUE = 3
    NOT_SUPPORTED = 8


class Rc(enum.IntEnum):
    """Results that every group has (``rc``; MGMT_ERR)."""

    OK = 0
    UNKNOWN = 1
    NO_MEMORY = 2
    INVALID = 3
    TIMEOUT = 4
    NO_ENTRY = 5
    BAD_STATE = 6
    TOO_LARGE = 7
    NOT_SUPPORTED = 8
    CORRUPT = 9
    BUSY = 10
    ACCESS_DENIED = 11


class ImageError(enum.IntEnum):
    """Results of the group IMAGE in SMP version 2 (IMG_MGMT_ERR)."""

    UNKNOWN = 1
    NO_IMAGE = 3
    NO_TLVS = 4
    INVALID_TLV = 5
    HASH_NOT_FOUND = 8
    NO_FREE_SLOT = 9
    INVALID_SLOT = 14
    INVALID_OFFSET = 20
    INVALID_LENGTH = 21
    INVALID_HEADER = 22
    INVALID_MAGIC = 23
    INVALID_HASH = 24
    CURRENT_VERSION_IS_NEWER = 27
    ALREADY_PENDING = 28
    TOO_LARGE = 30
    DATA_OVERRUN = 31
    CONFIRMATION_DENIED = 32
    TEST_TO_ACTIVE_DENIED = 33


@dataclass(frozen=True, slots=True)
class Message:
    """One request or answer. ``version`` 1 on the wire is SMP version 2; ``payload`` is a CBOR map."""

    op: Op
    group: int
    command: int
    sequence: int
    payload: bytes
    version: int = 1

    def encode(self) -> bytes:
        """Header and payload. Raises ValueError when they do not fit a packet."""
        if len(self.payload) > MAX_MESSAGE - HEADER_SIZE:
            raise ValueError(f"an SMP message holds up to {MAX_MESSAGE} bytes")
        head = _HEADER.pack(
            self.version << 3 | self.op, 0, len(self.payload), self.group, self.sequence, self.command
        )
        return head + self.payload

    @classmethod
    def decode(cls, message: bytes) -> Message:
        """Raises ValueError for a wrong length, version or operation."""
        if len(message) < HEADER_SIZE:
            raise ValueError(f"an SMP message of {len(message)} bytes has no header")
        first, _flags, length, group, sequence, command = _HEADER.unpack_from(message)
        if length != len(message) - HEADER_SIZE:
            raise ValueError(f"an SMP header says {length} bytes, {len(message) - HEADER_SIZE} follow")
        version = first >> 3 & 3
        if version > 1:
            raise ValueError(f"SMP version {version + 1} is not known")
        return cls(Op(first & 7), group, command, sequence, message[HEADER_SIZE:], version)

    def answer(self, payload: bytes) -> Message:
        """The answer to this request, of the same version, group, command and sequence number."""
        return Message(Op(self.op | 1), self.group, self.command, self.sequence, payload, self.version)


def crc16(data: bytes) -> int:
    """CRC-16/XMODEM: polynomial 1021, initial value 0."""
    return binascii.crc_hqx(data, 0)


def encode(message: bytes, line_length: int = LINE_LENGTH) -> bytes:
    """The lines that carry one message. Raises ValueError when it is too long."""
    if len(message) > MAX_MESSAGE:
        raise ValueError(f"an SMP message holds up to {MAX_MESSAGE} bytes, got {len(message)}")
    length = (len(message) + _CRC).to_bytes(_LENGTH, "big")
    packet = length + message + crc16(message).to_bytes(_CRC, "big")
    text = binascii.b2a_base64(packet, newline=False)
    room = max(4, (line_length - len(_FIRST) - 1) // 4 * 4)
    pieces = [text[start : start + room] for start in range(0, len(text), room)]
    marks = [_FIRST] + [_NEXT] * (len(pieces) - 1)
    return b"".join(mark + piece + b"\n" for mark, piece in zip(marks, pieces, strict=True))


class Decoder:
    """Cuts a stream of bytes into messages, however it was cut before, and finds the next one after noise.

    Text that other programs print on the same console, damaged lines and packets with a wrong CRC are
    dropped and counted. It never holds more than one line of 4096 bytes and one message of ``limit`` bytes
    beyond the piece that is being fed.
    """

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        self._limit = limit
        self._line = b""
        self._packet: bytearray | None = None
        self.dropped = 0
        """Packets and lines with a mark that came to nothing."""

    @property
    def pending(self) -> int:
        """Bytes held of an unfinished line and packet."""
        return len(self._line) + len(self._packet or b"")

    def feed(self, piece: bytes) -> list[Message]:
        """The messages that are complete now, in order."""
        messages: list[Message] = []
        *lines, rest = piece.split(b"\n")
        for line in lines:
            whole = _from_last_mark(self._line + line)
            self._line = b""
            if (message := self._take(whole)) is not None:
                messages.append(message)
        self._line = _from_last_mark(self._line + rest)
        return messages

    def _take(self, line: bytes) -> Message | None:
        """What one line, from its mark on and without its line feed, completes."""
        if line.startswith(_FIRST):
            if self._packet is not None:
                self._nothing()
            self._packet = bytearray()
        elif not line.startswith(_NEXT):
            return None
        if self._packet is None or len(line) > _MAX_LINE:
            return self._nothing()
        try:
            self._packet += binascii.a2b_base64(line[len(_FIRST) :].rstrip(b"\r"), strict_mode=True)
        except binascii.Error:
            return self._nothing()
        return self._finished()

    def _finished(self) -> Message | None:
        packet = self._packet
        if packet is None or len(packet) < _LENGTH:
            return self._nothing()
        length = int.from_bytes(packet[:_LENGTH], "big")
        if len(packet) > _LENGTH + length or not _CRC + HEADER_SIZE <= length <= _CRC + self._limit:
            return self._nothing()
        if len(packet) < _LENGTH + length:
            return None
        body, check = bytes(packet[_LENGTH:-_CRC]), int.from_bytes(packet[-_CRC:], "big")
        if crc16(body) != check:
            return self._nothing()
        try:
            message = Message.decode(body)
        except ValueError:
            return self._nothing()
        self._packet = None
        return message

    def _nothing(self) -> Message | None:
        """Give up the packet."""
        self.dropped += 1
        self._packet = None
        return None


def _from_last_mark(line: bytes) -> bytes:
    """A line without the noise before its last mark: base64 has none of the marks' bytes. Of noise alone the
    last byte stays, which may be half a mark; of a line that is too long, enough to tell."""
    start = max(line.rfind(_FIRST), line.rfind(_NEXT))
    return line[start : start + _MAX_LINE + 1] if start >= 0 else line[-1:]
