"""PIN entry on a reader: the data of a Secure message, and how digits go into the APDU.

USB CCID rev 1.1 §6.1.11 (abPINDataStructure) and PC/SC part 10 rev 2.02 §2.5 (format rules). A host fills
these structures, a PIN pad reads them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from .ccid import MessageError

__all__ = ["Encoding", "Operation", "PinFormat", "PinModify", "PinVerify", "Validation", "parse_secure"]

_BYTES = 0x80
_RIGHT = 0x04
_LENGTH_IN_BYTES = 0x10
_FILLER = 0xFF
_NIBBLE_FILLER = 0xF
_HEADER = 4


class Operation(enum.IntEnum):
    """bPINOperation."""

    VERIFY = 0
    MODIFY = 1
    CANCEL = 4


class Encoding(enum.IntEnum):
    """bmFormatString bits 0 and 1."""

    BINARY = 0
    BCD = 1
    ASCII = 2


class Validation(enum.IntFlag):
    """bEntryValidationCondition: what ends the entry."""

    MAX_SIZE = 1
    KEY = 2
    TIMEOUT = 4


@dataclass(frozen=True, slots=True)
class PinFormat:
    """bmFormatString, bmPINBlockString and bmPINLengthFormat as they stand in the structure.

    A block size of 0 inserts the PIN at its own length, and Lc follows it.
    """

    string: int = 0x82
    block: int = 0x08
    length: int = 0x00

    @property
    def encoding(self) -> Encoding:
        """Raises MessageError for the value that means nothing."""
        value = self.string & 0x03
        if value == 3:
            raise MessageError("no PIN encoding has this number", 12)
        return Encoding(value)

    @property
    def position(self) -> int:
        """Bits between the beginning of the data field and the PIN block."""
        return (self.string >> 3 & 0x0F) * (8 if self.string & _BYTES else 1)

    @property
    def block_size(self) -> int:
        """Bytes of the PIN block, 0 for as many as the PIN has."""
        return self.block & 0x0F

    @property
    def length_bits(self) -> int:
        """Bits of the PIN's length in the data field, 0 for none."""
        return self.block >> 4

    @property
    def length_position(self) -> int:
        """Bits between the beginning of the data field and the PIN's length."""
        return (self.length & 0x0F) * (8 if self.length & _LENGTH_IN_BYTES else 1)

    def digits(self, pin: bytes) -> bytes:
        """The PIN (ASCII digits) in its encoding: one byte a digit in ASCII and binary, two digits a byte in
        BCD, the last half byte F when their number is odd."""
        if self.encoding is Encoding.ASCII:
            return pin
        values = [digit & 0x0F for digit in pin]
        if self.encoding is Encoding.BINARY:
            return bytes(values)
        if len(values) % 2:
            values.append(_NIBBLE_FILLER)
        return bytes(high << 4 | low for high, low in zip(values[::2], values[1::2], strict=True))

    def insert(self, apdu: bytes, pin: bytes, offset: int = 0) -> bytes:
        """``apdu`` with the PIN in its data field, ``offset`` bytes after where the format alone puts it.

        Bytes of the block that the PIN does not fill keep what the APDU has there. Raises MessageError when
        the block does not fit: a PIN pad must not write over the header.
        """
        if self.position % 8 or (self.block_size and len(self.digits(pin)) > self.block_size):
            raise MessageError("the PIN does not fit its block", 12)
        header, data = apdu[:_HEADER], bytearray(apdu[_HEADER + 1 :])
        tail = b""
        if len(apdu) > _HEADER and len(data) > apdu[_HEADER]:
            data, tail = data[: apdu[_HEADER]], bytes(data[apdu[_HEADER] :])
        start = self.position // 8 + offset
        digits = self.digits(pin)
        if self.block_size:
            data.extend(bytes([_FILLER]) * (start + self.block_size - len(data)))
            if self.string & _RIGHT:
                start += self.block_size - len(digits)
            data[start : start + len(digits)] = digits
        else:
            data.extend(bytes([_FILLER]) * (start - len(data)))
            data[start:start] = digits
        if self.length_bits:
            self._put_length(data, len(pin), 8 * offset)
        if len(data) > 0xFF:
            raise MessageError("the APDU with the PIN is longer than a short one", 12)
        return header + bytes((len(data),)) + bytes(data) + tail

    def _put_length(self, data: bytearray, count: int, offset: int) -> None:
        """Write the number of digits into its field, whose bits may begin inside a byte."""
        first = self.length_position + offset
        shift = 8 * len(data) - first - self.length_bits
        if shift < 0 or count >> self.length_bits:
            raise MessageError("the length of the PIN does not fit its field", 14)
        mask = (1 << self.length_bits) - 1 << shift
        value = int.from_bytes(data, "big") & ~mask | count << shift
        data[:] = value.to_bytes(len(data), "big")


