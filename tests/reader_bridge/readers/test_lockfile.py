from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tegata.reader_bridge.readers.lockfile import FileLock, lock_folder

HOLDER = """
import sys
from pathlib import Path
from tegata.reader_bridge.readers.lockfile import FileLock
lock = FileLock("pcsc:A", Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_frees_its_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError):
            FileLock("pcsc:A", tmp_path)
        FileLock("pcsc:B", tmp_path).release()
        holder.kill()
        holder.wait()
    FileLock("pcsc:A", tmp_path).release()


def test_releasing_twice_does_no_harm(tmp_path: Path) -> None:
    lock = FileLock("x", tmp_path)
    lock.release()
    lock.release()
    FileLock("x", tmp_path).release()


def test_locks_lie_in_the_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEGATA_HOME", str(tmp_path))
    assert lock_folder() == tmp_path / "locks"
    monkeypatch.delenv("TEGATA_HOME")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert lock_folder() == Path("/run/user/7/tegata")


def test_a_link_that_another_user_laid_is_not_followed(tmp_path: Path) -> None:
    locks = tmp_path / "locks"
    FileLock("pcsc:A", locks).release()
    (lock,) = locks.iterdir()
    lock.unlink()
    lock.symlink_to(tmp_path / "victim")
    with pytest.raises(BlockingIOError):
        FileLock("pcsc:A", locks)
    assert not (tmp_path / "victim").exists()
