"""imgtool and smpmgr as their users start them, and a simulated reader on a pseudo-terminal for them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .harness import SECONDS, TEGATA

HARDWARE = "gate-reader-1"
BIN = Path(sys.executable).parent


def run(program: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """One of the programs of this environment, to its end; wide enough that no line is broken."""
    return subprocess.run(
        [BIN / program, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
        check=False,
    )


def imgtool(*words: str | Path) -> str:
    done = run("imgtool", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Maker:
    """A folder in which imgtool makes keys and images."""

    folder: Path

    def key(self, name: str, kind: str = "ecdsa-p256") -> Path:
        path = self.folder / f"{name}.pem"
        if not path.exists():
            imgtool("keygen", "-k", path, "-t", kind)
            imgtool("getpub", "-k", path, "-e", "pem", "-o", self.folder / f"{name}.pub.pem")
        return path

    def image(self, version: str, *, key: str = "vendor", counter: int = 1, hardware: str = HARDWARE) -> Path:
        body, path = self.folder / "body.bin", self.folder / f"{version}-{key}-{counter}-{hardware}.bin"
        body.write_bytes(version.encode() * 1000)
        imgtool(
            *("sign", "-k", self.key(key), "--version", version, "--header-size", "0x200", "--pad-header"),
            *("--align", "8", "--slot-size", "0x40000", "--max-sectors", "128"),
            *("--security-counter", str(counter), "--custom-tlv", "0xA0", hardware, body, path),
        )
        return path

    def reader(self, name: str, first: Path) -> Path:
        """A reader with this firmware in it."""
        flash = self.folder / f"{name}.flash"
        words = ["--image", first, "--key", self.folder / "vendor.pub.pem", "--hardware-id", HARDWARE]
        made = [*TEGATA, "sim", "firmware", "flash", str(flash), *map(str, words)]
        subprocess.run(made, check=True, timeout=SECONDS, capture_output=True)
        return flash


@contextmanager
def plugged(flash: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The reader on a pseudo-terminal: its name, and the simulator. What it says of its starts goes into the
    file beside the flash that ends in ``.log``."""
    command = [*TEGATA, "--lang", "en", "sim", "reader", "smp", str(flash), *options]
    with (
        flash.with_suffix(".log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.terminate()
            process.wait(SECONDS)


@dataclass(frozen=True)
class Smpmgr:
    """smpmgr at one serial port."""

    port: str

    def __call__(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return run("smpmgr", "--port", self.port, *words)

    def images(self) -> list[str]:
        """Version and marks of each slot, as it prints them."""
        printed = self("image", "state-read").stdout
        found = []
        for block in re.findall(r"ImageState\((.*?)\n\)", printed, re.DOTALL):
            version = re.search(r"version='(.*?)'", block)
            assert version is not None
            names = ("active", "confirmed", "pending", "permanent")
            found.append(" ".join([version[1], *(name for name in names if f"{name}=True" in block)]))
        return found


def digest(image: Path, maker: Maker) -> str:
    """The image's digest, as imgtool verifies and prints it."""
    printed = imgtool("verify", "-k", maker.folder / "vendor.pub.pem", image)
    found = re.search(r"Image digest: (\w+)", printed)
    assert found is not None
    return found[1]
