"""One passphrase opens the desk: it is asked for once, and a second time only for a CA that has its own."""

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tegata.apdu import InputError, Secret
from tegata.provisioning.ca import CompanyCa
from tegata.provisioning.keyring import FileKeyRing
from tegata.provisioning.workplace import CA_PROMPT, open_ring_and_ca

RING, OWN = b"correct horse battery staple", b"another one for the CA"
OPEN = "from tegata.provisioning.workplace import CA_PROMPT, open_ring_and_ca; print(*open_ring_and_ca())"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEGATA_HOME", str(tmp_path))
    FileKeyRing.create(tmp_path / "keys.json", Secret(RING)).close()
    return tmp_path


def make_ca(home: Path, passphrase: bytes) -> None:
    CompanyCa.create(
        home / "ca", Secret(passphrase), organization="Example", base_url="http://pki.example.jp"
    )


def hand_over(passphrase: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A descriptor, which can be read once."""
    read, write = os.pipe()
    os.write(write, passphrase + b"\n")
    os.close(write)
    monkeypatch.setenv("TEGATA_KEYRING_PASSPHRASE_FD", str(read))


def test_a_descriptor_that_can_be_read_once_is_enough(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_ca(home, RING)
    hand_over(RING, monkeypatch)
    ring, ca = open_ring_and_ca()
    assert ring.name == "keys"
    assert ca.base_url == "http://pki.example.jp"


def test_a_ca_with_a_passphrase_of_its_own_needs_somebody_to_ask(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ca(home, OWN)
    hand_over(RING, monkeypatch)
    with pytest.raises(InputError) as refused:
        open_ring_and_ca()
    assert refused.value.code == "keyring.passphrase"


def read_until(terminal: int, end: bytes) -> bytes:
    """What the program prints, up to ``end``; fails rather than wait for ever."""
    shown = b""
    while not shown.endswith(end):
        ready, _, _ = select.select([terminal], [], [], 30)
        assert ready, shown
        shown += os.read(terminal, 1024)
    return shown


@pytest.mark.parametrize(("ca", "asked"), [(RING, 1), (OWN, 2)], ids=["shared", "own"])
def test_nobody_types_more_than_is_needed(home: Path, ca: bytes, asked: int) -> None:
    make_ca(home, ca)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", OPEN], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    for prompt, typed in ((b"Passphrase of the key ring: ", RING), (CA_PROMPT.encode() + b": ", OWN))[:asked]:
        shown += read_until(ours, prompt)
        os.write(ours, typed + b"\n")
    assert process.wait(30) == 0, shown
    shown += read_until(ours, b")\r\n")
    os.close(ours)
    assert shown.count(b"Passphrase") == asked
    assert b"FileKeyRing('keys')" in shown
