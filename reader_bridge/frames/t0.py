"""APDUs over T=0 (ISO/IEC 7816-3:2006 §12.2): how a command becomes TPDUs, and what its answers mean.

:class:`Exchange` is the reader's side as a pure machine, for readers that handle procedure bytes themselves
(CCID at TPDU level): it sends ``CLA INS P1 P2 P3 [data]`` and is told ``[data] SW1 SW2``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["TPDU_MOST", "Done", "Exchange", "Send", "Tpdu", "envelopes"]

TPDU_MOST = 5 + 255
_GET_RESPONSE, _ENVELOPE = 0xC0, 0xC2
_MORE, _WRONG_LE = 0x61, 0x6C
_ROUNDS = 300
"""Answers 61xx and 6Cxx in a row after which a card is not asked further: more than 65536 bytes need."""


@dataclass(frozen=True, slots=True)
class Tpdu:
    """A command TPDU as its bytes say it: header, P3, and data towards the card or none."""

    header: bytes
    p3: int
    data: bytes = field(default=b"", repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> Tpdu:
        """Read ``CLA INS P1 P2 [P3 [data]]``. Raises ValueError when P3 contradicts the data."""
        if len(raw) < 4:
            raise ValueError(f"a TPDU has at least 4 bytes, got {len(raw)}")
        p3, data = (raw[4] if len(raw) > 4 else 0), raw[5:]
        if data and len(data) != p3:
            raise ValueError(f"P3 announces {p3} bytes of data, got {len(data)}")
        return cls(raw[:4], p3, data)


@dataclass(frozen=True, slots=True)
class Send:
    """Send this TPDU; its answer goes to :meth:`Exchange.received`."""

    tpdu: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Done:
    """The response APDU."""

    response: bytes = field(repr=False)


class Exchange:
    """One command APDU in the short form over T=0. Longer ones go in :func:`envelopes` first."""

    def __init__(self, command: bytes) -> None:
        body = command[4:]
        if len(command) < 4 or (len(body) > 1 and len(body) - 1 not in (body[0], body[0] + 1)):
            raise ValueError("a command APDU in the short form has a length that fits its Lc")
        self._with_data = len(body) > 1
        self._le = None if not body or len(body) - 1 == body[0] != 0 else body[-1] or 256
        self._header = command[:4]
        # Case 4 is sent like case 3; what the card announces by 61xx is then fetched by GET RESPONSE
        # (§12.2.5). After 9000 nothing is fetched, although it might be: cards answer that with errors.
        self._first = command[: 5 + body[0]] if self._with_data else command.ljust(5, b"\0")
        self._response = bytearray()
        self._last = self._first
        self._rounds = 0

    def begin(self) -> Send:
        """The first TPDU."""
        return Send(self._first)

    def received(self, answer: bytes) -> Send | Done:
        """What follows an answer. Raises ValueError for one without status word, and for a card that never
        comes to an end."""
        if len(answer) < 2:
            raise ValueError("an answer over T=0 has at least a status word")
        data, (sw1, sw2) = answer[:-2], answer[-2:]
        self._rounds += 1
        if self._rounds > _ROUNDS:
            raise ValueError("the card announces more and more data")
        if sw1 == _WRONG_LE and not data and not (self._with_data and self._last == self._first):
            # The same command again with the length that the card names: it executes it now (§12.2.3).
            return self._send(self._last[:4] + bytes((sw2,)))
        self._response += data
        if sw1 == _MORE and self._wanted:
            return self._send(self._get_response(sw2 or 256))
        response = bytes(self._response) if self._le is None else bytes(self._response[: self._le])
        return Done(response + answer[-2:])

    @property
    def _wanted(self) -> int:
        """Bytes of data that may still come."""
        return max(0, (self._le or 0) - len(self._response))

    def _get_response(self, available: int) -> bytes:
        # GET RESPONSE keeps the logical channel and nothing else of CLA (ISO 7816-4 §11.7).
        cla = self._header[0] & (0x4F if self._header[0] & 0x40 else 0x03)
        length = min(available, self._wanted, 256)
        return bytes((cla, _GET_RESPONSE, 0, 0, length & 0xFF))

    def _send(self, tpdu: bytes) -> Send:
        self._last = tpdu
        return Send(tpdu)


def envelopes(command: bytes, cla: int = 0x00) -> list[bytes]:
    """The ENVELOPE commands (short form) that carry an APDU which T=0 cannot (§12.2.6, ISO 7816-4 §11.7.2).

    All but the last ask for no answer; the last asks for 256 bytes.
    """
    parts = [command[start : start + 255] for start in range(0, len(command), 255)]
    heads = [bytes((cla, _ENVELOPE, 0, 0, len(part))) + part for part in parts]
    return [*heads[:-1], heads[-1] + b"\0"]
