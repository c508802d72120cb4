"""A private pcscd whose only reader is a GemCore reader of ours on a pseudo-terminal, by libccidtwin."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tegata.simulators.card import FileStore
from tegata.simulators.presets import create

from ..applets.desk import PIN, Desk, key_ring
from .harness import SECONDS, TEGATA, Namespace, opensc_module, pcscd_namespace

BADGE_PIN = PIN.decode()
DRIVER = "/usr/lib/pcsc/drivers/serial/libccidtwin.so"
READER = "Tegata"
READER_CONF = """\
FRIENDLYNAME "{reader}"
DEVICENAME {line}:{driver_name}
LIBPATH {driver}
CHANNELID 1
"""


@contextmanager
def pcscd_with(line: Path, driver_name: str) -> Iterator[tuple[Namespace, tuple[str, ...]]]:
    """pcscd with the reader on ``line`` and no other; its namespace and its options."""
    folder = line.parent / "reader.conf.d"
    folder.mkdir(exist_ok=True)
    conf = READER_CONF.format(reader=READER, line=line, driver_name=driver_name, driver=DRIVER)
    (folder / "tegata").write_text(conf)
    options = ("--config", str(folder))
    with pcscd_namespace(*options) as ns:
        yield ns, options


@contextmanager
def simulated(
    line: Path, model: str, cards: Sequence[str], *options: str, keys: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """``tegata sim reader MODEL``, once programs may open its line."""
    pad = [] if keys is None else ["--pin-fd", str(keys)]
    process = subprocess.Popen(
        [*TEGATA, "sim", "reader", model, *cards, "--line", str(line), *options, *pad],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=() if keys is None else (keys,),
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.strip() == str(line), process.communicate(timeout=SECONDS)[1]
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)


class Keyboard:
    """What a person types on the pad of a simulated reader, an entry a line."""

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe()

    def type(self, *entries: str) -> None:
        os.write(self._writing, "".join(f"{entry}\n" for entry in entries).encode())

    def close(self) -> None:
        os.close(self.reading)
        os.close(self._writing)


def make_badge(folder: Path) -> Path:
    """A company card with PIV on it, and its public key in ``key.pem`` beside it."""
    path = folder / "badge.sim"
    create("company-card", path)
    desk = Desk(key_ring(folder), FileStore(path))
    key = desk.issue_piv().public_key()
    desk.store.close()
    (folder / "key.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (folder / "data").write_bytes(b"to be signed")
    return path


def badge_signs(ns: Namespace, folder: Path, *login: str) -> None:
    """OpenSC signs with the badge's 9A through pcscd, and OpenSSL verifies."""
    signature = folder / "signature"
    tool = ["pkcs11-tool", "--module", opensc_module(), "--login", *login, "--sign", "--id", "01"]
    files = ["-i", str(folder / "data"), "-o", str(signature)]
    done = ns.run([*tool, "-m", "ECDSA-SHA256", "--signature-format", "openssl", *files])
    assert done.returncode == 0, done.stderr
    verify = ["openssl", "dgst", "-sha256", "-verify", str(folder / "key.pem"), "-signature", str(signature)]
    verdict = subprocess.run([*verify, str(folder / "data")], capture_output=True, text=True, check=False)
    assert verdict.stdout.strip() == "Verified OK"
