"""What reader and card agree on before the first block: RATS and ATS, ATQB and ATTRIB.

ISO/IEC 14443-4:2018 §5 (type A) and ISO/IEC 14443-3:2018 §7.9, §7.10 (type B).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

__all__ = ["CARRIER", "FRAME_SIZES", "Ats", "Atqb", "attrib", "frame_size", "rats", "waiting_time", "wupb"]

FRAME_SIZES = (16, 24, 32, 40, 48, 64, 96, 128, 256, 512, 1024, 2048, 4096)
"""By FSCI and FSDI: bytes of the longest frame, CRC included."""

CARRIER = 13_560_000
"""Hz."""

_RATS = 0xE0
_ATQB = 0x50
_ATTRIB = 0x1D
_WUPB = 0x05
_DEFAULT_FSCI = 2
_DEFAULT_FWI = 4
_TA, _TB, _TC = 0x10, 0x20, 0x40


def frame_size(code: int) -> int:
    """FSC of an FSCI (or FSD of an FSDI); a reserved one counts as the largest (§5.2.3)."""
    return FRAME_SIZES[min(code, len(FRAME_SIZES) - 1)]


def waiting_time(code: int) -> float:
    """Seconds of an FWI or SFGI (§7.2): 302 µs doubled so often; 15 is reserved and counts as 4."""
    return (256 * 16 / CARRIER) * (1 << (code if code < 15 else _DEFAULT_FWI))


@dataclass(frozen=True, slots=True)
class Ats:
    """Answer to select (§5.2). ``ta``, ``tb``, ``tc`` are None where they are not sent; ``fsci`` is None
    where T0 is not."""

    fsci: int | None = 8
    ta: int | None = None
    tb: int | None = None
    tc: int | None = None
    historical: bytes = b""

    def __bytes__(self) -> bytes:
        if self.fsci is None:
            return b"\x01"
        values = [value for value in (self.ta, self.tb, self.tc) if value is not None]
        present = (self.ta is not None) * _TA | (self.tb is not None) * _TB | (self.tc is not None) * _TC
        body = bytes((present | self.fsci, *values)) + self.historical
        return bytes((len(body) + 1,)) + body

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read an ATS from TL on. Raises ValueError when TL and the length differ or bytes are missing."""
        if not raw or raw[0] != len(raw):
            raise ValueError("TL and the length of the ATS differ")
        if len(raw) == 1:
            return cls(None)
        t0, at = raw[1], 2
        values: list[int | None] = []
        for flag in (_TA, _TB, _TC):
            if t0 & flag:
                if at >= len(raw):
                    raise ValueError("the ATS is cut off in its interface bytes")
                values.append(raw[at])
                at += 1
            else:
                values.append(None)
        ta, tb, tc = values
        return cls(t0 & 0x0F, ta, tb, tc, raw[at:])

    @property
    def frame_size(self) -> int:
        """FSC, CRC included; 32 where the card does not say (§5.2.3)."""
        return frame_size(_DEFAULT_FSCI if self.fsci is None else self.fsci)

    @property
    def fwt(self) -> float:
        """Frame waiting time in seconds."""
        return waiting_time(_DEFAULT_FWI if self.tb is None else self.tb >> 4)

    @property
    def guard_time(self) -> float:
        """Start-up frame guard time in seconds: how long the card is left alone after its ATS (§5.2.5)."""
        code = 0 if self.tb is None else self.tb & 0x0F
        return waiting_time(code) if 0 < code < 15 else 0.0


@dataclass(frozen=True, slots=True)
class Atqb:
    """Answer to REQB or WUPB (ISO 14443-3 §7.9), 12 bytes; a thirteenth of the extended form is dropped."""

    pupi: bytes
    app_data: bytes
    prot_info: bytes

    def __bytes__(self) -> bytes:
        return bytes((_ATQB,)) + self.pupi + self.app_data + self.prot_info

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Raises ValueError for another first byte or length."""
        if len(raw) not in (12, 13) or raw[0] != _ATQB:
            raise ValueError("an ATQB has 12 or 13 bytes and begins with 50")
        return cls(raw[1:5], raw[5:9], raw[9:12])

    @property
    def iso_dep(self) -> bool:
        """Whether the card speaks ISO 14443-4 (protocol type, §7.9.4.4)."""
        return bool(self.prot_info[1] & 0x01)

    @property
    def frame_size(self) -> int:
        """FSC, CRC included."""
        return frame_size(self.prot_info[1] >> 4)

    @property
    def fwt(self) -> float:
        """Frame waiting time in seconds."""
        return waiting_time(self.prot_info[2] >> 4)

    @property
    def minimum_tr2(self) -> int:
        """What ATTRIB has to repeat in its third parameter byte, bits 2 and 1 of it (§7.10.5)."""
        return self.prot_info[1] >> 1 & 0x03


def rats(fsdi: int = 8, cid: int = 0) -> bytes:
    """Request for answer to select (§5.1)."""
    return bytes((_RATS, fsdi << 4 | cid))


def wupb(afi: int = 0x00) -> bytes:
    """Wake every card of type B of that application family, in one slot."""
    return bytes((_WUPB, afi, 0x08))


def attrib(pupi: bytes, *, fsdi: int = 8, cid: int = 0) -> bytes:
    """Choose the card of that PUPI (ISO 14443-3 §7.10): 106 kbit/s, ISO 14443-4, frames of FSDI."""
    return bytes((_ATTRIB,)) + pupi + bytes((0x00, fsdi, 0x01, cid))
