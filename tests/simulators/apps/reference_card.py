"""A model of the My Number Card's PIN and access rules, written from published client behaviour alone.

It shares nothing with the simulator: tables of numbers, and status words as text. ``ReferenceCard.send`` says
which status word a command must end with; the content of files is no business of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ANYBODY, NOBODY = None, frozenset[int]()
JPKI, TEXT, VISUAL = "D392F000260100000001", "D3921000310001010408", "D3921000310001010402"
JUKI, COMMON, MANAGER = "D3921000310001010401", "D3921000310001010100", "A0000001510000"
INSTALLED = (MANAGER, COMMON, TEXT, JPKI, VISUAL, JUKI)
"""In the order in which a partial name finds them."""


@dataclass
class Pin:
    """Value, limit of tries, tries left, shortest and longest, and the command that changes it."""

    value: bytes
    limit: int
    left: int
    lengths: range
    change: str = ""


@dataclass
class Application:
    """``files`` to read and who may; ``keys`` to sign with and who may; ``dead`` can only be selected."""

    files: dict[int, frozenset[int] | None] = field(default_factory=dict)
    keys: dict[int, frozenset[int] | None] = field(default_factory=dict)
    pins: dict[int, Pin] = field(default_factory=dict)
    dead: tuple[int, ...] = ()
    default_key: int = 0
    signs: bool = True
    secure: str = "6982"

    def has(self, number: int) -> bool:
        return number in {*self.files, *self.keys, *self.pins, *self.dead}


def _pin(value: bytes, limit: int, change: str = "0024", lengths: range | None = None) -> Pin:
    return Pin(value, limit, limit, lengths or range(len(value), len(value) + 1), change)


def applications(number: bytes, check_b: bytes) -> dict[str, Application]:
    """The five applications of a fresh card whose PINs are 1234 and ABC123."""
    return {
        JPKI: Application(
            files={0x01: frozenset({0x1B}), 0x02: ANYBODY, 0x06: ANYBODY, 0x08: ANYBODY, 0x09: NOBODY}
            | {0x0A: ANYBODY, 0x0B: ANYBODY},
            keys={0x17: frozenset({0x18}), 0x1A: frozenset({0x1B})},
            pins={0x18: _pin(b"1234", 3), 0x1B: _pin(b"ABC123", 5, lengths=range(6, 17))},
            dead=(0x05, 0x10, 0x16, 0x19, 0x1C, 0x1E),
        ),
        TEXT: Application(
            files={0x01: frozenset({0x11, 0x14}), 0x02: frozenset({0x11, 0x15})}
            | {0x03: frozenset({0x11, 0x14, 0x15}), 0x04: ANYBODY, 0x05: ANYBODY}
            | {0x06: frozenset({0x11, 0x14, 0x15}), 0x07: ANYBODY, 0x08: ANYBODY},
            keys={0x13: ANYBODY},
            pins={
                0x11: _pin(b"1234", 3),
                0x12: Pin(b"", 0, 0, range(1, 17)),
                0x14: _pin(number, 10, ""),
                0x15: _pin(check_b, 10, ""),
            },
            dead=(0x10, 0x1C, 0x1E),
            default_key=0x13,
            secure="69FC",
        ),
        VISUAL: Application(
            files={0x01: frozenset({0x11}), 0x02: frozenset({0x12, 0x13}), 0x03: ANYBODY, 0x04: ANYBODY}
            | {0x05: frozenset({0x13}), 0x06: ANYBODY},
            keys={0x1A: ANYBODY},
            pins={
                0x11: _pin(check_b[:6], 10, ""),
                0x12: _pin(check_b, 10, ""),
                0x13: _pin(number, 10, ""),
            },
            dead=(0x1C, 0x1E),
            default_key=0x1A,
            secure="66F1",
        ),
        JUKI: Application(
            files={0x02: ANYBODY}, pins={0x1C: _pin(b"1234", 3, "8032")}, dead=(0x1E,), signs=False
        ),
        COMMON: Application(
            files={0x02: ANYBODY},
            keys={0x19: ANYBODY},
            pins={0x1C: _pin(b"1234", 3, "8032")},
            dead=(0x01, 0x1E),
            signs=False,
            secure="66F1",
        ),
        MANAGER: Application(signs=False, secure="6882"),
    }


class ReferenceCard:
    """The rules. Verified references belong to the selected application and end with its selection."""

    def __init__(self, number: bytes, check_b: bytes) -> None:
        self.applications = applications(number, check_b)
        self.reset()

    def reset(self) -> None:
        self._enter(MANAGER)

    def _enter(self, aid: str) -> None:
        if getattr(self, "aid", None) != aid:
            self.verified: set[int] = set()
        self.aid = aid
        self.current = 0

    @property
    def here(self) -> Application:
        return self.applications[self.aid]

    def select(self, name: str, following: bool = False) -> str:
        """By name or by the beginning of one; ``following`` asks for the next that fits."""
        fitting = [aid for aid in INSTALLED if aid.startswith(name)]
        if following and self.aid in fitting:
            fitting = fitting[fitting.index(self.aid) + 1 :]
        if not fitting:
            return "6A82"
        self._enter(fitting[0])
        return "9000"

    def select_file(self, number: int) -> str:
        if not self.here.has(number):
            return "6A82"
        self.current = number
        return "9000"

    def _named(self, short_id: int) -> str:
        """Makes the file that a command names current: by short id, or with 0 the current one."""
        if short_id:
            return "" if self.select_file(short_id) == "9000" else "6A82"
        return "" if self.current else "6986"

    def read(self, short_id: int) -> str:
        if self.aid == MANAGER:
            return "6D00"
        if wrong := self._named(short_id):
            return wrong
        if self.current not in self.here.files:
            return "6981"
        readers = self.here.files[self.current]
        return "9000" if readers is ANYBODY or readers & self.verified else "6982"

    def _pin(self, short_id: int) -> str:
        if self.aid == MANAGER:
            return "6D00"
        return self._named(short_id) or ("" if self.current in self.here.pins else "6981")

    def query(self, short_id: int) -> str:
        return self._pin(short_id) or f"63C{self.here.pins[self.current].left:X}"

    def verify(self, short_id: int, value: bytes) -> str:
        if wrong := self._pin(short_id):
            return wrong
        pin = self.here.pins[self.current]
        if pin.left == 0:
            return "6984"
        if len(value) not in pin.lengths:
            return "6700"
        if value == pin.value:
            pin.left = pin.limit
            self.verified.add(self.current)
            return "9000"
        pin.left -= 1
        self.verified.discard(self.current)
        return f"63C{pin.left:X}"

    def change(self, short_id: int, value: bytes, command: str) -> str:
        """``command``: CLA and INS, 0024 or 8032; an application knows one of them."""
        own = "8032" if self.aid in (JUKI, COMMON) else "0024"
        if self.aid == MANAGER or command != own:
            return "6D00"
        if wrong := self._pin(short_id):
            return wrong
        pin = self.here.pins[self.current]
        if not pin.change or self.current == 0x12:
            return "6985"
        if self.current not in self.verified:
            return "6982"
        if len(value) not in pin.lengths:
            return "6700"
        pin.value = value
        return "9000"

    def sign(self, short_id: int, default: bool = False) -> str:
        if not self.here.signs:
            return "6D00"
        if default:
            if not self.here.default_key:
                return "6A86"
            key = self.here.default_key
        else:
            if wrong := self._named(short_id):
                return wrong
            key = self.current
        if key not in self.here.keys:
            return "6981"
        users = self.here.keys[key]
        return "9000" if users is ANYBODY or users & self.verified else "6982"

    def authenticate(self, short_id: int) -> str:
        """INTERNAL AUTHENTICATE with a challenge of four bytes."""
        if self.aid == JUKI:
            return "6985"
        if self.aid != COMMON:
            return "6D00"
        if wrong := self._named(short_id):
            return wrong
        return "9000" if self.current == 0x19 else "6985"

    def record(self, number: int, short_id: int) -> str:
        if self.aid != COMMON:
            return "6D00"
        if wrong := self._named(short_id):
            return wrong
        if self.current != 0x01:
            return "6981"
        return "9000" if number == 1 else "6A83"

    def secure(self) -> str:
        """Any command with the secure messaging bits in CLA."""
        return self.here.secure

    def data(self, tag: str) -> str:
        """GET DATA with an extended Le."""
        here = self.aid == MANAGER
        known = ("0042", "0045", "0066", "00F0", "00F2", "00F7", "00F8", "7F21", "5F51")
        return "9000" if here and tag in known else "6A88"
