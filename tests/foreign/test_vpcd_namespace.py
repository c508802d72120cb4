"""``sim serve`` itself: two daemons side by side, one that restarts, none yet, wrong arguments."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tegata.simulators import presets

from .harness import SECONDS, TEGATA, Namespace, pcscd_namespace, wait_until

pytestmark = pytest.mark.foreign


def test_two_daemons_side_by_side(ns: Namespace, my_number_card: Path, tmp_path: Path) -> None:
    other_card = tmp_path / "other.sim"
    presets.create("company-card", other_card)
    with pcscd_namespace() as other, ns.serve(my_number_card):
        assert not other.sees_card()
        with other.serve(other_card):
            assert ns.run(["opensc-tool", "-a"]).stdout != other.run(["opensc-tool", "-a"]).stdout
            assert ns.run(["opensc-tool", "-n"]).stdout.strip() == "jpki"


def test_a_daemon_that_restarts_gets_the_card_again(my_number_card: Path) -> None:
    with pcscd_namespace() as own, own.serve(my_number_card) as served:
        own.restart_daemon(served)
        wait_until(own.sees_card, "the card in the new daemon's reader")
        assert own.run(["opensc-tool", "-n"]).stdout.strip() == "jpki"


def test_no_daemon_yet(my_number_card: Path) -> None:
    process = subprocess.Popen(
        [*TEGATA, "--lang", "en", "sim", "serve", "--vpcd", "127.0.0.1:9", str(my_number_card)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.readline() + process.stderr.readline()
    process.terminate()
    rest = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 0
    assert "listens on every network address" in said
    assert "No virtual reader listens at 127.0.0.1:9 yet" in said
    assert rest == ""


@pytest.mark.parametrize(
    ("arguments", "code"), [(("--vpcd", "nonsense:x", "card.sim"), 135), (("no-such-card.sim",), 136)]
)
def test_mistakes(my_number_card: Path, arguments: tuple[str, ...], code: int) -> None:
    done = subprocess.run(
        [*TEGATA, "sim", "serve", *arguments],
        capture_output=True,
        text=True,
        cwd=my_number_card.parent,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
