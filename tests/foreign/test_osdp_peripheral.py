"""Our control panel's side, against a peripheral on libosdp's own Python package, in a process of its own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.apdu import Secret
from tegata.apdu.devices import Device, FindMe, TakesFile, Verdict, open_device
from tegata.apdu.errors import ReaderError
from tegata.provisioning.keyring import FileKeyRing
from tegata.provisioning.keyring.passphrase import PASSPHRASE_FILE
from tegata.reader_bridge.readers.osdp.device import CardRead, OsdpDevice

from .osdp_world import MASTER, Program, derived, program, secret_file

pytestmark = pytest.mark.foreign

ADDRESS = 7
CUID = "3322020004030201"
"""libosdp's cUID of vendor 112233, model 2, serial number 01020304: two bytes of the vendor, the model, the
second byte of the version, which is 0, and the serial number."""
BACK_SECONDS = 8


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key ring with the master key."""
    path = tmp_path / "keys.ring"
    phrase = secret_file(tmp_path / "phrase", "correct horse")
    FileKeyRing.create(path, Secret(b"correct horse")).import_master("osdp", Secret(bytes.fromhex(MASTER)))
    monkeypatch.setenv(PASSPHRASE_FILE, str(phrase))
    return path


@pytest.fixture
def peripheral(tmp_path: Path) -> Iterator[Program]:
    key = secret_file(tmp_path / "scbk", derived(CUID))
    script = Path(__file__).with_name("osdp_peripheral.py")
    with program([sys.executable, script, tmp_path / "line", str(ADDRESS), key]) as running:
        running.says("ready")
        yield running


@pytest.fixture
def device(tmp_path: Path, ring: Path, peripheral: Program) -> Iterator[OsdpDevice]:
    found = open_device(f"osdp:{tmp_path / 'line'}?address={ADDRESS}&key=file:{ring}")
    assert isinstance(found, OsdpDevice)
    yield found
    found.close()


def test_it_is_known_found_and_read_through_a_cable_pulled_and_put_back(
    device: OsdpDevice, peripheral: Program
) -> None:
    assert isinstance(device, Device)
    assert isinstance(device, FindMe)
    assert isinstance(device, TakesFile)
    found = device.identity()
    assert (found.vendor, found.serial, found.firmware) == ("332211", "01020304", "1.2.3")
    assert found.features == {"led", "buzzer", "secure-channel"}
    findings = {one.name: one.verdict for one in device.selftest()}
    assert findings["answers"] is findings["secure-channel"] is Verdict.PASSED
    device.find_me(3)
    while "on_color" not in (lamp := peripheral.says("command")["command"]):
        assert "type" in lamp  # the self-test's question before
    assert (lamp["on_color"], lamp["timer_count"], lamp["temporary"]) == (1, 30, True)
    assert peripheral.says("command")["command"]["rep_count"] == 3

    peripheral.ask("unplug", "done")
    assert device.selftest()[0].verdict is Verdict.FAILED
    peripheral.ask("plug", "done")
    started = time.monotonic()
    assert device.identity().firmware == "1.2.3"
    assert time.monotonic() - started < BACK_SECONDS
    assert {one.name: one.verdict for one in device.selftest()}["secure-channel"] is Verdict.PASSED
    peripheral.order("card 04a1b2c3d4e5f6")
    assert device.next_card(5) == CardRead(0, 0, 56, bytes.fromhex("04a1b2c3d4e5f6"))


def test_a_file_arrives_as_it_was_sent(device: OsdpDevice, peripheral: Program) -> None:
    content = hashlib.shake_128(b"a firmware image").digest(3000)
    steps = list(device.transfer(content))
    assert steps == sorted(steps)
    assert steps[-1] == len(content)
    assert len(steps) > 5
    received = peripheral.says("received")
    assert received["received"] == len(content)
    assert received["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_cable_pulled_during_a_file_is_said(device: OsdpDevice, peripheral: Program) -> None:
    sending = device.transfer(bytes(60_000))
    while next(sending) < 2000:
        pass
    peripheral.order("unplug")
    with pytest.raises(ReaderError) as caught:
        list(sending)
    assert caught.value.code == "osdp.transfer"
    assert 2000 <= int(caught.value.details["taken"]) < 60_000


def test_another_key_is_told_from_the_one_that_everybody_knows(
    tmp_path: Path, ring: Path, peripheral: Program
) -> None:
    other = secret_file(tmp_path / "other", "ff" * 16)
    with pytest.raises(ReaderError) as caught:
        open_device(f"osdp:{tmp_path / 'line'}?address={ADDRESS}&scbk={other}")
    assert caught.value.code == "osdp.key"
    fresh = secret_file(tmp_path / "default", bytes(range(0x30, 0x40)).hex())
    script = Path(__file__).with_name("osdp_peripheral.py")
    with program([sys.executable, script, tmp_path / "second", str(ADDRESS), fresh]) as running:
        running.says("ready")
        with pytest.raises(ReaderError) as caught:
            open_device(f"osdp:{tmp_path / 'second'}?address={ADDRESS}&key=file:{ring}")
        assert caught.value.code == "osdp.default_key"


def test_no_key_is_ever_in_the_process_list_or_on_standard_error(
    tmp_path: Path, ring: Path, peripheral: Program
) -> None:
    url = f"osdp:{tmp_path / 'line'}?address={ADDRESS}&key=file:{ring}"
    done = subprocess.run(
        [sys.executable, "-m", "tegata.cli", "readers", "osdp-install", url],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{url}: it has that key already.\n"
    assert done.stderr == ""
