"""Commands, answers and status bytes of a PN532 (NXP UM0701-02 §7), as both of its ends need them.

Data of a command or an answer is written here without its code byte, unless a function says otherwise.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Self

__all__ = [
    "BAUD_RATES",
    "MAX_EXCHANGE",
    "BrTy",
    "Code",
    "FirmwareVersion",
    "GeneralStatus",
    "Meaning",
    "Parameters",
    "RfItem",
    "SelfTest",
    "StatusByte",
    "Support",
    "Target",
    "TargetA",
    "TargetB",
    "build_targets",
    "meaning",
    "parse_targets",
]

MAX_EXCHANGE = 262
"""Most bytes that InDataExchange and InCommunicateThru carry each way (§7.3.8)."""

BAUD_RATES = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1288000)
"""By the BR byte of SetSerialBaudRate (§7.2.7)."""


class Code(enum.IntEnum):
    """Command codes; the answer has the next number."""

    DIAGNOSE = 0x00
    GET_FIRMWARE_VERSION = 0x02
    GET_GENERAL_STATUS = 0x04
    READ_REGISTER = 0x06
    WRITE_REGISTER = 0x08
    READ_GPIO = 0x0C
    WRITE_GPIO = 0x0E
    SET_SERIAL_BAUD_RATE = 0x10
    SET_PARAMETERS = 0x12
    SAM_CONFIGURATION = 0x14
    POWER_DOWN = 0x16
    RF_CONFIGURATION = 0x32
    RF_REGULATION_TEST = 0x58
    IN_JUMP_FOR_DEP = 0x56
    IN_JUMP_FOR_PSL = 0x46
    IN_LIST_PASSIVE_TARGET = 0x4A
    IN_ATR = 0x50
    IN_PSL = 0x4E
    IN_DATA_EXCHANGE = 0x40
    IN_COMMUNICATE_THRU = 0x42
    IN_DESELECT = 0x44
    IN_RELEASE = 0x52
    IN_SELECT = 0x54
    IN_AUTO_POLL = 0x60
    TG_INIT_AS_TARGET = 0x8C


class BrTy(enum.IntEnum):
    """Baud rate and modulation of InListPassiveTarget."""

    A106 = 0x00
    FELICA_212 = 0x01
    FELICA_424 = 0x02
    B106 = 0x03
    JEWEL = 0x04


class Parameters(enum.IntFlag):
    """Flags of SetParameters (§7.2.9)."""

    NAD = 0x01
    DID = 0x02
    AUTO_ATR_RES = 0x04
    AUTO_RATS = 0x10
    EMULATE_PICC = 0x20
    NO_AMBLE = 0x40


class RfItem(enum.IntEnum):
    """Items of RFConfiguration (§7.3.1)."""

    FIELD = 0x01
    TIMINGS = 0x02
    MAX_RETRY_COM = 0x04
    MAX_RETRIES = 0x05
    ANALOG_A106 = 0x0A
    ANALOG_212_424 = 0x0B
    ANALOG_B = 0x0C
    ANALOG_ISO_DEP = 0x0D


class SelfTest(enum.IntEnum):
    """Tests of Diagnose (§7.2.1)."""

    ECHO = 0x00
    ROM = 0x01
    RAM = 0x02
    POLLING = 0x04
    ECHO_BACK = 0x05
    ATTENTION = 0x06
    ANTENNA = 0x07


class Support(enum.IntFlag):
    """What GetFirmwareVersion says that the chip speaks."""

    TYPE_A = 0x01
    TYPE_B = 0x02
    ISO_18092 = 0x04


class StatusByte(enum.IntEnum):
    """The low six bits of a status byte (§7.1)."""

    OK = 0x00
    TIMEOUT = 0x01
    CRC = 0x02
    PARITY = 0x03
    BIT_COUNT = 0x04
    FRAMING = 0x05
    COLLISION = 0x06
    BUFFER_SIZE = 0x07
    RF_OVERFLOW = 0x09
    FIELD_LATE = 0x0A
    RF_PROTOCOL = 0x0B
    TEMPERATURE = 0x0D
    INTERNAL_OVERFLOW = 0x0E
    INVALID_PARAMETER = 0x10
    DEP_COMMAND = 0x12
    FORMAT = 0x13
    AUTHENTICATION = 0x14
    UID_CHECK = 0x23
    DEP_STATE = 0x25
    NOT_ALLOWED = 0x26
    CONTEXT = 0x27
    RELEASED = 0x29
    CARD_CHANGED = 0x2A
    CARD_GONE = 0x2B
    NFCID3 = 0x2C
    OVERCURRENT = 0x2D
    NAD = 0x2E


MORE = 0x40
"""Bit of a status byte: the card's answer goes on; of a target number: the command does."""
STATUS_MASK = 0x3F


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a status byte says, in both languages."""

    en: str
    ja: str


_MEANINGS = {
    StatusByte.OK: Meaning("no error", "エラーなし"),
    StatusByte.TIMEOUT: Meaning("the card did not answer in time", "カードが時間内に応答しません"),
    StatusByte.CRC: Meaning("wrong CRC from the card", "カードの応答の CRC が違います"),
    StatusByte.PARITY: Meaning("wrong parity from the card", "カードの応答のパリティが違います"),
    StatusByte.BIT_COUNT: Meaning("wrong bit count during anticollision", "衝突防止でビット数が違います"),
    StatusByte.FRAMING: Meaning("framing error of MIFARE", "MIFARE のフレーミングエラー"),
    StatusByte.COLLISION: Meaning("a collision of bits: several cards", "ビットの衝突 (カードが複数)"),
    StatusByte.BUFFER_SIZE: Meaning("the communication buffer is too small", "通信バッファーの不足"),
    StatusByte.RF_OVERFLOW: Meaning("the RF buffer overflowed", "RF バッファーのあふれ"),
    StatusByte.FIELD_LATE: Meaning("the RF field was not switched on in time", "RF 磁界が間に合いません"),
    StatusByte.RF_PROTOCOL: Meaning("an error of the RF protocol", "RF プロトコルのエラー"),
    StatusByte.TEMPERATURE: Meaning("the antenna drivers are too hot", "アンテナ駆動部の過熱"),
    StatusByte.INTERNAL_OVERFLOW: Meaning("an internal buffer overflowed", "内部バッファーのあふれ"),
    StatusByte.INVALID_PARAMETER: Meaning("an invalid parameter", "パラメーターが不正です"),
    StatusByte.DEP_COMMAND: Meaning("an unknown command of the DEP protocol", "DEP の未知のコマンド"),
    StatusByte.FORMAT: Meaning("data of the wrong format", "データ形式が違います"),
    StatusByte.AUTHENTICATION: Meaning("MIFARE authentication failed", "MIFARE の認証に失敗しました"),
    StatusByte.UID_CHECK: Meaning("wrong check byte of the UID", "UID の検査バイトが違います"),
    StatusByte.DEP_STATE: Meaning("an invalid state of the DEP protocol", "DEP の状態が不正です"),
    StatusByte.NOT_ALLOWED: Meaning("not allowed in this configuration", "この設定では許されません"),
    StatusByte.CONTEXT: Meaning("not acceptable now: no such target", "対象がなく、今は受け付けられません"),
    StatusByte.RELEASED: Meaning("the target was released by its initiator", "対象は解放されました"),
    StatusByte.CARD_CHANGED: Meaning("another card of type B lies there", "別の B 型カードに替わりました"),
    StatusByte.CARD_GONE: Meaning("the card of type B has gone", "B 型カードがなくなりました"),
    StatusByte.NFCID3: Meaning("NFCID3 of initiator and target differ", "NFCID3 が一致しません"),
    StatusByte.OVERCURRENT: Meaning("an overcurrent", "過電流"),
    StatusByte.NAD: Meaning("NAD is missing", "NAD がありません"),
}


def meaning(status: int) -> Meaning:
    """What the low six bits of ``status`` say."""
    code = status & STATUS_MASK
    if code in _MEANINGS:
        return _MEANINGS[StatusByte(code)]
    return Meaning(f"unknown status {code:02X}", f"未知の状態 {code:02X}")


@dataclass(frozen=True, slots=True)
class FirmwareVersion:
    """The answer to GetFirmwareVersion: chip, version, revision and what it supports."""

    ic: int = 0x32
    version: int = 1
    revision: int = 6
    support: Support = Support.TYPE_A | Support.TYPE_B | Support.ISO_18092

    def __bytes__(self) -> bytes:
        return bytes((self.ic, self.version, self.revision, int(self.support)))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises ValueError for anything but four bytes."""
        if len(data) != 4:
            raise ValueError(f"a firmware version has 4 bytes, got {len(data)}")
        ic, version, revision, support = data
        return cls(ic, version, revision, Support(support & 0x07))


