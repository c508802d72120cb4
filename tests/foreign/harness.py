"""Real programs in a world of their own: a private pcscd, and a user without any rights.

``pcscd_namespace()`` starts pcscd, with Debian's vpcd driver, in its own user, mount and network namespace,
so that the driver's TCP ports and the daemon's socket are nobody else's: two runs stand side by side.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OPENSC_PKCS11 = "opensc-pkcs11.so"
PKCS11_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")
TEGATA = (sys.executable, "-m", "tegata.cli")
NOBODY = 65534
SECONDS = 30

PCSCD = ("/usr/sbin/pcscd", "--foreground")
"""Not every user's path leads to it."""

START = f"""
set -e
ip link set lo up
mount -t tmpfs tmpfs /run
mkdir /run/pcscd
exec {" ".join(PCSCD)} "$@"
"""


def opensc_module() -> str:
    """Where OpenSC's PKCS#11 module lies."""
    for folder in PKCS11_FOLDERS:
        path = Path(folder, OPENSC_PKCS11)
        if path.exists():
            return str(path)
    raise FileNotFoundError(f"{OPENSC_PKCS11} is not installed (Debian: opensc-pkcs11)")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} seconds"
        time.sleep(0.05)


@dataclass
class Namespace:
    """The world of one pcscd."""

    daemon: subprocess.Popen[str]

    def command(self, program: Sequence[str]) -> list[str]:
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", f"--target={self.daemon.pid}", "--net", "--mount", *user, "--", *program]

    def run(self, program: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; its output as text. Give paths in full: the folder is /."""
        return subprocess.run(
            self.command(program),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={**os.environ, **variables},
            check=False,
        )

    @contextmanager
    def serve(self, card: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
        """``tegata sim serve`` in this world, once pcscd sees the card."""
        process = subprocess.Popen(
            self.command([*TEGATA, "sim", "serve", str(card), *options]), stderr=subprocess.PIPE, text=True
        )
        try:
            wait_until(lambda: process.poll() is not None or self.sees_card(), "the card in the reader")
            assert process.poll() is None, process.communicate()[1]
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=SECONDS)
        wait_until(lambda: not self.sees_card(), "the card's going")

    def restart_daemon(self, inhabitant: subprocess.Popen[str]) -> None:
        """End pcscd and start another one; ``inhabitant`` keeps the namespace alive meanwhile."""
        self.stop_daemon(inhabitant)
        self.start_daemon()

    def stop_daemon(self, inhabitant: subprocess.Popen[str], *, kill: bool = False) -> None:
        """End pcscd, with ``kill`` in the middle of whatever it does; ``inhabitant`` keeps the namespace."""
        (self.daemon.kill if kill else self.daemon.terminate)()
        self.daemon.communicate(timeout=SECONDS)
        self.daemon = inhabitant

    def start_daemon(self, *options: str) -> None:
        """Start pcscd in the namespace that :meth:`stop_daemon` left."""
        self.daemon = subprocess.Popen(
            self.command([*PCSCD, *options]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sees_card(self) -> bool:
        return " Yes " in self.run(["opensc-tool", "-l"]).stdout


@contextmanager
def pcscd_namespace(*options: str) -> Iterator[Namespace]:
    """A private pcscd with these options. Needs root or user namespaces, and Debian's pcscd and
    vsmartcard-vpcd."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    daemon = subprocess.Popen(
        ["unshare", *user, "--net", "--mount", "sh", "-c", START, "sh", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    namespace = Namespace(daemon)
    try:
        ready = Path(f"/proc/{daemon.pid}/root/run/pcscd/pcscd.comm")
        wait_until(lambda: daemon.poll() is not None or ready.exists(), "pcscd's socket")
        assert daemon.poll() is None, daemon.communicate()[1]
        yield namespace
    finally:
        namespace.daemon.terminate()
        namespace.daemon.communicate(timeout=SECONDS)


@dataclass
class OrdinaryUser:
    """Somebody without rights, with a home of his own. When we are such a user, it is us."""

    home: Path

    def run(self, program: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._prefix(), *program],
            capture_output=True,
            text=True,
            timeout=2 * SECONDS,
            cwd=self.home,
            env=self._environment(variables),
            check=False,
        )

    def start(self, program: Sequence[str], **variables: str) -> subprocess.Popen[bytes]:
        """A program to talk with: its input and its whole output are pipes."""
        return subprocess.Popen(
            [*self._prefix(), *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.home,
            env=self._environment(variables),
        )

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        home = {"HOME": str(self.home), "TMPDIR": str(self.home)}
        return {**_bare(os.environ), **home, **variables}

    def _prefix(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        drop = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --no-new-privs --"
        return ["unshare", "--mount", "sh", "-c", f'set -e\n{_opened()}exec {drop} "$@"', "sh"]


@contextmanager
def ordinary_user() -> Iterator[OrdinaryUser]:
    with tempfile.TemporaryDirectory(prefix="tegata-user-", dir="/tmp") as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        yield OrdinaryUser(Path(name))


def _bare(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(("XDG_", "TEGATA_"))}


def _opened() -> str:
    """Shell lines that let others reach our interpreter and sources, in a mount namespace of their own.

    Root's own folder is closed to others; an interpreter that lives in there is bound to the same place
    over an open, empty copy of the folder.
    """
    wanted = {Path(sys.base_prefix).resolve(), Path(sys.prefix), Path(__file__).parents[2]}
    closed: dict[Path, set[Path]] = {}
    for path in wanted:
        for parent in [*reversed(path.parents), path]:
            if not parent.stat().st_mode & 0o001:
                closed.setdefault(parent, set()).add(path)
                break
    lines = []
    for parent, paths in closed.items():
        held = {path: f"/mnt/{index}" for index, path in enumerate(sorted(paths))}
        lines.append("mount -t tmpfs tmpfs /mnt")
        for path, place in held.items():
            lines += [f"mkdir {place}", f"mount --bind '{path}' {place}"]
        lines.append(f"mount -t tmpfs -o mode=755 tmpfs '{parent}'")
        for path, place in held.items():
            lines += [f"mkdir -p '{path}'", f"mount --bind {place} '{path}'"]
    return "".join(f"{line}\n" for line in lines)
