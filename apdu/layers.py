"""The layers between an applet and the Link, one job each (ISO/IEC 7816-4:2020 §5.3, §5.4).

From the applet downwards: :class:`SecureLayer`, :class:`LengthLayer`, :class:`ResponseLayer`,
:class:`ChannelLayer`, optionally a recorder, :class:`LinkLayer`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .command import SHORT_LE_MAX, Command, Response, Span, cut_spans
from .errors import CardError, MalformedResponse
from .names import command_name
from .ports import Link
from .profile import CardProfile

__all__ = [
    "ChannelLayer",
    "Layer",
    "LengthLayer",
    "LinkLayer",
    "ResponseLayer",
    "SecureChannel",
    "SecureLayer",
    "is_piece",
    "on_channel",
]

CHAINING = 0x10
PROPRIETARY, MORE_IN_P1 = 0x80, 0x80
CHAINED_IN_P1 = frozenset((0xD8, 0xE4, 0xE6))
FACTORY_VERSION = 0xFF
SHORT_DATA_MAX = 255
SHORT_OVERHEAD = 6

# A card that lies must neither hang nor flood us.
MAX_ANSWER = 65536 + 256
MAX_ROUNDS = 600

# Commands that only read: sending one of them again after 6Cxx changes nothing on the card.
READS = frozenset((0x84, 0xA4, 0xB0, 0xB1, 0xB2, 0xB3, 0xC0, 0xCA, 0xCB, 0xF2))


class Layer(Protocol):
    """What a layer stands on."""

    def send(self, command: Command) -> Response: ...


class SecureChannel(Protocol):
    """A secure channel as the layers use it; ``Scp03Host`` is one."""

    @property
    def alive(self) -> bool: ...
    def room(self, most: int) -> int: ...
    def exchange(self, command: Command, send: Callable[[Command], Response]) -> Response: ...
    def kill(self, why: str = "") -> None: ...


class LinkLayer:
    """Commands to bytes and back."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def send(self, command: Command) -> Response:
        """Raises MalformedResponse for an answer of fewer than two bytes, CardRemoved from the link."""
        answer = self._link.transmit(bytes(command))
        try:
            return Response.parse(answer)
        except ValueError:
            raise MalformedResponse(f"only {len(answer)} bytes", command_name(command)) from None


class ChannelLayer:
    """Puts the logical channel into CLA (ISO/IEC 7816-4:2020 §5.4.1, GPC 2.3.1 §11.1.4)."""

    def __init__(self, below: Layer, number: int = 0) -> None:
        if not 0 <= number <= 19:
            raise ValueError(f"logical channels are 0 to 19, got {number}")
        self._below = below
        self.number = number

    def send(self, command: Command) -> Response:
        return self._below.send(command.with_(cla=on_channel(command.cla, self.number)))


class ResponseLayer:
    """Fetches the rest of an answer (61xx) and repeats a read whose Le was wrong (6Cxx)."""

    def __init__(self, below: Layer) -> None:
        self._below = below

    def send(self, command: Command) -> Response:
        """Raises MalformedResponse when the card announces more than any answer can hold."""
        response = self._right_le(command)
        data = response.data
        for _ in range(MAX_ROUNDS):
            if response.sw1 != 0x61:
                return Response(data, response.sw)
            if len(data) > MAX_ANSWER:
                break
            marks = _later(command.secret_answer, len(data))
            more = Command(0x00, 0xC0, le=response.sw2 or SHORT_LE_MAX, secret_answer=marks)
            response = self._right_le(more)
            if not response.data and response.sw1 == 0x61:
                break
            data += response.data
        raise MalformedResponse("an answer without end", command_name(command))

    def _right_le(self, command: Command) -> Response:
        response = self._below.send(command)
        # Only a read without data is sent again: never a PIN, a key or anything in a secure channel.
        if response.sw1 == 0x6C and command.case == 2 and command.ins in READS:
            return self._below.send(command.with_(le=response.sw2 or SHORT_LE_MAX))
        return response


