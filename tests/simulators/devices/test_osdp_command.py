"""``tegata sim reader osdp`` as a person runs it: a new peripheral gets its key and reads a card."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.apdu.errors import InputError
from tegata.apdu.secret import Secret
from tegata.cli import main
from tegata.provisioning.keyring.passphrase import PASSPHRASE_FILE
from tegata.reader_bridge.readers.osdp.device import open_device
from tegata.simulators.devices.osdp_key import KeyStore

TEGATA = [sys.executable, "-m", "tegata.cli"]
SECONDS = 60


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = ["sim", "reader", "osdp", "--line", str(tmp_path / "line"), "--address", "3"]
    with subprocess.Popen(
        [*TEGATA, *command, "--key", str(tmp_path / "gate.key"), "--uid", "c0ffee"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{tmp_path / 'line'}\n"
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def test_a_new_peripheral_gets_its_key_and_reads_a_card(
    tmp_path: Path, running: subprocess.Popen[str]
) -> None:
    key = tmp_path / "scbk"
    key.touch(0o600)
    key.write_text("0f" * 16)
    url = f"{tmp_path / 'line'}?address=3&scbk={key}"
    install = [*TEGATA, "readers", "osdp-install", f"osdp:{url}", "--json"]
    done = subprocess.run(install, capture_output=True, text=True, check=True, timeout=SECONDS)
    assert '"set": true' in done.stdout
    assert (tmp_path / "gate.key").read_text() == "0f" * 16 + "\n"
    device = open_device(url)
    running.send_signal(signal.SIGUSR1)
    card = device.next_card(10)
    assert card is not None
    assert card.data.hex() == "c0ffee"
    device.find_me(2)
    device.close()
    assert running.stdout is not None
    said = []
    while not said or not said[-1].startswith("buzzer"):
        said.append(running.stdout.readline().strip())
    assert [line for line in said if line.startswith(("key", "lamp", "buzzer"))] == [
        "key set",
        "lamp red/off for 2 s",
        "buzzer 2 times",
    ]
    assert "0f" * 16 not in "".join(said) + done.stdout + done.stderr


def test_the_commands_of_the_reference_page(
    tmp_path: Path,
    running: subprocess.Popen[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A master key in a ring, and the key of a peripheral that is derived from it."""
    monkeypatch.chdir(tmp_path)
    Path("phrase").touch(0o600)
    Path("phrase").write_text("correct horse")
    monkeypatch.setenv(PASSPHRASE_FILE, "phrase")
    assert main(["keyring", "init", "keys.ring"]) == 0
    assert main(["keyring", "create-master", "osdp", "--keyring", "file:keys.ring", "--length", "16"]) == 0
    capsys.readouterr()
    url = "osdp:line?address=3&key=file:keys.ring"
    assert [main(["--lang", "en", "readers", "osdp-install", url]) for _ in range(2)] == [0, 0]
    new, known = capsys.readouterr().out.splitlines()
    assert known == f"{url}: it has that key already."
    assert new.startswith(f"{url}: ") and new != known
    assert len((tmp_path / "gate.key").read_text()) == 33


def test_a_key_file_is_replaced_as_a_whole_and_a_bad_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("no key")
    with pytest.raises(InputError) as caught:
        KeyStore(path=path)
    assert caught.value.code == "simreader.osdp_key"
    path.unlink()
    store = KeyStore(path=path)
    assert store.load() is None
    store.save(Secret(bytes(16)))
    assert path.stat().st_mode & 0o777 == 0o600
    again = KeyStore(path=path).load()
    assert again == Secret(bytes(16))
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