@dataclass(frozen=True, slots=True)
class PinVerify:
    """abPINDataStructure of PIN verification (§6.1.11.5)."""

    apdu: bytes = field(repr=False)
    timeout: int = 30
    format: PinFormat = PinFormat()
    least: int = 4
    most: int = 8
    validation: int = Validation.KEY
    messages: int = 1
    language: int = 0x0409
    message: int = 0
    prologue: bytes = b"\0\0\0"

    def __bytes__(self) -> bytes:
        return (
            bytes((Operation.VERIFY, self.timeout, *_format_bytes(self.format)))
            + bytes((self.most, self.least, self.validation, self.messages))
            + self.language.to_bytes(2, "little")
            + bytes((self.message,))
            + self.prologue
            + self.apdu
        )


@dataclass(frozen=True, slots=True)
class PinModify:
    """abPINDataStructure of PIN modification (§6.1.11.7). ``confirm`` bit 0 asks for the new PIN twice, bit 1
    for the present one. ``message`` are the indexes of one to three prompts."""

    apdu: bytes = field(repr=False)
    timeout: int = 30
    format: PinFormat = PinFormat()
    old_offset: int = 0
    new_offset: int = 8
    least: int = 4
    most: int = 8
    confirm: int = 3
    validation: int = Validation.KEY
    messages: int = 3
    language: int = 0x0409
    message: bytes = b"\0\1\2"
    prologue: bytes = b"\0\0\0"

    def __bytes__(self) -> bytes:
        return (
            bytes((Operation.MODIFY, self.timeout, *_format_bytes(self.format)))
            + bytes((self.old_offset, self.new_offset, self.most, self.least))
            + bytes((self.confirm, self.validation, self.messages))
            + self.language.to_bytes(2, "little")
            + self.message
            + self.prologue
            + self.apdu
        )


def _format_bytes(rules: PinFormat) -> tuple[int, int, int]:
    return rules.string, rules.block, rules.length


def parse_secure(data: bytes, *, all_prompts: bool = False) -> PinVerify | PinModify:
    """Read the data of a Secure message. Raises MessageError, with offset 10 for another operation.

    ``all_prompts``: the modification always has three prompt indexes, whatever number it names, as the GemPC
    PinPad wants it and libccid sends it. Otherwise there is one for 0, two for 1 and 2, three for 3.
    """
    if not data or data[0] not in (Operation.VERIFY, Operation.MODIFY):
        raise MessageError("this PIN operation is not supported", 10)
    if data[0] == Operation.VERIFY:
        return _verify(data)
    return _modify(data, all_prompts)


def _verify(data: bytes) -> PinVerify:
    if len(data) < 15 + _HEADER:
        raise MessageError("the PIN verification is cut off")
    return PinVerify(
        apdu=data[15:],
        timeout=data[1],
        format=PinFormat(*data[2:5]),
        most=data[5],
        least=data[6],
        validation=data[7],
        messages=data[8],
        language=int.from_bytes(data[9:11], "little"),
        message=data[11],
        prologue=data[12:15],
    )


def _modify(data: bytes, all_prompts: bool) -> PinModify:
    if len(data) < 14:
        raise MessageError("the PIN modification is cut off")
    prompts = 3 if all_prompts or data[11] == 3 else 1 if data[11] == 0 else 2
    start = 14 + prompts
    if len(data) < start + 3 + _HEADER:
        raise MessageError("the PIN modification is cut off")
    return PinModify(
        apdu=data[start + 3 :],
        timeout=data[1],
        format=PinFormat(*data[2:5]),
        old_offset=data[5],
        new_offset=data[6],
        most=data[7],
        least=data[8],
        confirm=data[9],
        validation=data[10],
        messages=data[11],
        language=int.from_bytes(data[12:14], "little"),
        message=data[14:start],
        prologue=data[start : start + 3],
    )
