"""A Link that writes down what passes, with secrets masked by instruction.

A recorder at this level sees only bytes: it hides the data of commands that may carry a PIN or a key, and
after a PIN was accepted also what is read from the card, until the card is reset.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...apdu.ports import CardEvent, Link, LinkInfo, Reader

__all__ = ["TracedLink", "TracedReader"]

VERIFY = 0x20
SECRET_COMMANDS = frozenset({VERIFY, 0x21, 0x24, 0x2C, 0x32, 0x86, 0x87, 0xD8, 0xE2})
"""VERIFY, CHANGE REFERENCE DATA (and the My Number Card's 32), RESET RETRY COUNTER, GENERAL AUTHENTICATE,
PUT KEY, STORE DATA."""

SECRET_ANSWERS = frozenset({0x86, 0x87})
READS = frozenset({0xB0, 0xB1, 0xB2, 0xB3, 0xC0, 0xCA, 0xCB})
"""READ BINARY, READ RECORD, GET RESPONSE, GET DATA."""

_PSO_DECIPHER = bytes.fromhex("2A8086")


class TracedLink:
    """Passes everything to ``link`` and gives ``write`` one line a command, an answer and a reset."""

    def __init__(self, link: Link, write: Callable[[str], None]) -> None:
        self._link = link
        self._write = write
        self._opened = False  # a PIN was accepted since the last reset
        self._write(f"# {link.info.name}")
        self._write(f"# ATR: {link.atr.hex().upper()}")
        self._write(f"# PROTOCOL: {link.info.protocol.value}")

    @property
    def atr(self) -> bytes:
        return self._link.atr

    @property
    def info(self) -> LinkInfo:
        return self._link.info

    def transmit(self, command: bytes) -> bytes:
        """One APDU, written down before and after."""
        self._write(f"A>> {_command(command)}")
        started = time.perf_counter()
        answer = self._link.transmit(command)
        milliseconds = (time.perf_counter() - started) * 1000
        self._write(f"A<< ({milliseconds:.1f}ms) {self._answer(command, answer)}")
        return answer

    def reset(self) -> None:
        self._opened = False
        self._write("# RESET")
        self._link.reset()

    def close(self, reset: bool = True) -> None:
        self._write("# CLOSE")
        self._link.close(reset)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._link.exclusive():
            yield

    def _answer(self, command: bytes, answer: bytes) -> str:
        ins = command[1] if len(command) > 1 else 0
        secret = ins in SECRET_ANSWERS or command[1:4] == _PSO_DECIPHER or (self._opened and ins in READS)
        if ins == VERIFY and len(command) > 5 and answer == b"\x90\x00":
            self._opened = True
        data = _hidden(answer[:-2]) if secret else answer[:-2].hex().upper()
        return f"{data} {answer[-2:].hex().upper()}".strip()


class TracedReader:
    """Passes everything to ``reader``; its cards are TracedLinks."""

    def __init__(self, reader: Reader, write: Callable[[str], None]) -> None:
        self._reader = reader
        self._write = write

    @property
    def name(self) -> str:
        return self._reader.name

    @property
    def features(self) -> frozenset[str]:
        return self._reader.features

    def wait_for_card(self, timeout: float | None = None) -> Link:
        return TracedLink(self._reader.wait_for_card(timeout), self._write)

    def events(self, timeout: float | None = None) -> Iterator[CardEvent]:
        return self._reader.events(timeout)

    def close(self) -> None:
        self._reader.close()


def _command(command: bytes) -> str:
    if len(command) > 5 and command[1] in SECRET_COMMANDS:
        # The lengths stay readable, what they measure does not: 5 bytes of header and Lc, 7 when extended.
        start = 5 if command[4] else 7
        return f"{command[:start].hex().upper()} {_hidden(command[start:])}"
    return command.hex().upper()


def _hidden(raw: bytes) -> str:
    return "**" * len(raw)
