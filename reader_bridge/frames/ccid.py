"""Messages of a CCID reader, in both directions (USB CCID rev 1.1 §6.1 bulk-out, §6.2 bulk-in, §6.3).

A message is a header of ten bytes, whose length field is little-endian, and data. Serial readers send the
same messages inside the frames of :mod:`.gemcore`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

__all__ = [
    "HEADER",
    "MESSAGE_MOST",
    "Clock",
    "CommandStatus",
    "Error",
    "Feature",
    "FromReader",
    "IccStatus",
    "Level",
    "MessageError",
    "Reply",
    "Request",
    "T0Parameters",
    "T1Parameters",
    "ToReader",
    "error_name",
    "parse_parameters",
]

HEADER = 10
MESSAGE_MOST = 271
"""Most bytes of one message of a serial reader: header and 261 bytes of data."""


class MessageError(ValueError):
    """Bytes that are not a CCID message, or a structure inside one that contradicts itself.

    ``offset`` is the byte of the message at fault, as bError reports it (1 is the length field).
    """

    def __init__(self, sentence: str, offset: int = 1) -> None:
        super().__init__(sentence)
        self.offset = offset


class Request(enum.IntEnum):
    """What the host asks (§6.1)."""

    SET_PARAMETERS = 0x61
    ICC_POWER_ON = 0x62
    ICC_POWER_OFF = 0x63
    GET_SLOT_STATUS = 0x65
    SECURE = 0x69
    T0_APDU = 0x6A
    ESCAPE = 0x6B
    GET_PARAMETERS = 0x6C
    RESET_PARAMETERS = 0x6D
    ICC_CLOCK = 0x6E
    XFR_BLOCK = 0x6F
    MECHANICAL = 0x71
    ABORT = 0x72
    SET_DATA_RATE = 0x73


class Reply(enum.IntEnum):
    """What the reader answers (§6.2), and what it says unasked over an interrupt pipe (§6.3)."""

    NOTIFY_SLOT_CHANGE = 0x50
    HARDWARE_ERROR = 0x51
    DATA_BLOCK = 0x80
    SLOT_STATUS = 0x81
    PARAMETERS = 0x82
    ESCAPE = 0x83
    DATA_RATE = 0x84

    @classmethod
    def to(cls, request: int) -> Reply:
        """The reply that a request of this type gets; a slot status for an unknown one (§6.2.2)."""
        return _REPLIES.get(request, Reply.SLOT_STATUS)


_REPLIES: dict[int, Reply] = {
    Request.ICC_POWER_ON: Reply.DATA_BLOCK,
    Request.XFR_BLOCK: Reply.DATA_BLOCK,
    Request.SECURE: Reply.DATA_BLOCK,
    Request.GET_PARAMETERS: Reply.PARAMETERS,
    Request.RESET_PARAMETERS: Reply.PARAMETERS,
    Request.SET_PARAMETERS: Reply.PARAMETERS,
    Request.ESCAPE: Reply.ESCAPE,
    Request.SET_DATA_RATE: Reply.DATA_RATE,
}


class IccStatus(enum.IntEnum):
    """Bits 0 and 1 of bStatus (§6.2.6)."""

    ACTIVE = 0
    INACTIVE = 1
    ABSENT = 2


class CommandStatus(enum.IntEnum):
    """Bits 6 and 7 of bStatus (§6.2.6)."""

    DONE = 0
    FAILED = 1
    TIME_EXTENSION = 2


class Error(enum.IntEnum):
    """bError of a failed command (§6.2.6). 1 to 127 are the offset of the byte at fault instead."""

    COMMAND_UNSUPPORTED = 0x00
    SLOT_BUSY = 0xE0
    PIN_CANCELLED = 0xEF
    PIN_TIMEOUT = 0xF0
    BUSY_WITH_AUTO_SEQUENCE = 0xF2
    DEACTIVATED_PROTOCOL = 0xF3
    PROCEDURE_BYTE_CONFLICT = 0xF4
    ICC_CLASS_NOT_SUPPORTED = 0xF5
    ICC_PROTOCOL_NOT_SUPPORTED = 0xF6
    BAD_ATR_TCK = 0xF7
    BAD_ATR_TS = 0xF8
    HW_ERROR = 0xFB
    XFR_OVERRUN = 0xFC
    XFR_PARITY = 0xFD
    ICC_MUTE = 0xFE
    CMD_ABORTED = 0xFF


def error_name(code: int) -> str:
    """A word for bError: its name in the specification, or the offset that it points to."""
    if 1 <= code <= 0x7F:
        return f"bad byte at offset {code}"
    try:
        return Error(code).name.lower().replace("_", " ")
    except ValueError:
        return f"error {code:02X}"


class Clock(enum.IntEnum):
    """bClockStatus (§6.2.2)."""

    RUNNING = 0
    STOPPED_LOW = 1
    STOPPED_HIGH = 2
    STOPPED = 3


class Level(enum.IntEnum):
    """wLevelParameter and bChainParameter of an extended-APDU reader (§6.1.4, §6.2.1)."""

    WHOLE = 0x00
    BEGINS = 0x01
    ENDS = 0x02
    CONTINUES = 0x03
    WANTS_MORE = 0x10


class Feature(enum.IntFlag):
    """dwFeatures (§5.1), as far as serial readers have them."""

    AUTO_PARAMETERS_FROM_ATR = 0x00000002
    AUTO_ACTIVATION = 0x00000004
    AUTO_VOLTAGE = 0x00000008
    AUTO_CLOCK = 0x00000010
    AUTO_BAUD_RATE = 0x00000020
    AUTO_NEGOTIATION = 0x00000040
    AUTO_PPS = 0x00000080
    STOPS_CLOCK = 0x00000100
    NAD_OTHER_THAN_0 = 0x00000200
    AUTO_IFSD = 0x00000400
    TPDU = 0x00010000
    SHORT_APDU = 0x00020000
    EXTENDED_APDU = 0x00040000


@dataclass(frozen=True, slots=True)
class ToReader:
    """A message of the host. ``specific`` are the three bytes between bSeq and the data."""

    kind: int
    slot: int = 0
    seq: int = 0
    data: bytes = field(default=b"", repr=False)
    specific: bytes = b"\0\0\0"

    def __bytes__(self) -> bytes:
        return _header(self.kind, len(self.data), self.slot, self.seq) + self.specific + self.data

    @classmethod
    def parse(cls, raw: bytes) -> ToReader:
        """Read one message. Raises MessageError when it is cut off or its length field is wrong."""
        kind, slot, seq, specific, data = _split(raw)
        return cls(kind, slot, seq, data, specific)

    @property
    def level(self) -> int:
        """wLevelParameter of XfrBlock and Secure."""
        return int.from_bytes(self.specific[1:], "little")


@dataclass(frozen=True, slots=True)
class FromReader:
    """A message of the reader. ``extra`` is the tenth byte: chaining, clock, protocol, by the type."""

    kind: int
    slot: int = 0
    seq: int = 0
    data: bytes = field(default=b"", repr=False)
    status: int = 0
    error: int = 0
    extra: int = 0

    def __bytes__(self) -> bytes:
        tail = bytes((self.status, self.error, self.extra))
        return _header(self.kind, len(self.data), self.slot, self.seq) + tail + self.data

    @classmethod
    def parse(cls, raw: bytes) -> FromReader:
        """Read one message. Raises MessageError when it is cut off or its length field is wrong."""
        kind, slot, seq, tail, data = _split(raw)
        return cls(kind, slot, seq, data, *tail)

    @classmethod
    def answering(
        cls,
        request: ToReader,
        icc: IccStatus,
        data: bytes = b"",
        *,
        command: CommandStatus = CommandStatus.DONE,
        error: int = 0,
        extra: int = 0,
    ) -> FromReader:
        """The reply to ``request``: its type, slot and sequence number follow from it."""
        status = command << 6 | icc
        return cls(Reply.to(request.kind), request.slot, request.seq, data, status, error, extra)

    @property
    def icc(self) -> IccStatus | None:
        """What is in the slot; None for the value that means nothing."""
        value = self.status & 0x03
        return None if value == 3 else IccStatus(value)

    @property
    def failed(self) -> bool:
        return self.status >> 6 == CommandStatus.FAILED

    @property
    def time_extension(self) -> int | None:
        """The multiplier of the waiting time when the reader only asks for more time."""
        return self.error if self.status >> 6 == CommandStatus.TIME_EXTENSION else None


def _header(kind: int, length: int, slot: int, seq: int) -> bytes:
    return bytes((kind,)) + length.to_bytes(4, "little") + bytes((slot, seq))


def _split(raw: bytes) -> tuple[int, int, int, bytes, bytes]:
    if len(raw) < HEADER:
        raise MessageError(f"a CCID message has at least {HEADER} bytes, got {len(raw)}")
    length = int.from_bytes(raw[1:5], "little")
    if length != len(raw) - HEADER:
        raise MessageError(f"the message announces {length} bytes of data, got {len(raw) - HEADER}")
    return raw[0], raw[5], raw[6], raw[7:10], raw[10:]


@dataclass(frozen=True, slots=True)
class T0Parameters:
    """abProtocolDataStructure for T=0 (§6.1.7): five bytes. The defaults are those of ISO 7816-3."""

    fi_di: int = 0x11
    convention: int = 0x00
    guard_time: int = 0x00
    waiting_integer: int = 0x0A
    clock_stop: int = 0x00

    protocol = 0

    def __bytes__(self) -> bytes:
        return bytes((self.fi_di, self.convention, self.guard_time, self.waiting_integer, self.clock_stop))


@dataclass(frozen=True, slots=True)
class T1Parameters:
    """abProtocolDataStructure for T=1 (§6.1.7): seven bytes. Bit 0 of ``checksum`` chooses the CRC."""

    fi_di: int = 0x11
    checksum: int = 0x10
    guard_time: int = 0x00
    waiting_integers: int = 0x4D
    clock_stop: int = 0x00
    ifsc: int = 0x20
    nad: int = 0x00

    protocol = 1

    def __bytes__(self) -> bytes:
        return bytes(
            (
                self.fi_di,
                self.checksum,
                self.guard_time,
                self.waiting_integers,
                self.clock_stop,
                self.ifsc,
                self.nad,
            )
        )


def parse_parameters(protocol: int, data: bytes) -> T0Parameters | T1Parameters:
    """Read abProtocolDataStructure for ``protocol`` 0 or 1. Raises MessageError with the offset at fault:
    7 for an unknown protocol, 1 for another length."""
    if protocol not in (0, 1):
        raise MessageError(f"no parameters for protocol {protocol}", 7)
    if len(data) != (7 if protocol else 5):
        raise MessageError(f"{len(data)} bytes are no parameters for T={protocol}")
    return T1Parameters(*data) if protocol else T0Parameters(*data)
