"""A small store of values in two sectors of flash that survives a loss of power at any step.

A sector begins with a generation (8 bytes, written last when a sector is begun); the valid one with the
higher generation counts. Records follow: key(1) length(1) CRC-16(2) of key and value, 4 bytes of FF, the
value filled up to whole units. The last record of a key counts. When a record does not fit any more, or one
was torn, the values move to the other sector.
"""

from __future__ import annotations

import binascii
import struct

from .flash import ERASED, Area, Flash

__all__ = ["Store"]

_MARK = 0x54475354  # "TGST"
_HEAD = struct.Struct(">II")
_RECORD = struct.Struct(">BBH4x")


class Store:
    """Values of up to 200 bytes under keys from 1 to 254."""

    def __init__(self, flash: Flash, area: Area) -> None:
        self._flash = flash
        self._area = area
        self._size = flash.geometry.sector_size
        self._sector, self._generation = self._newest()
        self._values, self._end = self._read()

    def get(self, key: int) -> bytes | None:
        """The value, None when there is none."""
        return self._values.get(key)

    def put(self, key: int, value: bytes) -> None:
        """Write a value, whole or not at all. Raises PowerLost, ValueError when it is too long."""
        if not 1 <= key <= 254 or len(value) > 200:
            raise ValueError("a store has keys from 1 to 254 and values of up to 200 bytes")
        record = _record(key, value)
        if self._end is None or self._end + len(record) > self._size:
            self._move({**self._values, key: value})
        else:
            self._flash.write(self._area, self._sector * self._size + self._end, record)
            self._end += len(record)
        self._values[key] = value

    def _newest(self) -> tuple[int, int]:
        found = []
        for sector in range(self._area.size // self._size):
            mark, generation = _HEAD.unpack(self._flash.read(self._area, sector * self._size, _HEAD.size))
            if mark == _MARK:
                found.append((generation, sector))
        generation, sector = max(found, default=(0, 0))
        return sector, generation

    def _read(self) -> tuple[dict[int, bytes], int | None]:
        """The values, and where the next record goes: None when this sector takes no more."""
        if not self._generation:
            return {}, None
        raw = self._flash.read(self._area, self._sector * self._size, self._size)
        values: dict[int, bytes] = {}
        place = _HEAD.size
        while place + _RECORD.size <= len(raw):
            key, length, check = _RECORD.unpack_from(raw, place)
            if raw[place : place + _RECORD.size] == bytes([ERASED]) * _RECORD.size:
                blank = all(byte == ERASED for byte in raw[place:])
                return values, place if blank else None
            value = raw[place + _RECORD.size : place + _RECORD.size + length]
            if len(value) < length or _check(key, value) != check:
                return values, None
            values[key] = value
            place += len(_record(key, value))
        return values, None

    def _move(self, values: dict[int, bytes]) -> None:
        records = b"".join(_record(key, value) for key, value in sorted(values.items()))
        if _HEAD.size + len(records) > self._size:
            raise ValueError("the store is full")
        other = 1 - self._sector if self._generation else 0
        start = other * self._size
        self._flash.erase(self._area, start)
        self._flash.write(self._area, start + _HEAD.size, records)
        self._flash.write(self._area, start, _HEAD.pack(_MARK, self._generation + 1))
        self._sector, self._generation = other, self._generation + 1
        self._end = _HEAD.size + len(records)


def _check(key: int, value: bytes) -> int:
    return binascii.crc_hqx(bytes([key]) + value, 0xFFFF)


def _record(key: int, value: bytes) -> bytes:
    head = _RECORD.pack(key, len(value), _check(key, value))[:4] + bytes([ERASED]) * 4
    return head + value + bytes([ERASED]) * (-len(value) % 8)