class LengthLayer:
    """Brings long commands to the card: in the extended form where it is known to work, otherwise
    by command chaining (ISO/IEC 7816-4:2020 §5.3.3); INSTALL, DELETE and PUT KEY of GlobalPlatform by
    their own, whose bit stands in P1 (GPC 2.3.1 §11.1.5.1)."""

    def __init__(self, below: Layer, profile: CardProfile) -> None:
        self._below = below
        self._profile = profile

    def send(self, command: Command) -> Response:
        """Raises CardError ``card.too_long`` when the card takes neither form."""
        if not command.extended:
            return self._below.send(command)
        if self._profile.extended and len(bytes(command)) <= self._profile.max_command:
            return self._below.send(command)
        if len(command.data) <= SHORT_DATA_MAX:
            return self._below.send(shortened(command))
        return self._chain(command)

    def _chain(self, command: Command) -> Response:
        in_p1 = _chained_in_p1(command)
        if self._profile.chaining is False and not in_p1:
            raise CardError("card.too_long", command=command_name(command), length=len(command.data))
        size = min(SHORT_DATA_MAX, self._profile.max_command - SHORT_OVERHEAD)
        starts = range(0, len(command.data), size)
        for start in starts:
            last = start == starts[-1]
            piece = Command(
                command.cla if last or in_p1 else command.cla | CHAINING,
                command.ins,
                command.p1 if last or not in_p1 else command.p1 | MORE_IN_P1,
                command.p2,
                command.data[start : start + size],
                le=min(command.le, SHORT_LE_MAX) if last and command.le else None,
                secret=cut_spans(command.secret, len(command.data), start, start + size),
                secret_answer=command.secret_answer if last else (),
            )
            response = self._below.send(piece)
            if not last and not response.ok:
                return response
        return response


class SecureLayer:
    """Sends everything through the secure channel, when one is installed."""

    def __init__(self, below: Layer, profile: CardProfile) -> None:
        self._below = below
        self._profile = profile
        self.channel: SecureChannel | None = None

    def send(self, command: Command) -> Response:
        """Raises CardError ``gp.channel_dead`` once the channel has died, until it is taken away.

        The C-MAC is over the whole of a chained command, and what the card says to a piece has no R-MAC
        (GPC 2.3.1 §11.1.5): commands come whole, the layer below cuts them. ValueError for a piece.
        """
        if self.channel is None:
            return self._below.send(command)
        if is_piece(command):
            raise ValueError(f"{command.header.hex().upper()} is a piece: a channel takes whole commands")
        # The MAC covers the length fields: the form is chosen before it is made.
        if command.extended and not self._profile.extended:
            command = shortened(command)
        return self.channel.exchange(command, self._below.send)


def is_piece(command: Command) -> bool:
    """Whether bit 8 of P1 says that more of this command follows. P1 = FF of PUT KEY names the factory's
    keys instead."""
    more = command.p1 & MORE_IN_P1 and command.p1 != FACTORY_VERSION
    return bool(more) and _chained_in_p1(command)


def _chained_in_p1(command: Command) -> bool:
    return bool(command.cla & PROPRIETARY) and command.ins in CHAINED_IN_P1


def shortened(command: Command) -> Command:
    """The command in the short form when its data allows; a longer Le becomes 256."""
    if not command.extended or len(command.data) > SHORT_DATA_MAX:
        return command
    le = None if command.le is None else min(command.le, SHORT_LE_MAX)
    return command.with_(extended=False, le=le)


def on_channel(cla: int, number: int) -> int:
    """``cla`` (of channel 0) for logical channel ``number``: 0–3 in the first interindustry form, 4–19
    in the further one, where the bit of secure messaging moves."""
    if cla & 0x40 or cla & 0x03:
        if number == 0:
            return cla
        raise ValueError(f"CLA {cla:02X} names a logical channel of its own")
    if number < 4:
        return cla | number
    secure = 0x20 if cla & 0x04 else 0
    return cla & 0x90 | 0x40 | secure | (number - 4)


def _later(spans: tuple[Span, ...], got: int) -> tuple[Span, ...]:
    """Marks of a whole answer, for the part after its first ``got`` bytes."""
    if any(start < 0 or (stop is not None and stop < 0) for start, stop in spans):
        return ((0, None),)
    return tuple(
        (max(0, start - got), None if stop is None else stop - got)
        for start, stop in spans
        if stop is None or stop > got
    )
