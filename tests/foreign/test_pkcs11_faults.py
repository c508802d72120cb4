"""Threads, forks, and modules that hang, crash, talk or lose their token: one sentence each, never a hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tegata.apdu import InputError, Secret
from tegata.apdu.ports import KeyRef
from tegata.provisioning.keyring.pkcs11 import Pkcs11KeyRing, Pkcs11Uri, open_keyring

from .softhsm import PIN, SoftToken, faulty_module

pytestmark = pytest.mark.foreign

GP = bytes(range(0x40, 0x50))


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftToken]:
    token = SoftToken.create(tmp_path_factory.mktemp("hsm"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in token.environment.items():
            patch.setenv(name, value)
        ring = open_keyring(token.url().removeprefix("pkcs11:"))
        ring.import_master("badges", Secret(GP))
        ring.close()
        yield token


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faulty_module(tmp_path_factory.mktemp("module"))


@pytest.fixture
def faults(tmp_path: Path, token: SoftToken, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a file makes the module fail."""
    monkeypatch.setenv("FAULTS", str(tmp_path))
    monkeypatch.setenv("REAL_MODULE", str(token.module))
    return tmp_path


def opened(token: SoftToken, *, module: Path | None = None, query: str = "") -> Pkcs11KeyRing:
    return open_keyring(token.url(module=module, query=query).removeprefix("pkcs11:"))


def card_key(ring: Pkcs11KeyRing, number: int = 0, usage: str = "enc") -> KeyRef:
    kdd = number.to_bytes(10, "big")
    return ring.refer("badges", scheme="kdf3", diversification=kdd, version=1, usage=usage)


def test_threads_share_one_ring(token: SoftToken) -> None:
    ring = opened(token)
    alone = [card_key(ring, number).kcv for number in range(24)]
    with ThreadPoolExecutor(6) as pool:
        together = [ref.kcv for ref in pool.map(lambda number: card_key(ring, number), range(24))]
    assert together == alone
    assert len(set(alone)) == 24
    ring.close()


def test_processes_share_one_token(token: SoftToken) -> None:
    """Two rings, two workers, at the same time."""
    one, other = opened(token), opened(token)
    assert card_key(one).kcv == card_key(other).kcv
    one.close()
    assert card_key(other).kcv == card_key(other).kcv
    other.close()


FORK = """
import os, sys
from tegata.apdu.ports import open_keyring
ring = open_keyring(sys.argv[1])
def kcv(number):
    return ring.refer("badges", scheme="kdf3", diversification=bytes(9) + bytes([number]), version=1,
                      usage="enc").kcv
first = kcv(1)
child = os.fork()
if child == 0:
    answers = [kcv(number) for number in (1, 2, 3)]
    print("child", *answers, flush=True)
    ring.close()
    os._exit(0)
answers = [kcv(number) for number in (1, 2, 3)]
os.waitpid(child, 0)
print("parent", *answers, kcv(1) == first, flush=True)
ring.close()
"""


def test_both_sides_of_a_fork_go_on(token: SoftToken) -> None:
    """Interleaved on one pipe their answers would change places."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK, token.url()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = dict(line.split(" ", 1) for line in ran.stdout.splitlines())
    assert lines["parent"] == f"{lines['child']} True"
    assert len(set(lines["child"].split())) == 3
    assert ran.stderr == ""


def test_the_worker_goes_with_its_process(token: SoftToken) -> None:
    """Killed without a chance to tidy up, the ring's process leaves no worker with an open token behind."""
    script = (
        "import sys, os; from tegata.apdu.ports import open_keyring; ring = open_keyring(sys.argv[1]);"
        "print(ring._worker._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, token.url()], capture_output=True, text=True, check=False
    )
    worker = int(ran.stdout)
    for _ in range(100):
        if not Path(f"/proc/{worker}").exists():
            break
        time.sleep(0.1)
    else:
        pytest.fail("the worker lives on")


def test_a_module_that_talks_does_not_disturb(token: SoftToken, module: Path, faults: Path) -> None:
    ring = opened(token, module=module)
    assert card_key(ring).kcv
    ring.close()


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        ("hang", "pkcs11.silent", "within 2 s"),
        ("crash", "pkcs11.silent", "its process ended"),
        ("removed", "pkcs11.token", "removed or failed"),
        ("session", "pkcs11.token", "removed or failed"),
        ("mechanism", "pkcs11.refused", "MechanismInvalid"),
    ],
)
def test_faults_of_the_module(
    token: SoftToken, module: Path, faults: Path, fault: str, code: str, says: str
) -> None:
    """One sentence; and when the fault is over, the same ring goes on."""
    ring = opened(token, module=module, query="&timeout=2")
    before = card_key(ring).kcv
    (faults / fault).touch()
    begun = time.monotonic()
    for _ in range(2):
        with pytest.raises(InputError, match=says) as caught:
            card_key(ring)
        assert caught.value.code == code
        assert "Traceback" not in str(caught.value)
    assert time.monotonic() - begun < 20
    (faults / fault).unlink()
    assert card_key(ring).kcv == before
    ring.close()


