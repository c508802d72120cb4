"""A simulated PN532 in a process of its own, for programs that drive such a reader."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .harness import SECONDS, TEGATA


@dataclass
class Simulation:
    """``tegata sim reader pn532`` while it runs; ``line`` is the name that it printed."""

    process: subprocess.Popen[str]
    line: Path

    @property
    def libnfc(self) -> dict[str, str]:
        """How libnfc is told of it."""
        return {"LIBNFC_DEVICE": f"pn532_uart:{self.line}"}

    def take_card_away(self) -> None:
        self.process.send_signal(signal.SIGUSR1)

    def put_card_back(self) -> None:
        self.process.send_signal(signal.SIGUSR2)


@contextmanager
def simulated_pn532(folder: Path, card: str | Path, *options: str) -> Iterator[Simulation]:
    """The reader with ``card`` over its antenna. Its line is called COM1: nfcpy takes such a name from the
    working folder, every other one from /dev."""
    line = folder / "COM1"
    process = subprocess.Popen(
        [*TEGATA, "sim", "reader", "pn532", str(card), "--line", str(line), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == f"{line}\n", process.communicate(timeout=SECONDS)
        yield Simulation(process, line)
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (0, "")
    assert not line.is_symlink()
