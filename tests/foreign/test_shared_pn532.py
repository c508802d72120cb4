"""A PN532 board as a PC/SC reader: our driver on the simulated chip, shared to pcscd, used by OpenSC.

Everything between the card and OpenSC is a program of its own here: the simulated board with a Type B My
Number Card over it, ``tegata readers share``, pcscd with Debian's vpcd driver.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .harness import SECONDS, TEGATA, Namespace, opensc_module, wait_until
from .mynumber import AUTHENTICATION, QUERY, SELECT_JPKI, SIGNATURE, KeyOfCard, out
from .test_vpcd_opensc import verify

pytestmark = pytest.mark.foreign

ATR_CONTACTLESS = "3b:88:80:01:00:00:41:e0:b3:81:a1:00:3b"
PIN_FILE = "00A4020C020018"


@dataclass
class Board:
    """The simulated board on its line."""

    process: subprocess.Popen[str]
    line: Path


@pytest.fixture(scope="module")
def board(my_number_card: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    line = tmp_path_factory.mktemp("board") / "pn532"
    process = subprocess.Popen(
        [*TEGATA, "sim", "reader", "pn532", str(my_number_card), "--line", str(line)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == str(line)
        yield Board(process, line)
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)
        assert process.returncode == 0


@pytest.fixture(scope="module")
def shared(ns: Namespace, board: Board) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        ns.command([*TEGATA, "--lang", "en", "readers", "share", f"pn532:{board.line}", "--as", "vpcd"]),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: process.poll() is not None or ns.sees_card(), "the card in the reader")
        assert process.poll() is None, process.communicate()[1]
        yield process
    finally:
        process.terminate()
        said = process.communicate(timeout=SECONDS)[1]
        assert process.returncode == 0, said
        assert "Traceback" not in said


@pytest.mark.usefixtures("shared")
class TestShared:
    def test_the_atr_is_built_from_atqb(self, ns: Namespace) -> None:
        assert out(ns, "opensc-tool", "-a").strip() == ATR_CONTACTLESS
        assert out(ns, "opensc-tool", "-n").strip() == "jpki"

    @pytest.mark.parametrize("key", [AUTHENTICATION, SIGNATURE], ids=["auth", "sign"])
    def test_both_keys_sign_and_no_pin_stays_verified(
        self, ns: Namespace, tmp_path: Path, key: KeyOfCard
    ) -> None:
        data, signature = tmp_path / "data", tmp_path / "signature"
        data.write_bytes(b"to be signed")
        tool = ["pkcs11-tool", "--module", opensc_module(), "--slot-index", key.slot, "--login"]
        what = ["--sign", "--id", key.id, "-m", "SHA256-RSA-PKCS", "-i", str(data), "-o", str(signature)]
        out(ns, *tool, "--pin", key.pin, *what)
        verify(tmp_path, out(ns, *key.read_certificate), data, signature)
        asked = out(ns, "opensc-tool", "-s", SELECT_JPKI, "-s", PIN_FILE, "-s", QUERY)
        assert "SW1=0x63, SW2=0xC3" in asked

    def test_a_card_that_is_taken_away_is_noticed_and_comes_back(self, ns: Namespace, board: Board) -> None:
        board.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: not ns.sees_card(), "the card's going")
        board.process.send_signal(signal.SIGUSR2)
        wait_until(ns.sees_card, "the card's return")
        assert out(ns, "opensc-tool", "-n").strip() == "jpki"
