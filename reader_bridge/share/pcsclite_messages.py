"""Messages on the socket between libpcsclite and pcscd: protocol 4.4 with the additions of 4.5 and 4.6.

All integers are 32 bits in host byte order. A request is a header (size of the body, command) and a body;
the answer is the body with its result fields filled in, without a header. TRANSMIT and CONTROL carry raw
bytes after their structure, in both directions.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

__all__ = [
    "BODIES",
    "CONNECT",
    "CONTROL",
    "DISPOSITION",
    "ESTABLISH",
    "EVENT",
    "GETSET",
    "HANDLE",
    "HEADER",
    "MAX_APDU",
    "MAX_ATR",
    "MAX_READERS",
    "MAX_READER_NAME",
    "NUMBER",
    "RECONNECT",
    "TRANSMIT",
    "VERSION",
    "Attribute",
    "CardState",
    "Command",
    "Disposition",
    "PcscError",
    "Protocol",
    "ReaderState",
    "Share",
    "Status",
    "reader_array",
    "reader_name",
]

MAX_READERS = 16
MAX_READER_NAME = 128
MAX_ATR = 33
MAX_ATTRIBUTE = 264
MAX_APDU = 4 + 3 + 65536 + 3 + 2
"""Longest command or answer that libpcsclite passes on, in bytes."""

HEADER = struct.Struct("=II")  # size, command
VERSION = struct.Struct("=iiI")  # major, minor, rv
ESTABLISH = struct.Struct("=III")  # scope, context, rv
CONNECT = struct.Struct("=I128sIIiII")  # context, name, share, preferred, card, active, rv
RECONNECT = struct.Struct("=iIIIII")  # card, share, preferred, initialisation, active, rv
DISPOSITION = struct.Struct("=iII")  # card, disposition, rv
NUMBER = struct.Struct("=I")
HANDLE = struct.Struct("=iI")  # card or context, rv
TRANSMIT = struct.Struct("=iIIIIIII")  # card, send pci (2), send length, receive pci (2), length, rv
CONTROL = struct.Struct("=iIIIII")  # card, code, sent, to receive, returned, rv
GETSET = struct.Struct(f"=iI{MAX_ATTRIBUTE}sII")  # card, attribute, value, length, rv
EVENT = struct.Struct("=II")  # timeout or events, rv
_READER = struct.Struct("=128sIIi33s3xII")  # name, counter, state, sharing, ATR, its length, protocol


class Command(enum.IntEnum):
    """What a client asks for."""

    ESTABLISH_CONTEXT = 0x01
    RELEASE_CONTEXT = 0x02
    CONNECT = 0x04
    RECONNECT = 0x05
    DISCONNECT = 0x06
    BEGIN_TRANSACTION = 0x07
    END_TRANSACTION = 0x08
    TRANSMIT = 0x09
    CONTROL = 0x0A
    STATUS = 0x0B
    CANCEL = 0x0D
    GET_ATTRIBUTE = 0x0F
    SET_ATTRIBUTE = 0x10
    VERSION = 0x11
    READERS = 0x12
    WAIT_CHANGE = 0x13
    STOP_WAITING = 0x14
    READER_EVENTS = 0x15
    READERS_SIZE = 0x16
    READERS_ARRAY = 0x17


BODIES: dict[Command, struct.Struct] = {
    Command.ESTABLISH_CONTEXT: ESTABLISH,
    Command.RELEASE_CONTEXT: HANDLE,
    Command.CONNECT: CONNECT,
    Command.RECONNECT: RECONNECT,
    Command.DISCONNECT: DISPOSITION,
    Command.BEGIN_TRANSACTION: HANDLE,
    Command.END_TRANSACTION: DISPOSITION,
    Command.TRANSMIT: TRANSMIT,
    Command.CONTROL: CONTROL,
    Command.STATUS: HANDLE,
    Command.CANCEL: HANDLE,
    Command.GET_ATTRIBUTE: GETSET,
    Command.SET_ATTRIBUTE: GETSET,
    Command.VERSION: VERSION,
}
"""The body of each command; the commands that are missing here have none."""


class Status(enum.IntEnum):
    """PC/SC return values that we give."""

    OK = 0
    CANCELLED = 0x80100002
    INVALID_HANDLE = 0x80100003
    INVALID_PARAMETER = 0x80100004
    NO_MEMORY = 0x80100006
    INSUFFICIENT_BUFFER = 0x80100008
    UNKNOWN_READER = 0x80100009
    SHARING_VIOLATION = 0x8010000B
    NO_SMARTCARD = 0x8010000C
    PROTO_MISMATCH = 0x8010000F
    INVALID_VALUE = 0x80100011
    NOT_TRANSACTED = 0x80100016
    UNSUPPORTED_FEATURE = 0x8010001F
    UNRESPONSIVE_CARD = 0x80100066
    RESET_CARD = 0x80100068
    REMOVED_CARD = 0x80100069


class PcscError(Exception):
    """A request ends with ``status``; the client sees the number."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"{status:08X}")


class Share(enum.IntEnum):
    """Sharing modes of SCardConnect."""

    EXCLUSIVE = 1
    SHARED = 2
    DIRECT = 3


class Protocol(enum.IntFlag):
    """Transmission protocols as PC/SC counts them."""

    UNDEFINED = 0
    T0 = 1
    T1 = 2
    RAW = 4


class Disposition(enum.IntEnum):
    """What happens to the card at the end of a connection or transaction."""

    LEAVE = 0
    RESET = 1
    UNPOWER = 2
    EJECT = 3


class CardState(enum.IntFlag):
    """State bits of a reader."""

    ABSENT = 0x02
    PRESENT = 0x04
    SWALLOWED = 0x08
    POWERED = 0x10
    NEGOTIABLE = 0x20
    SPECIFIC = 0x40


class Attribute(enum.IntEnum):
    """Attributes that we answer."""

    ATR_STRING = 0x00090303
    FRIENDLY_NAME = 0x7FFF0003


@dataclass(frozen=True, slots=True)
class ReaderState:
    """One entry of the reader array. ``sharing`` is -1 for exclusive use, else the number of connections."""

    name: bytes
    counter: int = 0
    state: CardState = CardState.ABSENT
    sharing: int = 0
    atr: bytes = b""
    protocol: Protocol = Protocol.UNDEFINED

    def __bytes__(self) -> bytes:
        return _READER.pack(
            self.name, self.counter, self.state, self.sharing, self.atr, len(self.atr), self.protocol
        )


def reader_array(readers: list[ReaderState]) -> bytes:
    """Sixteen entries of 184 bytes; entries without a reader are zero."""
    return b"".join(map(bytes, readers)).ljust(MAX_READERS * _READER.size, b"\0")


def reader_name(text: str) -> bytes:
    """The name as a client sends it back. Raises ValueError when it is empty or longer than 127 bytes."""
    raw = text.encode()
    if not 1 <= len(raw) < MAX_READER_NAME or b"\0" in raw:
        raise ValueError(f"a reader name has 1 to {MAX_READER_NAME - 1} bytes, got {len(raw)}")
    return raw
