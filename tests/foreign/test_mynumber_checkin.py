"""The check-in desk at a real pcscd: the card is taken away before the next number is tried."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tegata.simulators.card.journal import FileStore

from .harness import TEGATA, Namespace, wait_until

pytestmark = pytest.mark.foreign

CHECK_NUMBER = "app/d3921000310001010408/pin/0015"


def check_number(card: Path) -> str:
    store = FileStore(card)
    try:
        return store.content[CHECK_NUMBER].decode("ascii")
    finally:
        store.close()


def test_card_after_card(ns: Namespace, my_number_card: Path, tmp_path: Path) -> None:
    number = check_number(my_number_card)
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=Shelter",
            "-keyout",
            tmp_path / "key.pem",
            "-out",
            tmp_path / "certificate.pem",
        ],
        check=True,
        capture_output=True,
    )
    desk = [*TEGATA, "mynumber", "checkin"]
    made = ns.run([*desk, "new", str(tmp_path / "event"), "--recipient", str(tmp_path / "certificate.pem")])
    assert made.returncode == 0, made.stderr
    with ns.serve(my_number_card) as serving:
        running = subprocess.Popen(
            ns.command([*desk, "run", str(tmp_path / "event"), "--reader", "pcsc:"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert running.stdin and running.stdout and running.stderr
            running.stdin.write(f"{number}\n{number}\nu\nq\n")
            running.stdin.flush()
            assert running.stdout.readline() == "1: arrived. 1 here.\n"
            assert running.stderr.readline() == "Take the card away.\n"
            serving.send_signal(signal.SIGUSR1)
            wait_until(lambda: not ns.sees_card(), "the card's going")
            serving.send_signal(signal.SIGUSR2)
            assert running.stdout.readline().startswith("1: here since")
            assert running.stderr.readline() == "Take the card away.\n"
            serving.send_signal(signal.SIGUSR1)
            assert running.stdout.readline() == "1: taken back.\n"
            assert running.wait(30) == 0
        finally:
            running.kill()
            running.communicate()
