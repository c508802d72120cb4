"""The card's side of T=0 over a Link that takes whole APDUs (ISO/IEC 7816-3:2006 §12.2).

What a card over T=0 does by itself is done here for one that was not made for it: data that the host could
not ask for waits for GET RESPONSE (61xx), and a wrong length is answered with the right one (6Cxx). The
command is not executed again when the host then repeats it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ...frames.t0 import Tpdu
from .refusal import Refused

__all__ = ["T0Card"]

_GET_RESPONSE = 0xC0
_CLA, _INS = 0, 1
_BAD_LENGTH = 1


@dataclass(frozen=True, slots=True)
class _Held:
    """An answer that waits: for this header again, or for GET RESPONSE when the header is None."""

    header: bytes | None
    data: bytes = field(repr=False)
    sw: bytes


class T0Card:
    """One card from its reset on. ``native``: the Link itself speaks T=0 and needs none of this."""

    def __init__(self, transmit: Callable[[bytes], bytes], *, native: bool) -> None:
        self._transmit = transmit
        self._native = native
        self._held: _Held | None = None

    def exchange(self, raw: bytes) -> bytes:
        """Data and status word for a TPDU. Raises Refused for one that contradicts itself."""
        try:
            tpdu = Tpdu.parse(raw)
        except ValueError:
            raise Refused(_BAD_LENGTH) from None
        if self._native:
            return self._transmit(raw)
        held, self._held = self._held, None
        if held is not None and self._asks_for(held, tpdu):
            return self._give(held, tpdu.p3 or 256)
        answer = self._transmit(raw)
        data, sw = answer[:-2], answer[-2:]
        if not data:
            return answer
        if tpdu.data:
            return self._announce(_Held(None, data, sw))
        if len(raw) == 4 or len(data) == (tpdu.p3 or 256):
            return answer
        self._held = _Held(tpdu.header, data, sw)
        return bytes((0x6C, len(data) & 0xFF))

    def _asks_for(self, held: _Held, tpdu: Tpdu) -> bool:
        if tpdu.data:
            return False
        if held.header is not None:
            return tpdu.header == held.header and (tpdu.p3 or 256) == len(held.data)
        return tpdu.header[_INS] == _GET_RESPONSE and not tpdu.header[_CLA] & 0x80

    def _announce(self, held: _Held) -> bytes:
        self._held = held
        return bytes((0x61, min(len(held.data), 256) & 0xFF))

    def _give(self, held: _Held, most: int) -> bytes:
        if most > len(held.data):
            self._held = held
            return bytes((0x6C, len(held.data) & 0xFF))
        data, rest = held.data[:most], held.data[most:]
        return data + (self._announce(_Held(None, rest, held.sw)) if rest else held.sw)
