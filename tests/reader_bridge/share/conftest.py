"""A tiny card that answers a few commands, and helpers to talk to our servers from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tegata.apdu.errors import CardRemoved, ReaderError
from tegata.apdu.ports import CardEvent, LinkInfo, TransmissionProtocol
from tegata.reader_bridge.share.pcsclite import PcscliteServer
from tegata.reader_bridge.share.slot import Slot

ATR = bytes.fromhex("3BE000FF8131FE4514")
NAME = "tegata test 00 00"


class TinyCard:
    """A Link. It knows: 00A4… (9000), 00B0 P1P2 Le (Le bytes of 5A), 00CA0000 (how many SELECTs since the
    last reset), 00100000 (a pause of 0.3 s), 00DEAD00 (its own removal)."""

    def __init__(self) -> None:
        self.atr = ATR
        self.info = LinkInfo("tiny", TransmissionProtocol.T1)
        self.commands: list[bytes] = []
        self.threads: set[int] = set()
        self.resets = 0
        self.closed = False
        self.lost_at_reset = False
        self.gone = False
        self._selects = 0

    def transmit(self, command: bytes) -> bytes:
        self.threads.add(threading.get_ident())
        self.commands.append(command)
        header = command[:4]
        if header == bytes.fromhex("00DEAD00"):
            raise CardRemoved(what="an APDU")
        if header == bytes.fromhex("00CA0000"):
            return bytes([self._selects, 0x90, 0x00])
        if header == bytes.fromhex("00100000"):
            time.sleep(0.3)
            return b"\x90\x00"
        if command[1] == 0xB0:
            return b"\x5a" * (command[4] or 256) + b"\x90\x00"
        if command[1] == 0xA4:
            self._selects += 1
            return b"\x90\x00"
        if command[1] == 0x20:
            return b"\x90\x00"
        return b"\x6d\x00"

    def present(self) -> bool:
        return not self.gone

    def reset(self) -> None:
        if self.lost_at_reset:
            raise CardRemoved(what="a reset")
        self.resets += 1
        self._selects = 0

    def close(self, reset: bool = True) -> None:
        self.closed = True

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        yield


@dataclass
class TinyReader:
    """A Reader that always holds the same card."""

    card: TinyCard = field(default_factory=TinyCard)
    name: str = NAME
    features: frozenset[str] = frozenset()

    def wait_for_card(self, timeout: float | None = None) -> TinyCard:
        if self.card.gone:
            time.sleep(timeout or 0)
            raise ReaderError("reader.no_card", seconds=timeout, reader=self.name)
        return self.card

    def events(self, timeout: float | None = None) -> Iterator[CardEvent]:
        yield CardEvent(self.name, True, ATR)

    def close(self) -> None:
        self.card.close()


PRELUDE = (
    f"NAME = {NAME!r}\n"
    """
import json, sys, threading, time
from smartcard.scard import *
SELECT, READ, COUNT = [0, 0xA4, 4, 0], [0, 0xB0, 0, 0, 4], [0, 0xCA, 0, 0, 0]
def context():
    rv, ctx = SCardEstablishContext(SCARD_SCOPE_USER); assert rv == 0, hex(rv); return ctx
def connect(ctx, share=SCARD_SHARE_SHARED, protocol=SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1):
    return SCardConnect(ctx, NAME, share, protocol)
def card(ctx, share=SCARD_SHARE_SHARED):
    rv, handle, active = connect(ctx, share); assert rv == 0, hex(rv); return handle
def send(handle, apdu):
    rv, answer = SCardTransmit(handle, SCARD_PCI_T1, apdu); return rv & 0xFFFFFFFF, bytes(answer).hex()
def say(value): print(json.dumps(value), flush=True)
"""
)


@dataclass
class Bench:
    """A card in a slot on a socket."""

    slot: Slot
    card: TinyCard
    path: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PCSCLITE_CSOCK_NAME": str(self.path)}

    def start(self, script: str, **variables: str) -> subprocess.Popen[str]:
        """Start a pyscard script in a process of its own; ``say`` in it prints JSON lines."""
        return subprocess.Popen(
            [sys.executable, "-c", PRELUDE + script],
            env={**self.environment, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def pyscard(self, script: str, **variables: str) -> list[Any]:
        """Run a pyscard script to its end; what it said."""
        with self.start(script, **variables) as process:
            out, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    card = TinyCard()
    slot = Slot(NAME)
    slot.insert(card)
    path = tmp_path / "pcscd.comm"
    with PcscliteServer([slot], path):
        yield Bench(slot, card, path)
    slot.close()
    assert card.closed


@pytest.fixture
def tiny_reader() -> TinyReader:
    return TinyReader()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    def wait(condition: Callable[[], bool], seconds: float = 5) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.01)

    return wait
