"""What both OSDP tests need: a program that speaks JSON lines, and a key that OpenSSL derives."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS = 30
MASTER = "000102030405060708090a0b0c0d0e0f"


def derived(cuid: str, master: str = MASTER) -> str:
    """The SCBK in hex, as OpenSSL computes it: AES(master, cUID ‖ ¬cUID)."""
    raw = bytes.fromhex(cuid)
    block = raw + bytes(byte ^ 0xFF for byte in raw)
    command = ["openssl", "enc", "-aes-128-ecb", "-nopad", "-K", master]
    return subprocess.run(command, input=block, capture_output=True, check=True).stdout.hex()


def secret_file(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text + "\n")
    return path


class Program:
    """A running program: orders go in as lines, what it says comes out as JSON."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._heard: list[dict[str, Any]] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def order(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def says(self, *names: str) -> dict[str, Any]:
        """The next line that has these names; lines before it are dropped."""
        while True:
            line = self._said.get(timeout=SECONDS)
            assert line is not None, f"it ended before it said {names}: {self._heard}"
            self._heard.append(line)
            if all(name in line for name in names):
                return line

    def ask(self, order: str, *names: str) -> dict[str, Any]:
        self.order(order)
        return self.says(*names)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.put(json.loads(line))
        self._said.put(None)


@contextmanager
def program(command: Sequence[str | Path]) -> Iterator[Program]:
    with subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()
