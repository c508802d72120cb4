"""What the tests of simulated firmware hold against it: a line from memory, cards that only answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext

from tegata.apdu.errors import EXCHANGE, CardRemoved
from tegata.apdu.ports import LinkInfo, TransmissionProtocol
from tegata.reader_bridge.share.wire import Firmware, Unplugged


class Early(bytes):
    """Bytes that arrive while the firmware is at work, not only when it waits for a command."""


class Tape:
    """A Wire: gives ``pieces`` one by one, a plain one only where the firmware waits without limit, and is
    unplugged after the last."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = list(pieces)
        self.written: list[bytes] = []

    def read(self, timeout: float | None = None) -> bytes:
        if not self._pieces:
            if timeout is not None:
                return b""
            raise Unplugged
        if timeout is not None and not isinstance(self._pieces[0], Early):
            return b""
        return bytes(self._pieces.pop(0))

    def write(self, data: bytes) -> None:
        self.written.append(data)


def played(firmware: Firmware, *pieces: bytes) -> list[bytes]:
    """What ``firmware`` writes when it gets ``pieces``."""
    tape = Tape(pieces)
    try:
        firmware.run(tape)
    except Unplugged:
        return tape.written
    raise AssertionError("a firmware ends by Unplugged")


class AnswerLink:
    """A card that is one function: command to answer. ``resets`` counts its power-ups."""

    def __init__(self, answer: Callable[[bytes], bytes], atr: str = "3B80800101") -> None:
        self._answer = answer
        self.atr = bytes.fromhex(atr)
        self.info = LinkInfo("answer", TransmissionProtocol.TCL, 65544, 65538, simulated=True)
        self.powered = True
        self.resets = 0

    def transmit(self, command: bytes) -> bytes:
        answer = self._answer(command)
        if not self.powered:
            raise CardRemoved(what=EXCHANGE)
        return answer

    def reset(self) -> None:
        self.powered = True
        self.resets += 1

    def close(self, reset: bool = True) -> None:
        self.powered = False

    def exclusive(self) -> nullcontext[None]:
        return nullcontext()


def echo(command: bytes) -> bytes:
    """A card that sends back what it gets, and 9000."""
    return command + b"\x90\x00"


class Gate:
    """An answer that waits until it is let through: a slow card."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()

    def __call__(self, command: bytes) -> bytes:
        self.entered.set()
        assert self.open.wait(10)
        return echo(command)
