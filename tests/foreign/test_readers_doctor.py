"""The doctor before a real pcscd that runs, is stopped, was killed; and before one that refuses us."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .harness import SECONDS, TEGATA, Namespace, pcscd_namespace, wait_until

pytestmark = pytest.mark.foreign

EXAMINE = [*TEGATA, "--lang", "en", "readers", "doctor", "--json", "pcsc:"]


@pytest.fixture(scope="module")
def own() -> Iterator[Namespace]:
    with pcscd_namespace() as namespace:
        yield namespace


def examined(own: Namespace, code: int) -> dict[str, dict[str, str]]:
    ran = own.run(EXAMINE)
    assert ran.returncode == code, ran.stderr
    return {item["check"]: item for item in json.loads(ran.stdout)["findings"]}


def test_a_service_from_running_to_killed(own: Namespace) -> None:
    found = examined(own, 0)
    assert found["service"]["severity"] == "good"
    assert found["service"]["sentence"].endswith("readers: 2.")
    # Debian's vpcd listens on all addresses.
    assert found["vpcd"]["severity"] == "warning"
    assert "35963, 35964" in found["vpcd"]["sentence"]
    stay = own.command(["sh", "-c", "echo; exec sleep 60"])
    with subprocess.Popen(stay, stdout=subprocess.PIPE, text=True) as inhabitant:
        assert inhabitant.stdout is not None
        inhabitant.stdout.readline()
        own.stop_daemon(inhabitant)
        found = examined(own, 193)
        assert found["service"]["sentence"] == "pcscd does not run."
        assert "vpcd" not in found
        own.start_daemon()
        wait_until(lambda: own.run(EXAMINE).returncode == 0, "the daemon's return")
        own.stop_daemon(inhabitant, kill=True)
        assert examined(own, 193)["service"]["sentence"] == "pcscd does not run."
        own.start_daemon()
        wait_until(lambda: own.run(EXAMINE).returncode == 0, "the daemon's return")
        own.daemon.send_signal(signal.SIGSTOP)
        found = examined(own, 193)
        assert found["service"]["sentence"] == "The service does not answer (no answer within 5 s)."
        own.daemon.send_signal(signal.SIGCONT)
        inhabitant.kill()


# Messages of libpcsclite (4.4): version 11h with major, minor, rv; context 01h with scope, context, rv.
SECURITY_VIOLATION = 0x8010006A


@pytest.fixture
def refusing(tmp_path: Path) -> Iterator[Path]:
    """A service that does what pcscd does when polkit refuses: it gives no context to anybody."""
    path = tmp_path / "pcscd.comm"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.fspath(path))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                while header := client.recv(8, socket.MSG_WAITALL):
                    size, command = struct.unpack("=II", header)
                    first, second, _ = struct.unpack("=III", client.recv(size, socket.MSG_WAITALL))
                    status = 0 if command == 0x11 else SECURITY_VIOLATION
                    client.sendall(struct.pack("=III", first, second, status))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield path
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(SECONDS)


def test_a_service_that_refuses_us(refusing: Path) -> None:
    ran = subprocess.run(
        EXAMINE,
        env={**os.environ, "PCSCLITE_CSOCK_NAME": str(refusing)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ran.returncode == 193
    report: dict[str, Any] = json.loads(ran.stdout)
    assert report["findings"][0]["check"] == "polkit"
    assert "polkit" in report["next_step"]
