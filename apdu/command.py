"""Command and response APDUs, all cases of ISO/IEC 7816-4:2020 §5.2 and §5.3, short and extended.

``Command.parse`` and ``bytes(command)`` are exact inverses: the form of the length fields (short or
extended) is part of the value, so that a MAC over "the bytes as transmitted" can be recomputed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

__all__ = ["Command", "Response", "Span"]

Span = tuple[int, int | None]
"""A stretch ``[start, stop)`` of bytes that is secret; ``stop`` None means "to the end"."""

SHORT_LE_MAX = 256
EXTENDED_LE_MAX = 65536


@dataclass(frozen=True, slots=True)
class Command:
    """One command APDU.

    ``le`` is the greatest number of answer bytes expected: None for none, 1–256 in the short form,
    1–65536 in the extended one. ``extended`` chooses the form of the length fields; it has no effect
    on a command without data and without ``le`` (case 1). ``secret`` and ``secret_answer`` mark the
    spans of data and of answer that no recorder may show; layers that rewrite a command carry them.
    """

    cla: int
    ins: int
    p1: int = 0
    p2: int = 0
    data: bytes = b""
    le: int | None = None
    extended: bool = False
    secret: tuple[Span, ...] = field(default=(), compare=False)
    secret_answer: tuple[Span, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if (self.cla | self.ins | self.p1 | self.p2) & ~0xFF:  # negative numbers have such bits too
            for name in ("cla", "ins", "p1", "p2"):
                if not 0 <= getattr(self, name) <= 0xFF:
                    raise ValueError(f"{name.upper()} must be one byte, got {getattr(self, name)!r}")
        most_data, most_le = (65535, EXTENDED_LE_MAX) if self.extended else (255, SHORT_LE_MAX)
        if len(self.data) > most_data:
            raise ValueError(
                f"{len(self.data)} data bytes do not fit the "
                f"{'extended' if self.extended else 'short'} form (most: {most_data})"
            )
        if self.le is not None and not 1 <= self.le <= most_le:
            raise ValueError(f"Le must be 1 to {most_le} or None, got {self.le!r}")
        if self.extended and not self.data and self.le is None:
            object.__setattr__(self, "extended", False)

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    @property
    def channel(self) -> int:
        """The logical channel that CLA names, 0 to 19 (ISO/IEC 7816-4:2020 §5.4.1)."""
        return (self.cla & 0x0F) + 4 if self.cla & 0x40 else self.cla & 0x03

    @property
    def case(self) -> int:
        """The ISO 7816-4 case, 1 to 4."""
        if self.data:
            return 3 if self.le is None else 4
        return 1 if self.le is None else 2

    @property
    def lc_field(self) -> bytes:
        """The Lc field as transmitted: empty, one byte, or three bytes."""
        if not self.data:
            return b""
        if self.extended:
            return b"\x00" + len(self.data).to_bytes(2, "big")
        return bytes((len(self.data),))

    def __bytes__(self) -> bytes:
        out = self.header + self.lc_field + self.data
        if self.le is not None:
            if not self.extended:
                out += bytes((self.le & 0xFF,))
            else:
                out += (b"" if self.data else b"\x00") + (self.le & 0xFFFF).to_bytes(2, "big")
        return out

    @classmethod
    def parse(cls, raw: bytes) -> Command:
        """Read a command APDU.

        A body of ``00`` alone is Le = 256 (case 2 short), as every known card and tool reads it.
        Raises ValueError when the length fields contradict the length of ``raw``.
        """
        if len(raw) < 4:
            raise ValueError(f"a command APDU has at least 4 bytes, got {len(raw)}")
        cla, ins, p1, p2 = raw[:4]
        body = raw[4:]
        if not body:
            return cls(cla, ins, p1, p2)
        if len(body) == 1:
            return cls(cla, ins, p1, p2, le=body[0] or SHORT_LE_MAX)
        if body[0] != 0:
            return cls(cla, ins, p1, p2, *_short_body(body))
        if len(body) == 3:
            return cls(cla, ins, p1, p2, le=int.from_bytes(body[1:], "big") or EXTENDED_LE_MAX, extended=True)
        return cls(cla, ins, p1, p2, *_extended_body(body), extended=True)

    def with_(self, **changes: object) -> Command:
        """A copy with some fields changed; the secret marks stay unless they are given anew."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def marked(self, raw: bytes) -> str:
        """Hex of ``raw`` (bytes of this command's data) with its secret spans as ``**``."""
        return hide(raw, self.secret)

    def __repr__(self) -> str:
        parts = [self.header.hex(" ").upper()]
        if self.data:
            parts.append(f"data[{len(self.data)}]={hide(self.data, self.secret)}")
        if self.le is not None:
            parts.append(f"Le={self.le}")
        if self.extended:
            parts.append("extended")
        return f"<Command {' '.join(parts)}>"


