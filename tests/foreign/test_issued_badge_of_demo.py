"""Badges that ``tegata demo`` issued, those it had to recover among them, taken by OpenSC through pcscd."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from .harness import TEGATA, Namespace
from .test_issued_badge import BadgeDesk, certificate, chain, sign_and_verify

pytestmark = pytest.mark.foreign

SECONDS = 180
BADGES = {
    "untroubled": r"badge (\d{6}) \(entry-badge\): opens",
    "torn away": r"(\d{6}): the card was torn away",
    "killed": r"(\d{6}): the issuing process was killed",
}
"""Which badge, and how the demo names it."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that the demo leaves, and what it says."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    done = subprocess.run(
        [*TEGATA, "--lang", "en", "demo", "--directory", str(folder)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=dict(os.environ),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.mark.parametrize("which", BADGES)
def test_a_badge_of_the_demo(ns: Namespace, demo: tuple[Path, str], tmp_path: Path, which: str) -> None:
    folder, said = demo
    (employee,) = re.findall(BADGES[which], said)
    card = folder / "cards" / f"{employee}.sim"
    badge = BadgeDesk(ns, folder, folder / "passphrase", card, tmp_path / "letter.txt")
    badge.print_letter(employee)
    with ns.serve(card, "--interface", "contact"):
        assert badge.out("opensc-tool", "-n").strip() == "Personal Identity Verification Card"
        assert "Private EC Key [PIV AUTH key]" in badge.out("pkcs15-tool", "-D")
        assert sign_and_verify(badge, tmp_path, "ECDSA-SHA256") == "Verified OK\n"
        path = certificate(badge, tmp_path)
    assert badge.out("openssl", "verify", *chain(badge, tmp_path), str(path)) == f"{path}: OK\n"
    assert f"serialNumber = {employee}" in badge.out(
        "openssl", "x509", "-in", str(path), "-noout", "-subject"
    )