@dataclass(frozen=True, slots=True)
class GeneralStatus:
    """The answer to GetGeneralStatus; ``targets`` are (Tg, BrRx, BrTx, type)."""

    error: int
    field: bool
    targets: tuple[tuple[int, int, int, int], ...] = ()
    sam: int = 0

    def __bytes__(self) -> bytes:
        head = bytes((self.error, self.field, len(self.targets)))
        return head + b"".join(bytes(target) for target in self.targets) + bytes((self.sam,))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises ValueError when the number of targets and the length differ."""
        if len(data) < 4 or len(data) != 4 + 4 * data[2]:
            raise ValueError(f"a general status of {len(data)} bytes")
        starts = range(3, len(data) - 1, 4)
        targets = tuple((data[at], data[at + 1], data[at + 2], data[at + 3]) for at in starts)
        return cls(data[0], bool(data[1]), targets, data[-1])


@dataclass(frozen=True, slots=True)
class TargetA:
    """A card of type A as InListPassiveTarget describes it. ``ats`` begins with TL, and is empty where the
    chip has not sent RATS."""

    number: int
    sens_res: bytes
    sak: int
    uid: bytes
    ats: bytes = b""

    def __bytes__(self) -> bytes:
        head = bytes((self.number,)) + self.sens_res + bytes((self.sak, len(self.uid)))
        return head + self.uid + self.ats

    @property
    def iso_dep(self) -> bool:
        """Whether the SAK promises ISO 14443-4 (ISO 14443-3:2018 §6.5.3.4)."""
        return bool(self.sak & 0x20)


@dataclass(frozen=True, slots=True)
class TargetB:
    """A card of type B: its whole ATQB (12 bytes from ``50``, 13 for the extended one) and the answer to
    ATTRIB, which the chip has sent already."""

    number: int
    atqb: bytes
    attrib_res: bytes = b""

    def __bytes__(self) -> bytes:
        return bytes((self.number,)) + self.atqb + bytes((len(self.attrib_res),)) + self.attrib_res

    @property
    def pupi(self) -> bytes:
        """The pseudo-unique identifier, 4 bytes."""
        return self.atqb[1:5]


Target = TargetA | TargetB


def build_targets(targets: tuple[Target, ...]) -> bytes:
    """The data of an answer to InListPassiveTarget: NbTg and each target."""
    return bytes((len(targets),)) + b"".join(bytes(target) for target in targets)


def parse_targets(brty: BrTy, data: bytes, *, auto_rats: bool = True) -> tuple[Target, ...]:
    """The targets of an answer to InListPassiveTarget, of type A or B.

    With ``auto_rats`` the chip has activated cards of type A that speak ISO 14443-4, and their ATS follows.
    Raises ValueError for what is cut off, too long or of another kind.
    """
    reader = _Reader(data)
    count = reader.byte()
    if count > 2:
        raise ValueError(f"a PN532 holds two targets, got {count}")
    if count and brty not in (BrTy.A106, BrTy.B106):
        raise ValueError(f"targets of type {brty:02X} are not understood")
    parse = _target_b if brty is BrTy.B106 else _target_a
    targets = tuple(parse(reader, auto_rats) for _ in range(count))
    if reader.left:
        raise ValueError(f"{reader.left} bytes too many behind the targets")
    return targets


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise ValueError("the target data is cut off")
        self._at += count
        return self._data[self._at - count : self._at]

    def byte(self) -> int:
        return self.take(1)[0]


def _target_a(reader: _Reader, auto_rats: bool) -> Target:
    number, sens_res, sak = reader.byte(), reader.take(2), reader.byte()
    uid = reader.take(reader.byte())
    if len(uid) not in (4, 7, 10):
        raise ValueError(f"a UID has 4, 7 or 10 bytes, got {len(uid)}")
    ats = b""
    if auto_rats and sak & 0x20 and reader.left:
        length = reader.byte()
        if not length:
            raise ValueError("an ATS of length 0")
        ats = bytes((length,)) + reader.take(length - 1)
    return TargetA(number, sens_res, sak, uid, ats)


def _target_b(reader: _Reader, auto_rats: bool) -> Target:
    number, atqb = reader.byte(), reader.take(12)
    if atqb[0] != 0x50:
        raise ValueError(f"an ATQB begins with 50, got {atqb[0]:02X}")
    return TargetB(number, atqb, reader.take(reader.byte()))
