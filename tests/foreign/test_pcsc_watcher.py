"""Our watcher in front of a real pcscd that is stopped, killed and started, with other readers or none."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .harness import SECONDS, TEGATA, Namespace, pcscd_namespace, wait_until

pytestmark = pytest.mark.foreign

FIRST = "Virtual PCD 00 00"
Told = tuple[str, str]


@dataclass
class Watching:
    """``tegata readers watch --json`` and what it has told so far."""

    process: subprocess.Popen[str]
    told: list[Told] = field(default_factory=list)
    at: int = 0

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            change = json.loads(line)
            self.told.append((change["event"], change.get("reader", "")))

    def until(self, *wanted: Told) -> list[Told]:
        """Wait until these came, in this order, after what was waited for before; all that came till then."""

        def came() -> bool:
            new = iter(self.told[self.at :])
            return all(item in new for item in wanted)

        wait_until(came, f"{wanted}, after {self.told[self.at :]}")
        end = self.told.index(wanted[-1], self.at) + 1
        new = self.told[self.at : end]
        self.at = end
        return new


@contextmanager
def watching(ns: Namespace) -> Iterator[Watching]:
    process = subprocess.Popen(
        ns.command([*TEGATA, "readers", "watch", "--json"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watch = Watching(process)
    reader = threading.Thread(target=watch.read, daemon=True)
    reader.start()
    try:
        yield watch
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert process.wait(SECONDS) == 130
        assert time.monotonic() - began < 10
        reader.join(SECONDS)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def own() -> Iterator[Namespace]:
    with pcscd_namespace() as namespace:
        yield namespace


def test_it_outlives_the_service(own: Namespace, my_number_card: Path, tmp_path: Path) -> None:
    with watching(own) as watch, own.serve(my_number_card) as serving:
        watch.until(("service-came", ""), ("reader-came", FIRST), ("card-came", FIRST))
        serving.send_signal(signal.SIGUSR1)
        watch.until(("card-went", FIRST))
        serving.send_signal(signal.SIGUSR2)
        watch.until(("card-came", FIRST))
        for kill in (False, True):
            own.stop_daemon(watch.process, kill=kill)
            watch.until(("card-went", FIRST), ("reader-went", FIRST), ("service-went", ""))
            own.start_daemon()
            watch.until(("service-came", ""), ("reader-came", FIRST), ("card-came", FIRST))
        # Another start knows no reader at all.
        own.stop_daemon(watch.process)
        watch.until(("reader-went", FIRST), ("service-went", ""))
        empty = tmp_path / "no-readers"
        empty.mkdir()
        own.start_daemon("--config", str(empty))
        watch.until(("service-came", ""))
        own.stop_daemon(watch.process)
        watch.until(("service-went", ""))
        own.start_daemon()
        watch.until(("service-came", ""), ("reader-came", FIRST), ("card-came", FIRST))


def test_a_service_that_hangs_does_not_hold_it(own: Namespace) -> None:
    command = own.command([*TEGATA, "readers", "watch", "--json", "--seconds", "2"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "service-came" in process.stdout.readline()
        own.daemon.send_signal(signal.SIGSTOP)
        try:
            assert process.wait(10) == 0
        finally:
            own.daemon.send_signal(signal.SIGCONT)


WAITS = """
import sys
from tegata.apdu.errors import TegataError
from tegata.apdu.ports import open_reader
reader = open_reader("pcsc:Virtual PCD 00 00")
link = reader.wait_for_card(10)
print("has", flush=True)
sys.stdin.readline()
try:
    link.transmit(bytes.fromhex("00A4040000"))
except TegataError as error:
    print(error.code, flush=True)
link.close()
again = reader.wait_for_card(20)
print(again.transmit(bytes.fromhex("00A4040C0AD392F000260100000001"))[-2:].hex(), flush=True)
again.close()
for event in reader.events(20):
    print(event.present, flush=True)
reader.close()
"""


def test_a_reader_waits_for_its_service(own: Namespace, my_number_card: Path) -> None:
    with (
        own.serve(my_number_card),
        subprocess.Popen(
            own.command([sys.executable, "-c", WAITS]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as driver,
    ):
        assert driver.stdin is not None and driver.stdout is not None
        assert driver.stdout.readline() == "has\n"
        own.stop_daemon(driver)
        driver.stdin.write("\n")
        driver.stdin.flush()
        assert driver.stdout.readline() in ("reader.service\n", "reader.none\n")
        own.start_daemon()
        assert driver.stdout.readline() == "9000\n"
        assert driver.stdout.readline() == "True\n"
        own.stop_daemon(driver)
        assert driver.stdout.readline() == "False\n"
        own.start_daemon()
        assert driver.stdout.readline() == "True\n"
        driver.kill()
