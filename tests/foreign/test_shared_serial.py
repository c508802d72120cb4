"""A PN532 board shared as a serial reader: pcscd's own serial driver reads the card, on a pseudo-terminal and
through socat from a TCP port."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .gemcore import pcscd_with, simulated
from .harness import SECONDS, TEGATA, Namespace, opensc_module, wait_until
from .mynumber import AUTHENTICATION, out
from .test_vpcd_opensc import verify

pytestmark = pytest.mark.foreign


@pytest.fixture(scope="module")
def board(my_number_card: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    line = tmp_path_factory.mktemp("board") / "pn532"
    with simulated(line, "pn532", [str(my_number_card)]):
        yield line


@contextmanager
def program(*arguments: str) -> Iterator[str]:
    """A program that runs until it is stopped, and the first line that it prints."""
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        said = process.communicate(timeout=SECONDS)[1]
        assert "Traceback" not in said


def signs(ns: Namespace, folder: Path) -> None:
    """OpenSC signs with the authentication key, and OpenSSL verifies."""
    data, signature = folder / "data", folder / "signature"
    data.write_bytes(b"to be signed")
    key = AUTHENTICATION
    tool = ["pkcs11-tool", "--module", opensc_module(), "--slot-index", key.slot, "--login", "--pin", key.pin]
    what = ["--sign", "--id", key.id, "-m", "SHA256-RSA-PKCS", "-i", str(data), "-o", str(signature)]
    out(ns, *tool, *what)
    verify(folder, out(ns, *key.read_certificate), data, signature)


def test_on_a_pseudo_terminal(board: Path, tmp_path: Path) -> None:
    line = tmp_path / "shared"
    share = (*TEGATA, "readers", "share", f"pn532:{board}", "--as", "gemcore", "--at", str(line))
    with program(*share) as said:
        assert said == str(line)
        with pcscd_with(line, "GemPCTwin") as (ns, _):
            wait_until(ns.sees_card, "the card in the reader")
            assert out(ns, "opensc-tool", "-n").strip() == "jpki"
            signs(ns, tmp_path)


def test_through_socat_from_a_tcp_port(board: Path, tmp_path: Path) -> None:
    line = tmp_path / "far"
    share = (*TEGATA, "readers", "share", f"pn532:{board}", "--as", "tcp")
    with program(*share) as url:
        address = url.removeprefix("socket://")
        socat = ["socat", f"PTY,link={line},rawer,wait-slave", f"TCP:{address}"]
        process = subprocess.Popen(socat)
        try:
            wait_until(line.exists, "socat's line")
            with pcscd_with(line, "GemPCTwin") as (ns, _):
                wait_until(ns.sees_card, "the card in the reader")
                assert out(ns, "opensc-tool", "-n").strip() == "jpki"
        finally:
            process.terminate()
            process.wait(SECONDS)
