"""A newcomer's two ways to put a foreign program in front of a card, word for word.

One terminal: ``tegata sim run`` as an ordinary user, without daemon, driver or privilege. Two terminals:
``tegata sim serve`` in the first, until Ctrl-C; any PC/SC program in the second.
"""

from __future__ import annotations

import shlex
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .harness import SECONDS, Namespace, OrdinaryUser, wait_until

pytestmark = pytest.mark.foreign

PATH = f"{sysconfig.get_path('scripts')}:/usr/local/bin:/usr/bin:/bin"
SIGN = "pkcs11-tool --login --pin 1234 --sign --mechanism SHA256-RSA-PKCS --id 01 -i data -o signature"
CTRL_C = b"\x03"

VERIFY = """
openssl x509 -in me.pem -pubkey -noout -out me.pub
openssl dgst -sha256 -verify me.pub -signature signature data
"""
"""What anybody does with certificate, signature and data."""


def one_terminal(user: OrdinaryUser, *lines: str) -> str:
    """The lines as one person types them, in their own folder; they stop at the first that fails."""
    done = user.run(["sh", "-e", "-c", "\n".join(lines)], PATH=PATH, TEGATA_LANG="en")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_one_terminal_and_a_card_that_is_thrown_away(user: OrdinaryUser) -> None:
    assert one_terminal(user, "id -u") != "0\n"
    read = "pkcs15-tool --read-certificate 01 --output me.pem"
    said = one_terminal(
        user,
        "echo something to sign > data",
        f"tegata sim run my-number-card -- {SIGN}",
        "test -s signature",
        f"tegata sim run my-number-card -- sh -c {shlex.quote(f'{SIGN} && {read}')}",
        VERIFY,
    )
    assert said.endswith("Verified OK\n")


def test_one_terminal_and_a_card_in_a_file(user: OrdinaryUser) -> None:
    said = one_terminal(
        user,
        "echo something else > data",
        "tegata sim new my-number-card me.sim",
        "tegata sim run me.sim -- opensc-tool -n",
        f"tegata sim run me.sim -- {SIGN}",
        "tegata sim run me.sim -- pkcs15-tool --read-certificate 01 --output me.pem",
        VERIFY,
    )
    assert said.startswith("me.sim\njpki\n")
    assert said.endswith("Verified OK\n")


HANDS = 1.0
"""Seconds before a person types: pkcs11-tool hides the keys, and drops those typed, after its prompt."""


def test_the_pin_may_be_typed(user: OrdinaryUser) -> None:
    """pkcs11-tool asks for it on the terminal: what stands behind ``--`` keeps it."""
    (user.home / "data").write_text("something to sign\n")
    (user.home / "signature").unlink(missing_ok=True)
    command = f"tegata sim run my-number-card -- {SIGN.replace(' --pin 1234', '')}"
    with user.start(["script", "-qefc", f"exec {command}", "/dev/null"], PATH=PATH) as shown:
        assert shown.stdout is not None
        assert shown.stdin is not None
        said = b""
        while b"Please enter User PIN" not in said:
            more = shown.stdout.read1()
            assert more, said
            said += more
        time.sleep(HANDS)
        shown.stdin.write(b"1234\r")
        shown.stdin.flush()
        rest = shown.communicate(timeout=SECONDS)[0]
    assert shown.returncode == 0, said + rest
    assert b"1234" not in said + rest
    assert (user.home / "signature").stat().st_size == 256


@contextmanager
def terminal(ns: Namespace, folder: Path, command: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a terminal of its own in that world, its keyboard being ``stdin``."""
    shown = shlex.join(["script", "-qefc", f"exec {command}", "/dev/null"])
    line = f"cd {shlex.quote(str(folder))} && PATH={PATH} exec {shown}"
    process = subprocess.Popen(
        ns.command(["sh", "-c", line]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)


def test_two_terminals(ns: Namespace, my_number_card: Path) -> None:
    folder = my_number_card.parent
    my_number_card.rename(folder / "me.sim")
    with terminal(ns, folder, "tegata --lang en sim serve me.sim") as first:
        wait_until(ns.sees_card, "the card in the reader")
        second = f"""
            cd {shlex.quote(str(folder))}
            opensc-tool -n
            echo something to sign > data
            {SIGN}
            pkcs15-tool --read-certificate 01 --output me.pem
            {VERIFY}
        """
        done = ns.run(["sh", "-e", "-c", second])
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith("jpki\n")
        assert done.stdout.endswith("Verified OK\n")
        assert first.stdin is not None
        first.stdin.write(CTRL_C)
        first.stdin.flush()
        said = first.communicate(timeout=SECONDS)[0].decode()
    assert first.returncode == 0, said
    assert "The card is in the virtual reader at 127.0.0.1:35963." in said
    assert "Traceback" not in said
    wait_until(lambda: not ns.sees_card(), "the card's going")
