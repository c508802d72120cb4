"""What the secure channels of GlobalPlatform share (GPC 2.3.1 §10.6, §11.1.4, §B.2.3; ISO 7816-4:2020 §10).

The class byte says whether a command is secured; the bits of a security level mean the same in SCP02, SCP03
and SCP11; padding is 80 and zeros; and every host treats an exchange the same way: an answered one advances
the channel, anything else ends it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .command import EXTENDED_LE_MAX, SHORT_LE_MAX, Command, Response, Span
from .errors import CardError
from .ports import ChannelDek

__all__ = [
    "C_ENC",
    "C_MAC",
    "R_ENC",
    "R_MAC",
    "HostSide",
    "SecureMessagingError",
    "Send",
    "basic_cla",
    "carried",
    "is_secured",
    "is_warning",
    "length_field",
    "pad",
    "secured",
    "secured_le",
    "unpad",
    "unsecured",
]

Send = Callable[[Command], Response]
State = TypeVar("State")

# Bits of a security level as EXTERNAL AUTHENTICATE names it (GPC 2.3.1 §E.5.2.3, Amd D table 7-6).
C_MAC, C_ENC, R_MAC, R_ENC = 0x01, 0x02, 0x10, 0x20

FIRST_SECURE, FURTHER_SECURE = 0x04, 0x20


class SecureMessagingError(ValueError):
    """A message of the channel does not verify. ``sw`` is what a card answers to it."""

    def __init__(self, what: str, sw: int = 0x6982) -> None:
        self.sw = sw
        super().__init__(what)


def is_secured(cla: int) -> bool:
    """Whether ``cla`` says secure messaging: b3 in the first form, b6 in the further one."""
    return bool(cla & (FURTHER_SECURE if cla & 0x40 else FIRST_SECURE))


def secured(cla: int) -> int:
    """``cla`` with secure messaging (GPC 2.3.1 §11.1.4)."""
    return cla | (FURTHER_SECURE if cla & 0x40 else FIRST_SECURE)


def unsecured(cla: int) -> int:
    """``cla`` without secure messaging."""
    return cla & ~(FURTHER_SECURE if cla & 0x40 else FIRST_SECURE)


def basic_cla(cla: int) -> int:
    """``cla`` as MACs cover it: of the basic channel and without secure messaging (GPC 2.3.1 §11.1.4).

    Pieces of command chaining are put together before, so that their bit never comes here (§11.1.5).
    """
    return cla & 0x90 if cla & 0x40 else cla & 0xB0


def is_warning(sw: int) -> bool:
    """Whether ``sw`` reports a success or a warning: 9000, 62xx, 63xx. All others are errors."""
    return sw == 0x9000 or sw >> 8 in (0x62, 0x63)


def length_field(length: int, *, extended: bool) -> bytes:
    """Lc in the form in which it is transmitted, as MACs cover it: 1 byte, or 3 in the extended form."""
    return b"\x00" + length.to_bytes(2, "big") if extended else bytes((length,))


def pad(data: bytes, block: int) -> bytes:
    """80 and zeros to a multiple of ``block`` bytes; always at least one byte (GPC 2.3.1 §B.2.3)."""
    return data + b"\x80" + bytes(-(len(data) + 1) % block)


def unpad(data: bytes, block: int) -> bytes:
    """The inverse of :func:`pad`. Raises SecureMessagingError."""
    plain = data.rstrip(b"\x00")
    if not plain.endswith(b"\x80") or len(data) - len(plain) >= block:
        raise SecureMessagingError("the padding of encrypted data is wrong")
    return plain[:-1]


def secured_le(command: Command, *, extended: bool, grows: bool) -> int | None:
    """Le of a wrapped command. An answer that ``grows`` by its R-MAC would be cut off by an exact Le."""
    if command.le is None or not grows:
        return command.le
    return EXTENDED_LE_MAX if extended else SHORT_LE_MAX


def carried(spans: tuple[Span, ...], length: int | None, *, encrypted: bool) -> tuple[Span, ...]:
    """Marks of secret bytes, moved from a plain message of ``length`` bytes to the wrapped one.

    Encrypted data is hidden whole: with known keys (40…4F on every new card) anybody reads it.
    """
    if not spans:
        return ()
    if encrypted:
        return ((0, None),)
    if length is None:
        return spans
    return tuple(slice(*span).indices(length)[:2] for span in spans)


@dataclass(frozen=True, slots=True)
class Overhead:
    """What secure messaging adds to the data of a command: a MAC of ``mac`` bytes, and padding to whole
    cipher blocks of ``block`` bytes (0: it is not encrypted)."""

    mac: int
    block: int

    def room(self, most: int) -> int:
        """The most plain bytes of a command whose secured data field has at most ``most``."""
        room = most - self.mac
        return room // self.block * self.block - 1 if self.block else room


class HostSide(ABC, Generic[State]):
    """The host's end of an open channel. Give it to ``Card.secure``; it is used for one exchange at a time.

    ``protocol`` is 2, 3 or 0x11; ``level`` the security level, ``version`` the key version that opened the
    channel, ``dek`` what PUT KEY and STORE DATA encrypt under, ``overhead`` what the channel adds to a
    command.
    """

    def __init__(
        self, state: State, *, protocol: int, level: int, version: int, dek: ChannelDek, overhead: Overhead
    ) -> None:
        self._state: State | None = state
        self._died_in = ""
        self.protocol = protocol
        self.level = level
        self.version = version
        self.dek = dek
        self._overhead = overhead

    @abstractmethod
    def _wrap(self, state: State, command: Command) -> tuple[State, Command]:
        """The secured command and the state after it."""

    @abstractmethod
    def _unwrap(self, state: State, response: Response) -> tuple[State, Response]:
        """The plain response and the state after it. Raises SecureMessagingError."""

    @property
    def alive(self) -> bool:
        """Whether the channel can still be used."""
        return self._state is not None

    def room(self, most: int) -> int:
        """The most plain data bytes of a command whose secured data field has at most ``most``."""
        return self._overhead.room(most)

    def exchange(self, command: Command, send: Send) -> Response:
        """Send ``command`` through the channel and return the plain response.

        An answered exchange advances the state, error status words included. When ``send`` raises, or
        the answer does not verify, the channel is dead: CardError ``gp.channel_dead`` from then on.
        """
        if self._state is None:
            raise CardError("gp.channel_dead", what=self._died_in or "it was closed")
        state, wrapped = self._wrap(self._state, command)
        self.kill(f"{command.header.hex().upper()} was not answered")
        response = send(wrapped)
        try:
            state, plain = self._unwrap(state, response)
        except SecureMessagingError as error:
            self._died_in = str(error)
            raise CardError("gp.channel_dead", what=str(error)) from None
        self._state, self._died_in = state, ""
        return plain

    def kill(self, why: str = "") -> None:
        """End the channel on this side; nothing is sent."""
        self._state = None
        self._died_in = why

    def __repr__(self) -> str:
        return f"<{type(self).__name__} level {self.level:02X} {'open' if self.alive else 'dead'}>"
