"""Cards for the independent host, in this process and behind libpcsclite."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.presets import memory, with_quirks, write

from ..harness import TEGATA
from .channel import ENC, RENC, RMAC
from .host import DEFAULT, GpHost, KeySet, Transmit

THROUGH_PCSC = """
import sys
from smartcard.System import readers
connection = readers()[0].createConnection()
connection.connect()
for line in sys.stdin:
    data, sw1, sw2 = connection.transmit(list(bytes.fromhex(line)))
    print(bytes(data + [sw1, sw2]).hex(), flush=True)
"""
ALL_KEYS_DEFAULT = (DEFAULT, DEFAULT, DEFAULT)


@contextmanager
def through_pcsc(content: dict[str, bytes], folder: Path) -> Iterator[Transmit]:
    """APDUs pass pyscard, libpcsclite and ``tegata sim run`` on their way to the card."""
    path = folder / "card.sim"
    write(path, content)
    command = [*TEGATA, "sim", "run", str(path), "--", sys.executable, "-c", THROUGH_PCSC]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        stdin, stdout = program.stdin, program.stdout

        def transmit(apdu: bytes) -> bytes:
            print(apdu.hex(), file=stdin, flush=True)
            return bytes.fromhex(stdout.readline())

        yield transmit
        stdin.close()
    assert program.returncode == 0


@contextmanager
def in_process(content: dict[str, bytes], folder: Path) -> Iterator[Transmit]:
    card = SimulatedCard(MemoryStore(content), entropy=seeded(b"gpp"), contactless=False)
    card.power_up()
    yield card.transmit


@dataclass
class Bench:
    """One card; each ``open()`` is a new run of the program: SELECT, then a session."""

    transmit: Transmit
    keys: KeySet = ALL_KEYS_DEFAULT
    scp02: bool = False
    sent: list[bytes] = field(default_factory=list)

    def connect(self, keys: KeySet | None = None, aid: bytes = b"") -> GpHost:
        host = GpHost(self._recorded, keys or self.keys)
        host.select(aid)
        return host

    def open(
        self, keys: KeySet | None = None, *, level: int = 0x01, version: int = 0, aid: bytes = b""
    ) -> GpHost:
        """SCP02 has no R-ENC: all that there is stands for it."""
        if self.scp02 and level & RENC:
            level = ENC | RMAC
        return self.connect(keys, aid).open(level, version)

    def _recorded(self, apdu: bytes) -> bytes:
        self.sent.append(apdu)
        return self.transmit(apdu)


class PutIn(Protocol):
    """Puts a new card of a preset into the reader; ``i`` is its variant of the secure channel."""

    def __call__(self, preset: str, i: int | None = None, **quirks: bool) -> Bench: ...


Transport = Callable[[dict[str, bytes], Path], AbstractContextManager[Transmit]]


def _putting(transport: Transport, folder: Path) -> Iterator[PutIn]:
    with ExitStack() as stack:

        def put(preset: str, i: int | None = None, **quirks: bool) -> Bench:
            content = memory(preset, 7) if i is None else memory(preset, 7, i=i)
            transmit = stack.enter_context(transport(with_quirks(content, dict(quirks)), folder))
            return Bench(transmit, scp02=preset == "gp-scp02")

        yield put


@pytest.fixture
def put_in(tmp_path: Path) -> Iterator[PutIn]:
    """The card is called in this process."""
    yield from _putting(in_process, tmp_path)


@pytest.fixture
def put_in_reader(tmp_path: Path) -> Iterator[PutIn]:
    """The card stands behind libpcsclite."""
    yield from _putting(through_pcsc, tmp_path)
