"""CCID messages to a GemCore reader and back, over its serial frames (facts: :mod:`...frames.gemcore`).

One message is out at a time; its answer is the frame with the same slot and sequence number. What a GemPC
Twin or PinPad sends back of the command itself is passed over, so are answers to earlier messages; bytes
that ask for time and CCID time extensions prolong the wait, up to a bound.

No command is ever sent again here. A reader that says that a frame came damaged may have obeyed another
one, and a missing answer says nothing about the card: who may ask again, and how, the layers above know.
What may be asked for again is the answer: before giving up, NAK lets the reader send its last one once more,
and by its sequence number it is known whether that is ours.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from ....apdu.errors import ReaderError, Words
from ...frames import ccid, gemcore
from ..serial_port import SerialPort

__all__ = ["COMMANDS", "Timing", "Transport", "Unanswered"]

_NOISE = 4
"""So many bytes that belong to nothing were a frame once."""
_PATIENCE = 5
"""How often a reader may ask for time for what it knows itself."""

COMMANDS = {
    ccid.Request.ICC_POWER_ON: Words("power-on of the card", "カードの起動"),
    ccid.Request.ICC_POWER_OFF: Words("power-off of the card", "カードの停止"),
    ccid.Request.GET_SLOT_STATUS: Words("the state of its slot", "スロットの状態の問い合わせ"),
    ccid.Request.SET_PARAMETERS: Words("the parameters of the protocol", "プロトコルの設定"),
    ccid.Request.SECURE: Words("a PIN entry on its pad", "ピンパッドでの暗証番号入力"),
    ccid.Request.ESCAPE: Words("a question about itself", "リーダー情報の問い合わせ"),
    ccid.Request.XFR_BLOCK: Words("an APDU", "APDU のやり取り"),
}
"""What a command is for a person."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the driver waits, in seconds. The defaults are for real lines and readers.

    ``answer``: for what the reader knows itself. ``power``: for power-on, in all voltages that it tries.
    ``card``: at least, for what the card must answer. ``pin``: for a PIN entry, to which the reader itself
    sets an earlier end. ``longest``: for one APDU, whatever reader and card ask for.
    ``gap``: after it an unfinished frame is given up. ``damaged``: for what may still come when the answer
    came damaged. ``settle``: for bytes that follow an answer and should not. ``patience`` multiplies what the
    card says of itself.
    """

    answer: float = 2.0
    power: float = 5.0
    card: float = 3.0
    pin: float = 90.0
    longest: float = 300.0
    gap: float = 0.25
    damaged: float = 1.0
    settle: float = 0.002
    patience: float = 1.0


class Unanswered(ReaderError):
    """No answer came that could be used. Whether the command was carried out is not known."""

    default_code = "gemcore.unanswered"


class Transport:
    """One line with one reader. Not for two threads at once; raises ReaderError ``line.lost``, Unanswered."""

    def __init__(self, port: SerialPort, name: str, timing: Timing) -> None:
        self._port = port
        self.name = name
        self.timing = timing
        self.echoes = False
        """Whether the reader sends commands back before it answers; learned from what it does."""
        self._decoder = gemcore.Decoder(of_reader=True)
        # Random, so that an answer to a program that had the line before is not taken for one of ours.
        self._seq = secrets.randbelow(256)
        self._doubtful = True

    def exchange(
        self,
        kind: ccid.Request,
        slot: int = 0,
        data: bytes = b"",
        *,
        specific: bytes = b"\0\0\0",
        wait: float | None = None,
    ) -> ccid.FromReader:
        """Send one message and return its answer, which may say that the reader failed.

        ``wait`` seconds may pass without a sign of life; None for what the reader knows itself. Raises
        Unanswered and ReaderError ``line.lost``.
        """
        self._clear()
        message, frame = self._frame(kind, slot, data, specific)
        self._doubtful = True
        self._port.write(frame)
        if wait is None:
            limits = _Wait(self.timing.answer, _PATIENCE * self.timing.answer)
        else:
            limits = _Wait(wait, self.timing.longest)
        answer = self._await(message, limits)
        self._doubtful = False
        return answer

    def _clear(self) -> None:
        """Throw away what came unasked. After trouble the line must be quiet first, so that neither side
        takes bytes of the last frame for a part of the next."""
        self._decoder = gemcore.Decoder(of_reader=True)
        self._port.drain(self.timing.gap if self._doubtful else 0.0)

    def _frame(
        self, kind: ccid.Request, slot: int, data: bytes, specific: bytes
    ) -> tuple[ccid.ToReader, bytes]:
        """The message and its frame. Of the sequence numbers one is taken whose check byte stands nowhere
        else in the frame: when a byte is doubled on the line, everything behind it moves on by one, and only
        such a byte could then end a frame that is taken for a good one."""
        first = None
        for step in range(1, 256):
            message = ccid.ToReader(kind, slot, (self._seq + step) & 0xFF, data, specific)
            frame = gemcore.encode(bytes(message))
            first = first or (message, frame)
            if frame[-1] not in frame[:-1]:
                break
        else:
            message, frame = first or (message, frame)  # a long message has every byte
        self._seq = message.seq
        return message, frame

    def _await(self, message: ccid.ToReader, wait: _Wait) -> ccid.FromReader:
        """The answer to ``message``, asked for once more by NAK when it does not come whole."""
        answer = self._listen(message, wait)
        if answer is None:
            self._decoder.give_up()
            self._port.write(gemcore.NAK)
            answer = self._listen(message, _Wait(self.timing.damaged, 2 * self.timing.damaged))
        if answer is None:
            raise self._unanswered(message)
        return answer

    def _listen(self, message: ccid.ToReader, wait: _Wait) -> ccid.FromReader | None:
        """The answer; None when none came in time, or one that cannot be trusted."""
        echo_is_due = self.echoes
        if echo_is_due:
            wait.expect_sign(self.timing.answer)
        while (left := wait.left) > 0:
            piece = self._port.read(min(left, self.timing.gap) if self._decoder.pending else left)
            if piece:
                wait.sign()
            events = self._decoder.feed(piece) if piece else self._decoder.give_up()
            for index, event in enumerate(events):
                if isinstance(event, gemcore.Message):
                    answer = self._take(event, message)
                    if answer is not None and answer.time_extension is None:
                        return answer if self._nothing_follows(events[index + 1 :]) else None
                    if answer is not None and answer.time_extension is not None:
                        wait.extend(answer.time_extension)
                    echo_is_due = False
                elif isinstance(event, gemcore.TimeRequest):
                    wait.extend()
                elif _spoils(event):
                    # What was spoiled first was the echo, and the answer is still to come.
                    if not echo_is_due:
                        wait.shorten(self.timing.damaged)
                    echo_is_due = False
        return None

    def _take(self, event: gemcore.Message, message: ccid.ToReader) -> ccid.FromReader | None:
        """The answer to ``message``; None for the echo of a command, for an answer to another one and for
        what is no CCID message."""
        try:
            answer = ccid.FromReader.parse(event.data)
        except ccid.MessageError:
            return None
        if answer.kind < ccid.Reply.DATA_BLOCK:
            self.echoes = True
            return None
        expected = (ccid.Reply.to(message.kind), message.slot, message.seq)
        return answer if (answer.kind, answer.slot, answer.seq) == expected else None

    def _nothing_follows(self, events: list[gemcore.Event]) -> bool:
        """An answer with a byte too many is one in which a byte was doubled: it cannot be trusted, however
        well its check byte fits."""
        if not events and not self._decoder.pending:
            events = self._decoder.feed(self._port.read(self.timing.settle))
        return not self._decoder.pending and all(isinstance(event, gemcore.CardMoved) for event in events)

    def _unanswered(self, message: ccid.ToReader) -> Unanswered:
        what = COMMANDS.get(ccid.Request(message.kind), Words("a command", "コマンド"))
        return Unanswered(reader=self.name, what=what)


def _spoils(event: gemcore.Event) -> bool:
    """Whether a frame was lost there, one of ours by its own account."""
    if isinstance(event, gemcore.Noise):
        return event.count >= _NOISE
    return isinstance(event, gemcore.Damaged | gemcore.Nak)


class _Wait:
    """Until when an answer is waited for: ``seconds``, prolonged up to ``longest``."""

    def __init__(self, seconds: float, longest: float) -> None:
        now = time.monotonic()
        self._seconds = seconds
        self._until = now + seconds
        self._end = now + max(longest, seconds)
        self._first = self._end
        self._short = False

    @property
    def left(self) -> float:
        return min(self._until, self._end, self._first) - time.monotonic()

    def expect_sign(self, seconds: float) -> None:
        """A reader that echoes does so at once: when nothing at all comes, it did not get the command."""
        self._first = time.monotonic() + seconds

    def sign(self) -> None:
        """Something came."""
        self._first = self._end

    def extend(self, times: int = 1) -> None:
        """The reader is at work: so many times the wait, from now."""
        if not self._short:
            self._until = time.monotonic() + self._seconds * max(1, times)

    def shorten(self, seconds: float) -> None:
        """The answer came, and cannot be used: what still comes comes soon."""
        self._short = True
        self._until = min(self._until, time.monotonic() + seconds)
