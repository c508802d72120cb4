"""A program that is told to end takes the field from the card: no PIN stays verified on the board."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .pn532_board import CountingCard, board

SECONDS = 20


@pytest.mark.timeout(SECONDS)
@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal and POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_no_pin_stays_verified(tmp_path: Path, number: signal.Signals) -> None:
    card = CountingCard()
    with board(tmp_path, card) as stand:
        shell = subprocess.Popen(
            [sys.executable, "-m", "tegata.cli", "--lang", "en", "apdu", "shell", "--reader", stand.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert shell.stdin is not None
        shell.stdin.write("00B0000004\n")
        shell.stdin.flush()
        while not card.executed:
            assert shell.poll() is None, shell.communicate()[1]
            time.sleep(0.05)
        card.verified = True  # as by a command that asks for the PIN
        shell.send_signal(number)
        _, said = shell.communicate(timeout=SECONDS)
        assert shell.returncode == 128 + number
        assert said.strip() == "Stopped."
        assert not card.verified
