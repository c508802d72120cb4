"""``Card``: what applets talk to. It stands on the layers of :mod:`tegata.apdu.layers` and a Link."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Protocol

from .command import Command, Response
from .errors import CardError, MalformedResponse
from .layers import (
    SHORT_DATA_MAX,
    ChannelLayer,
    Layer,
    LengthLayer,
    LinkLayer,
    ResponseLayer,
    SecureChannel,
    SecureLayer,
    on_channel,
)
from .names import application_name, command_name, is_select_by_aid
from .ports import Link, PinPad
from .profile import CardProfile
from .status import status_error

__all__ = ["Card", "CardProfile", "Recorder"]


class Recorder(Protocol):
    """Is told every exchange as it goes over the Link, with the marks of what is secret."""

    def record(self, command: Command, response: Response) -> None: ...


class Card:
    """One logical channel of one card.

    ``link`` is owned by the card of the basic channel: closing that card closes the link. Further
    channels come from :meth:`open_channel`; all channels share one :class:`CardProfile`.
    """

    def __init__(
        self,
        link: Link,
        *,
        profile: CardProfile | None = None,
        channel: int = 0,
        recorder: Recorder | None = None,
    ) -> None:
        self.link = link
        self.profile = profile or CardProfile.from_link(link)
        self.application = ""
        self._recorder = recorder
        bottom: Layer = LinkLayer(link)
        if recorder is not None:
            bottom = _RecordingLayer(bottom, recorder)
        self._channel = ChannelLayer(bottom, channel)
        self._secure = SecureLayer(LengthLayer(ResponseLayer(self._channel), self.profile), self.profile)

    @property
    def channel(self) -> int:
        """The number of this card's logical channel."""
        return self._channel.number

    @property
    def secure_channel(self) -> SecureChannel | None:
        """The installed secure channel."""
        return self._secure.channel

    @property
    def max_data(self) -> int:
        """The most data bytes that one short command carries now."""
        return self.room(SHORT_DATA_MAX)

    def room(self, most: int) -> int:
        """The most data bytes of a command whose data field has at most ``most``, as it travels now."""
        return self._secure.channel.room(most) if self._secure.channel else most

    def send(self, command: Command) -> Response:
        """Send one command, in CLA of channel 0, and return its whole answer, whatever its status word.

        A SELECT by AID ends the secure channel of this logical channel and travels outside it.
        Raises CardRemoved, MalformedResponse, and CardError ``gp.channel_dead``.
        """
        if not is_select_by_aid(command):
            return self._secure.send(command)
        self.unsecure()
        response = self._secure.send(command)
        if response.ok or response.sw >> 8 == 0x62:
            self.application = application_name(command.data)
        return response

    def send_raw(self, command: Command) -> Response:
        """Send one command as it is, past the layers of answer, length and secure channel: for tools that
        show a card's own behaviour. Raises CardRemoved and MalformedResponse."""
        return self._channel.send(command)

    def expect(self, command: Command, *accepted: int) -> Response:
        """As :meth:`send`, but raises StatusError unless the status word is 9000 or one of ``accepted``."""
        response = self.send(command)
        if not response.ok and response.sw not in accepted:
            raise status_error(command, response, self.application)
        return response

    def select(self, aid: bytes, *, p2: int = 0x00, accepted: tuple[int, ...] = ()) -> Response:
        """SELECT an application by AID. ``p2`` 00 asks for the FCI, 0C for nothing.

        Raises StatusError unless the status word is 9000 or one of ``accepted`` (6283 for a locked one).
        """
        le = None if p2 & 0x0C == 0x0C else 256
        command = Command(0x00, 0xA4, 0x04, p2, aid, le=le)
        response = self.send(command)
        if not response.ok and response.sw not in accepted:
            raise status_error(command, response, application_name(aid))
        return response

    def secure(self, channel: SecureChannel) -> None:
        """Send everything through ``channel`` from now on, until a SELECT by AID or :meth:`unsecure`."""
        self._secure.channel = channel

    def unsecure(self) -> None:
        """Take the secure channel away and end it on this side. Nothing is sent."""
        if self._secure.channel is not None:
            self._secure.channel.kill("it was closed")
            self._secure.channel = None

    @contextmanager
    def secured(self, channel: SecureChannel) -> Iterator[Card]:
        """:meth:`secure` for the length of a ``with`` block."""
        self.secure(channel)
        try:
            yield self
        finally:
            self.unsecure()

    def verify_on_pad(self, template: Command) -> Response:
        """Have the reader ask for the PIN and fill it into ``template``.

        Refused inside a secure channel, and when the reader has no PIN pad: CardError ``card.pin_pad``.
        """
        if self._secure.channel is not None:
            raise CardError("card.pin_pad", what="a secure channel is open")
        if not isinstance(self.link, PinPad):
            raise CardError("card.pin_pad", what="the reader has none")
        command = template.with_(cla=on_channel(template.cla, self.channel))
        answer = self.link.verify_on_pad(bytes(command))
        try:
            response = Response.parse(answer)
        except ValueError:
            raise MalformedResponse(f"only {len(answer)} bytes", command_name(command)) from None
        if self._recorder is not None:
            self._recorder.record(command.with_(secret=((0, None),)), response)
        return response

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the link against other programs, from VERIFY to the closing reset."""
        return self.link.exclusive()

    def open_channel(self) -> Card:
        """Open a further logical channel (MANAGE CHANNEL, ISO/IEC 7816-4:2020 §11.1.2).

        Raises StatusError when the card has none, MalformedResponse for an impossible number.
        """
        response = self.expect(Command(0x00, 0x70, 0x00, 0x00, le=1))
        if len(response.data) != 1 or not 1 <= response.data[0] <= 19:
            raise MalformedResponse("no channel number", "MANAGE CHANNEL")
        return Card(self.link, profile=self.profile, channel=response.data[0], recorder=self._recorder)

    def reset(self) -> None:
        """Reset the card: everything that lives until reset is gone, the secure channel too."""
        self.unsecure()
        self.application = ""
        self.link.reset()

    def close(self) -> None:
        """Close this logical channel; on the basic channel reset the card and close the link."""
        self.unsecure()
        if self.channel:
            self._channel.send(Command(0x00, 0x70, 0x80, self.channel))
        else:
            self.link.close(reset=True)

    def __enter__(self) -> Card:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _RecordingLayer:
    """Tells a recorder what goes over the link, after everything else was done to it."""

    def __init__(self, below: Layer, recorder: Recorder) -> None:
        self._below = below
        self._recorder = recorder

    def send(self, command: Command) -> Response:
        response = self._below.send(command)
        self._recorder.record(command, response)
        return response
