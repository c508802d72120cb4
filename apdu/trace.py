"""Recordings of what went over a Link, as text that is at once log, documentation and test.

A dump is plain text: ``# ATR:`` and ``# PROTOCOL:`` lines, other lines beginning with ``#`` are comments
(``# RESET`` is one), then command and response in hex on alternating lines. Secret bytes are ``**``.

Recorders: :class:`Trace` at command level, where the marks of the applets are known (give it to ``Card``);
:class:`RecordingLink` around a Link, where only bytes are known. Both also mask by instruction and
selection. :class:`ReplayLink` plays a dump back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from .command import Command, Response, hide
from .errors import CardError, InputError, TegataError
from .masking import ALL, Masking
from .ports import Link, LinkInfo, Presence, TransmissionProtocol

__all__ = ["Dump", "RecordingLink", "ReplayLink", "Trace", "trace_file"]

HIDDEN = "**"
ATR, PROTOCOL, RESET = "# ATR:", "# PROTOCOL:", "# RESET"
STATUS_LENGTH = 2


@contextmanager
def trace_file(path: Path) -> Iterator[TextIO]:
    """A file for recordings, written line by line. Raises InputError ``share.trace``, here and at its end."""
    try:
        stream = path.open("w", encoding="utf-8", buffering=1)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        yield stream
    finally:
        try:
            stream.close()
        except OSError as error:
            raise _unwritable(path, error) from None


def _unwritable(path: object, error: OSError) -> InputError:
    return InputError("share.trace", path=path, what=error.strerror or str(error))


class Trace:
    """Writes exchanges to ``stream``. ``Card(link, recorder=Trace(stream, link))`` uses it."""

    def __init__(self, stream: TextIO, link: Link | None = None) -> None:
        self._stream = stream
        self._masking = Masking()
        if link is not None:
            self._write(f"{ATR} {link.atr.hex().upper()}")
            self._write(f"{PROTOCOL} {link.info.protocol.value}")

    def record(self, command: Command, response: Response) -> None:
        """Write one exchange, without its secret bytes."""
        data, answer = self._masking.spans(command, response)
        raw = bytes(command)
        head = len(command.header) + len(command.lc_field)
        marked = hide(command.data, command.secret + data)
        tail = raw[head + len(command.data) :].hex().upper()
        self._write(raw[:head].hex().upper() + marked + tail)
        self._write(hide(response.data, command.secret_answer + answer) + f"{response.sw:04X}")

    def record_bytes(self, command: bytes, answer: bytes) -> None:
        """Write an exchange known as bytes only; what is no APDU is hidden behind its header."""
        try:
            self.record(Command.parse(command), Response.parse(answer))
        except ValueError:
            self._write(hide(command, ((4, None),)))
            self._write(hide(answer, ALL if len(answer) < STATUS_LENGTH else ((0, -STATUS_LENGTH),)))

    def unanswered(self, command: bytes) -> None:
        """Write, as a comment, that a command got no answer: its header only."""
        self.comment(f"NO ANSWER: {command[:4].hex().upper()}")

    def reset(self) -> None:
        """Write that the card was reset."""
        self._masking.reset()
        self._write(RESET)

    def comment(self, text: str) -> None:
        """Write a comment of one line."""
        self._write(f"# {' '.join(text.split())}")

    def _write(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
        except OSError as error:
            raise _unwritable(getattr(self._stream, "name", ""), error) from None


class RecordingLink:
    """A Link that writes what passes through it."""

    def __init__(self, link: Link, stream: TextIO) -> None:
        self._link = link
        self._trace = Trace(stream, link)

    @property
    def recorded(self) -> Link:
        """The link whose traffic is written."""
        return self._link

    @property
    def atr(self) -> bytes:
        return self._link.atr

    @property
    def info(self) -> LinkInfo:
        return self._link.info

    def transmit(self, command: bytes) -> bytes:
        try:
            answer = self._link.transmit(command)
        except TegataError:
            self._trace.unanswered(command)
            raise
        self._trace.record_bytes(command, answer)
        return answer

    def reset(self) -> None:
        self._link.reset()
        self._trace.reset()

    def close(self, reset: bool = True) -> None:
        self._link.close(reset)

    def present(self) -> bool:
        """As the link says; one that cannot tell has its card."""
        return not isinstance(self._link, Presence) or self._link.present()

    def exclusive(self) -> AbstractContextManager[None]:
        return self._link.exclusive()


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump read back: ATR, protocol, and the exchanges as upper case hex with ``**``."""

    atr: bytes
    protocol: TransmissionProtocol
    exchanges: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Dump:
        """Raises InputError ``input.trace``, which names the line, for anything that is no dump."""
        atr, protocol, lines = b"", TransmissionProtocol.T1, []
        for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
            try:
                if line.startswith(ATR):
                    atr = bytes.fromhex(line.removeprefix(ATR))
                elif line.startswith(PROTOCOL):
                    protocol = TransmissionProtocol(line.removeprefix(PROTOCOL).strip())
                elif line and not line.startswith("#"):
                    lines.append(_normal(line))
            except ValueError:
                raise InputError("input.trace", line=number) from None
        if len(lines) % 2:
            raise InputError("input.trace", line=len(text.splitlines()))
        return cls(atr, protocol, tuple(zip(lines[::2], lines[1::2], strict=True)))


class ReplayLink:
    """A Link whose card is a dump: it answers the recorded commands in their order.

    Hidden bytes of a command match anything; hidden bytes of an answer come back as zeros. Any other
    command raises CardError ``card.replay``.
    """

    def __init__(self, dump: Dump) -> None:
        self._dump = dump
        self._next = 0
        self.atr = dump.atr
        self.info = LinkInfo("replay", dump.protocol, max_command=65544, max_response=65538, simulated=True)

    @property
    def finished(self) -> bool:
        """Whether every recorded exchange was played."""
        return self._next == len(self._dump.exchanges)

    def transmit(self, command: bytes) -> bytes:
        header = command[:4].hex().upper()
        if self.finished:
            raise CardError("card.replay", number=self._next + 1, expected="the end", got=header)
        expected, answer = self._dump.exchanges[self._next]
        if not _matches(expected, command.hex().upper()):
            raise CardError("card.replay", number=self._next + 1, expected=expected[:8], got=header)
        self._next += 1
        return bytes.fromhex(answer.replace(HIDDEN, "00"))

    def reset(self) -> None:
        """Nothing to do: resets are comments of the dump."""

    def close(self, reset: bool = True) -> None:
        """Nothing to do."""

    def exclusive(self) -> AbstractContextManager[None]:
        return nullcontext()


def _normal(line: str) -> str:
    digits = "".join(line.split()).upper()
    bytes.fromhex(digits.replace(HIDDEN, "00"))
    return digits


def _matches(expected: str, got: str) -> bool:
    if len(expected) != len(got):
        return False
    pairs = range(0, len(got), 2)
    return all(expected[i : i + 2] in (HIDDEN, got[i : i + 2]) for i in pairs)
