"""The tutorial on embedded readers: every command in its order, in one folder, and what it shows."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.cli import main

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tutorials" / "embedded-readers.md"
STAYS = ("tegata sim reader ", "tegata readers share ")
FOREIGN = ("uv ", "opensc-tool ", "tegata readers share pn532:board --as vpcd")  # tests/foreign runs these
CODES = {
    "firmware-1.2.0.bin --key demo/vendor.pub.pem --confirm": 195,
    "demo/old.bin --key demo/vendor.pub.pem": 105,
}
PIN = b"1234\n"
SECONDS = 30.0


def steps() -> list[tuple[str, list[str]]]:
    """Each command of the page, with the lines that are shown below it."""
    blocks = re.findall(
        r"^```console\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    lines = [part.splitlines() for block in blocks for part in block.split("$ ")[1:]]
    return [(command, shown) for command, *shown in lines if not command.startswith(FOREIGN)]


class Lines:
    """The programs that run in other terminals, by the line that they serve."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._terminal, self._keyboard = os.openpty()
        self._hand = threading.Thread(target=self._type)
        self._hand.start()

    def _type(self) -> None:
        """Whoever sits at the pad: types the PIN when its display asks for one."""
        seen = b""
        with contextlib.suppress(OSError):  # the terminal is closed
            while piece := os.read(self._terminal, 256):
                seen += piece
                if b"PIN" in seen and seen.endswith((b": ", b"\n")):
                    seen = b""
                    os.write(self._terminal, PIN)

    def start(self, command: list[str]) -> None:
        name = command[command.index("--line" if "--line" in command else "--at") + 1]
        self.stop(name)
        self._running[name] = subprocess.Popen(
            [sys.executable, "-m", "tegata.cli", *command[1:]],
            stdin=self._keyboard,
            stdout=subprocess.DEVNULL,
            stderr=self._keyboard,
        )
        until = time.monotonic() + SECONDS
        while not Path(name).exists():
            assert time.monotonic() < until and self._running[name].poll() is None, command
            time.sleep(0.02)

    def stop(self, name: str) -> None:
        if (process := self._running.pop(name, None)) is not None:
            process.send_signal(signal.SIGINT)
            process.wait(SECONDS)
            assert not Path(name).exists()

    def stop_all(self) -> None:
        for name in reversed(list(self._running)):
            self.stop(name)
        os.close(self._keyboard)
        self._hand.join(SECONDS)
        os.close(self._terminal)


@contextlib.contextmanager
def other_terminals() -> Iterator[Lines]:
    lines = Lines()
    try:
        yield lines
    finally:
        lines.stop_all()


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
def test_the_commands_of_the_tutorial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TEGATA_HOME", str(tmp_path / "home"))
    with other_terminals() as lines:
        for command, shown in steps():
            words = shlex.split(command)
            if command.startswith(STAYS):
                lines.start(words)
                continue
            expected = next((code for part, code in CODES.items() if part in command), 0)
            capfd.readouterr()
            code = main(words[1:])
            said = "".join(capfd.readouterr())
            assert (code, [line for line in shown if line not in said]) == (expected, []), (
                f"$ {command}\n{said}"
            )


def test_the_extras_that_are_named_exist() -> None:
    declared = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    pages = [ROOT / "README.md", ROOT / "README.ja.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        extra
        for page in pages
        for extras in re.findall(r"'\.\[([\w,]+)\]'", page.read_text(encoding="utf-8"))
        for extra in extras.split(",")
    }
    assert {"pcsc", "firmware", "osdp"} <= named <= set(declared)