@dataclass(frozen=True, slots=True)
class Response:
    """One response APDU: data and status word (ISO/IEC 7816-4:2020 §5.6)."""

    data: bytes = b""
    sw: int = 0x9000

    def __post_init__(self) -> None:
        if not 0 <= self.sw <= 0xFFFF:
            raise ValueError(f"a status word is two bytes, got {self.sw!r}")

    @property
    def sw1(self) -> int:
        return self.sw >> 8

    @property
    def sw2(self) -> int:
        return self.sw & 0xFF

    @property
    def ok(self) -> bool:
        """True for 9000 only; 61xx and 6Cxx are handled by the layers below."""
        return self.sw == 0x9000

    def __bytes__(self) -> bytes:
        return self.data + self.sw.to_bytes(2, "big")

    def __repr__(self) -> str:
        # Answers hold personal data and decrypted keys, and errors and logs print objects.
        return f"<Response {self.sw:04X} data[{len(self.data)}]>"

    @classmethod
    def parse(cls, raw: bytes) -> Response:
        """Read a response APDU. Raises ValueError for fewer than two bytes."""
        if len(raw) < 2:
            raise ValueError(f"a response APDU has at least 2 bytes, got {len(raw)}")
        return cls(bytes(raw[:-2]), int.from_bytes(raw[-2:], "big"))


def hide(raw: bytes, spans: tuple[Span, ...]) -> str:
    """Upper case hex of ``raw`` with the bytes of ``spans`` as ``**``."""
    shown = [f"{byte:02X}" for byte in raw]
    for start, stop in spans:
        for index in range(*slice(start, stop).indices(len(shown))):
            shown[index] = "**"
    return "".join(shown)


def _short_body(body: bytes) -> tuple[bytes, int | None]:
    """Data and Le of a short command that has data."""
    lc, rest = body[0], body[1:]
    if len(rest) == lc:
        return rest, None
    if len(rest) == lc + 1:
        return rest[:-1], rest[-1] or SHORT_LE_MAX
    raise ValueError(f"Lc says {lc} data bytes, but {len(rest)} bytes follow it")


def _extended_body(body: bytes) -> tuple[bytes, int | None]:
    """Data and Le of an extended command that has data."""
    lc, rest = int.from_bytes(body[1:3], "big"), body[3:]
    if lc and len(rest) == lc:
        return rest, None
    if lc and len(rest) == lc + 2:
        return rest[:-2], int.from_bytes(rest[-2:], "big") or EXTENDED_LE_MAX
    raise ValueError(f"extended Lc says {lc} data bytes, but {len(rest)} bytes follow it")


def cut_spans(spans: tuple[Span, ...], length: int, start: int, stop: int) -> tuple[Span, ...]:
    """The marks of ``length`` bytes, for the piece ``[start, stop)`` of them."""
    out = []
    for span in spans:
        first, last, _ = slice(*span).indices(length)
        first, last = max(first, start), min(last, stop)
        if first < last:
            out.append((first - start, last - start))
    return tuple(out)
