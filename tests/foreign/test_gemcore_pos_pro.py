"""Debian's pcscd sees five readers in our GemCore POS Pro, each with its own card."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .gemcore import BADGE_PIN, READER, badge_signs, make_badge, pcscd_with, simulated
from .harness import Namespace, opensc_module, wait_until

pytestmark = pytest.mark.foreign

CPLC = ["-c", "default", "-s", "00a4040008a000000151000000", "-s", "80ca9f7f00"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pos")


@pytest.fixture(scope="module")
def five(folder: Path, my_number_card: Path) -> Iterator[tuple[Namespace, subprocess.Popen[str]]]:
    line = folder / "pos"
    cards = [str(my_number_card), str(make_badge(folder)), *["company-card"] * 3]
    with simulated(line, "gemcore-pos-pro", cards) as process, pcscd_with(line, "GemCorePOSPro") as (ns, _):
        wait_until(lambda: present(ns) == 5, "five cards")
        yield ns, process


def present(ns: Namespace) -> int:
    return len(re.findall(rf" Yes .*{READER} 00 0[0-4]", ns.run(["opensc-tool", "-l"]).stdout))


def test_each_slot_has_its_own_card(five: tuple[Namespace, subprocess.Popen[str]]) -> None:
    ns, _ = five
    assert ns.run(["opensc-tool", "-r", "0", "-n"]).stdout.strip() == "jpki"
    assert ns.run(["opensc-tool", "-r", "1", "-n"]).stdout.strip() == "Personal Identity Verification Card"
    serials = {ns.run(["opensc-tool", "-r", str(slot), *CPLC]).stdout for slot in range(1, 5)}
    assert len(serials) == 4 and all("9F 7F 2A" in serial for serial in serials)


def test_two_slots_sign_at_once(five: tuple[Namespace, subprocess.Popen[str]], folder: Path) -> None:
    ns, _ = five
    tool = ["pkcs11-tool", "--module", opensc_module(), "--login", "--pin", "1234", "--slot-index", "0"]
    what = ["--sign", "--id", "01", "-m", "SHA256-RSA-PKCS", "-i", str(folder / "data"), "-o", "/dev/null"]
    other = subprocess.Popen(ns.command([*tool, *what]))
    badge_signs(ns, folder, "--pin", BADGE_PIN, "--slot-index", "2")  # 0 and 1 are the first card's tokens
    assert other.wait(30) == 0


def test_cards_that_go_and_come_back(five: tuple[Namespace, subprocess.Popen[str]]) -> None:
    ns, process = five
    process.send_signal(signal.SIGUSR1)
    wait_until(lambda: present(ns) == 0, "the cards' going")
    process.send_signal(signal.SIGUSR2)
    wait_until(lambda: present(ns) == 5, "the cards' return")
    assert ns.run(["opensc-tool", "-r", "0", "-n"]).stdout.strip() == "jpki"


def test_a_simulator_that_is_killed(five: tuple[Namespace, subprocess.Popen[str]]) -> None:
    """pcscd goes on; the cards cannot be reached any more."""
    ns, process = five
    process.kill()
    process.wait()
    wait_until(lambda: ns.run(["opensc-tool", "-r", "0", "-n"]).returncode != 0, "the reader's going")
    assert ns.daemon.poll() is None
