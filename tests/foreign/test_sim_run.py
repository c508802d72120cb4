"""``tegata sim run``: OpenSC and pyscard with a card of ours, as an ordinary user, without pcscd."""

from __future__ import annotations

import base64
import json
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .harness import TEGATA, OrdinaryUser, opensc_module
from .test_vpcd_opensc import KEYS, SPEED, verify

pytestmark = pytest.mark.foreign

PRESET = "my-number-card"


@pytest.fixture(scope="module")
def card(user: OrdinaryUser) -> str:
    """A card that the ordinary user made."""
    done = user.run([*TEGATA, "sim", "new", PRESET, "card.sim"])
    assert done.returncode == 0, done.stderr
    return "card.sim"


def sim_run(user: OrdinaryUser, card: str, *program: str) -> subprocess.CompletedProcess[str]:
    return user.run([*TEGATA, "sim", "run", card, "--", *program])


def out(user: OrdinaryUser, card: str, *program: str) -> str:
    done = sim_run(user, card, *program)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_user_is_an_ordinary_one(user: OrdinaryUser) -> None:
    assert user.run(["id", "-u"]).stdout.strip() != "0"
    assert (
        user.run(["sh", "-c", "grep -E '^Cap(Eff|Prm):' /proc/self/status | sort -u"]).stdout.split()[1::2]
        == ["0" * 16] * 2
    )


def test_opensc_knows_the_card(user: OrdinaryUser, card: str) -> None:
    assert out(user, card, "opensc-tool", "-n").strip() == "jpki"
    assert "tegata sim 00 00" in out(user, card, "opensc-tool", "-l")


def test_pkcs15_listing(user: OrdinaryUser, card: str) -> None:
    assert "X.509 Certificate [User Authentication Certificate]" in out(user, card, "pkcs15-tool", "-D")


@pytest.mark.parametrize(("slot", "pin", "key", "certificate"), KEYS)
def test_signatures(
    user: OrdinaryUser, card: str, slot: str, pin: str, key: str, certificate: tuple[str, ...]
) -> None:
    (user.home / "data").write_bytes(b"to be signed")
    signature = f"signature-{key}"
    tool = ["pkcs11-tool", "--module", opensc_module(), "--slot-index", slot, "--login", "--pin", pin]
    out(user, card, *tool, "--sign", "--id", key, "-m", "SHA256-RSA-PKCS", "-i", "data", "-o", signature)
    pem = out(user, card, "pkcs15-tool", *certificate)
    verify(user.home, pem, user.home / "data", user.home / signature)


def test_what_a_program_does_to_a_file_stays_and_a_preset_is_thrown_away(
    user: OrdinaryUser, card: str
) -> None:
    login = ["pkcs11-tool", "--module", opensc_module(), "--login", "--test", "--pin"]
    probe = ["opensc-tool", "-s", "00A4040C0AD392F000260100000001", "-s", "00A4020C020018", "-s", "00200080"]
    sim_run(user, card, *login, "9999")
    assert "SW1=0x63, SW2=0xC2" in out(user, card, *probe)
    sim_run(user, card, *login, "1234")
    assert "SW1=0x63, SW2=0xC3" in out(user, card, *probe)
    before = sorted(path.name for path in user.home.iterdir())
    assert "SW1=0x63, SW2=0xC3" in out(user, PRESET, *probe)
    assert sorted(path.name for path in user.home.iterdir()) == before


def test_the_trace_has_no_pin(user: OrdinaryUser, card: str) -> None:
    tool = ["pkcs11-tool", "--module", opensc_module(), "--login", "--pin", "1234", "-O"]
    done = user.run([*TEGATA, "sim", "run", "--trace", "trace.txt", card, "--", *tool])
    assert done.returncode == 0, done.stderr
    trace = (user.home / "trace.txt").read_text()
    assert "\n0020008004********\n9000\n" in trace
    assert "31323334" not in trace


@pytest.mark.parametrize(
    ("interface", "atr"),
    [("contact", "3b:e0:00:ff:81:31:fe:45:14"), ("contactless", "3b:88:80:01:00:00:41:e0:b3:81:a1:00:3b")],
)
def test_interfaces(user: OrdinaryUser, card: str, interface: str, atr: str) -> None:
    done = user.run([*TEGATA, "sim", "run", card, "--interface", interface, "--", "opensc-tool", "-a"])
    assert done.stdout.strip().lower() == atr


def test_extended_length(user: OrdinaryUser, card: str) -> None:
    script = """
from smartcard.System import readers
c = readers()[0].createConnection(); c.connect()
c.transmit([0, 0xA4, 4, 0x0C, 10, 0xD3, 0x92, 0xF0, 0, 0x26, 1, 0, 0, 0, 1])
c.transmit([0, 0xA4, 2, 0x0C, 2, 0, 0x0A])
data, sw1, sw2 = c.transmit([0, 0xB0, 0, 0, 0, 0, 0])
print(bytes(data).hex(), bytes([sw1, sw2]).hex())
"""
    data, sw = out(user, card, sys.executable, "-c", script).split()
    assert sw == "9000"
    pem = out(user, card, "pkcs15-tool", "--read-certificate", "01")
    certificate = base64.b64decode("".join(pem.splitlines()[1:-1]))
    assert bytes.fromhex(data)[: len(certificate)] == certificate


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
)
def test_exit_codes_are_the_programs(user: OrdinaryUser, card: str, script: str, code: int) -> None:
    assert sim_run(user, card, "sh", "-c", script).returncode == code


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("card.sim", "--", "no-such-program"), 127, "There is no program called no-such-program."),
        (("card.sim", "--", "/"), 126, "The program / cannot be run: Permission denied."),
        (("no-such-card", "--", "true"), 128, "no-such-card is neither a card file nor a preset"),
        (
            ("--trace", "/no/trace", "card.sim", "--", "true"),
            129,
            "The trace file /no/trace cannot be written",
        ),
    ],
)
def test_mistakes(
    user: OrdinaryUser, card: str, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    done = user.run([*TEGATA, "--lang", "en", "sim", "run", *arguments])
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_existing_file_is_never_overwritten(user: OrdinaryUser, card: str) -> None:
    before = (user.home / card).read_bytes()
    done = user.run([*TEGATA, "sim", "new", PRESET, card])
    assert done.returncode == 137
    assert (user.home / card).read_bytes() == before


def test_a_card_that_is_in_a_reader_already(user: OrdinaryUser, card: str) -> None:
    inner = [*TEGATA, "--lang", "en", "sim", "run", card, "--", "true"]
    done = sim_run(user, card, *inner)
    assert done.returncode == 139
    assert "in use by another program" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_the_program(tmp_path: Path, my_number_card: Path, number: signal.Signals) -> None:
    script = "trap 'echo got it; exit 5' TERM INT; echo ready; while :; do sleep 0.1; done"
    process = subprocess.Popen(
        [*TEGATA, "sim", "run", str(my_number_card), "--", "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.communicate(timeout=20)[0] == "got it\n"
    assert process.returncode == 5


def test_speed(user: OrdinaryUser, card: str, record_property: pytest.RecordProperty) -> None:
    times = json.loads(out(user, card, sys.executable, "-c", SPEED))
    median = statistics.median(times) * 1000
    record_property("figure", f"tegata sim run: {median:.2f} ms per APDU (median of {len(times)})")
    assert median < 10


def test_run_is_quick(user: OrdinaryUser, card: str) -> None:
    begin = time.monotonic()
    out(user, card, "true")
    assert time.monotonic() - begin < 5