def test_a_module_that_never_starts(token: SoftToken, module: Path, faults: Path) -> None:
    (faults / "stuck").touch()
    with pytest.raises(InputError, match="within 2 s") as caught:
        opened(token, module=module, query="&timeout=2")
    assert caught.value.code == "pkcs11.silent"


@pytest.mark.parametrize(("flag", "says"), [("final", "one try is left"), ("locked", "PIN is locked")])
def test_the_last_try_is_not_spent(
    token: SoftToken, module: Path, faults: Path, flag: str, says: str
) -> None:
    (faults / flag).touch()
    with pytest.raises(InputError, match=says) as caught:
        opened(token, module=module)
    assert caught.value.code == "pkcs11.pin"
    assert not (faults / "login").exists()
    (faults / flag).unlink()
    opened(token, module=module).close()
    assert (faults / "login").exists()


def test_an_interrupted_call_leaves_no_answer_behind(token: SoftToken, module: Path, faults: Path) -> None:
    """Ctrl-C while the module is busy: the next question gets its own answer."""
    ring = opened(token, module=module)
    wanted = card_key(ring, 7).kcv
    (faults / "hang").touch()
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        card_key(ring, 1)
    (faults / "hang").unlink()
    assert card_key(ring, 7).kcv == wanted
    ring.close()


def test_waiting_threads_get_their_turn_after_a_hang(token: SoftToken, module: Path, faults: Path) -> None:
    ring = opened(token, module=module, query="&timeout=2")
    (faults / "hang").touch()
    threading.Timer(1.0, (faults / "hang").unlink).start()
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(card_key, ring, 1) for _ in range(2)]
        errors = [each.exception() for each in results]
    assert sum(isinstance(error, InputError) for error in errors) == 1
    assert sum(error is None for error in errors) == 1
    ring.close()


def test_a_token_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its store is moved aside between two calls, and comes back."""
    token = SoftToken.create(tmp_path / "own")
    for name, value in token.environment.items():
        monkeypatch.setenv(name, value)
    ring = opened(token)
    ring.import_master("badges", Secret(GP))
    before = card_key(ring).kcv
    (token.folder / "tokens").rename(token.folder / "away")
    (token.folder / "tokens").mkdir()
    ring._worker._process.kill()  # type: ignore[union-attr] # what a pulled token does to its module
    codes = []
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            card_key(ring)
        codes.append(caught.value.code)
    assert codes == ["pkcs11.silent", "pkcs11.token"]
    (token.folder / "tokens").rmdir()
    (token.folder / "away").rename(token.folder / "tokens")
    assert card_key(ring).kcv == before
    ring.close()


def test_a_changed_pin_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = SoftToken.create(tmp_path / "own")
    for name, value in token.environment.items():
        monkeypatch.setenv(name, value)
    ring = opened(token)
    ring.import_master("badges", Secret(GP))
    command = ["pkcs11-tool", "--module", token.module, "--token-label", token.label, "--login"]
    command += ["--pin", PIN, "--change-pin", "--new-pin", "another-pin"]
    subprocess.run(command, check=True, capture_output=True)
    ring._worker._process.kill()  # type: ignore[union-attr]
    codes = []
    for _ in range(3):
        with pytest.raises(InputError) as caught:
            card_key(ring)
        codes.append(caught.value.code)
    assert codes == ["pkcs11.silent", "pkcs11.pin", "pkcs11.pin"]
    assert ring._worker is None
    ring.close()


def test_nothing_secret_in_the_process_list(token: SoftToken) -> None:
    ring = opened(token)
    worker = ring._worker
    assert worker is not None
    shown = Path(f"/proc/{worker._process.pid}/cmdline").read_bytes()
    environment = Path(f"/proc/{worker._process.pid}/environ").read_bytes()
    ring.close()
    assert b"worker" in shown
    assert PIN.encode() not in shown + environment
    assert PIN not in repr(ring) + repr(Pkcs11Uri.parse(token.url().removeprefix("pkcs11:")))
    assert os.environ["SOFTHSM2_CONF"].encode() in environment
