"""A card in the field of a PN532, as a Link."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ....apdu.errors import EXCHANGE, CardRemoved, MalformedResponse
from ....apdu.ports import LinkInfo, TransmissionProtocol
from .activation import find_card
from .channel import Channel
from .radio import Radio

__all__ = ["Pn532Link"]


class Pn532Link:
    """One card, from its activation until it leaves, is reset or closed. Not for two threads at once.

    After an error the card's state is not known: every further APDU raises CardRemoved until :meth:`reset`.
    """

    def __init__(self, radio: Radio, channel: Channel, name: str) -> None:
        self._radio = radio
        self._channel = channel
        self._name = name
        self._alive = True
        self._open = True

    @property
    def atr(self) -> bytes:
        """The ATR that PC/SC part 3 makes of ATS or ATQB."""
        return self._channel.atr

    @property
    def info(self) -> LinkInfo:
        channel = self._channel
        return LinkInfo(self._name, TransmissionProtocol.TCL, channel.max_command, channel.max_response)

    @property
    def open(self) -> bool:
        """Whether the link was not closed, and no error has ended its card's session."""
        return self._open and self._alive

    def transmit(self, command: bytes) -> bytes:
        """One APDU. Raises CardRemoved, MalformedResponse or ReaderError."""
        if not self.open:
            raise CardRemoved(what=EXCHANGE)
        self._alive = False
        answer = self._channel.exchange(command)
        self._alive = True
        if len(answer) < 2:
            raise MalformedResponse("fewer than two bytes", f"the answer to {command[:4].hex(' ').upper()}")
        return answer

    def present(self) -> bool:
        """Whether the card still answers; asked by R(NAK), which alters nothing in it.

        Raises ReaderError when the line is lost.
        """
        if self.open:
            self._alive = False
            self._alive = self._channel.present()
        return self.open

    def reset(self) -> None:
        """Take the field away and give it back: the card forgets every PIN. Raises CardRemoved when it, or
        another, does not lie there then."""
        if not self._open:
            raise CardRemoved(what=EXCHANGE)
        self._alive = False
        channel = find_card(self._radio)
        if channel is None:
            raise CardRemoved(what=EXCHANGE)
        self._channel, self._alive = channel, True

    def close(self, reset: bool = True) -> None:
        """Let the card go. With ``reset`` (the default) its field goes, and nothing stays unlocked in it;
        without, the field stays until the reader looks for the next card or is closed.

        Raises ReaderError when the line is lost: then the field may be on until the board loses power.
        """
        if not self._open:
            return
        self._open = False
        if reset:
            self._radio.field(on=False)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """The line has one owner, so that no other program's APDU comes between."""
        yield
