"""libnfc's programs and functions take the simulated PN532 for one: cards of both types, removal, APDUs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.simulators.card import FileStore

from .harness import SECONDS
from .pn532 import Simulation, simulated_pn532

pytestmark = pytest.mark.foreign

PUPI, UID = "a1b2c3d4", "0411223344aabb"
SELECT_JPKI = "00A4040C0AD392F000260100000001"
CERTIFICATE = "app/d392f000260100000001/ef/000a"


def run(reader: Simulation, *program: str) -> str:
    """What a program prints; it ends well."""
    done = subprocess.run(
        program, env=os.environ | reader.libnfc, capture_output=True, text=True, timeout=SECONDS, check=True
    )
    return done.stdout


def words(text: str) -> str:
    """The text with one space wherever there are several: libnfc aligns its bytes by them."""
    return " ".join(text.split())


@pytest.fixture(scope="module")
def type_b(tmp_path_factory: pytest.TempPathFactory, my_number_card: Path) -> Iterator[Simulation]:
    """A My Number Card, of type B as its ATR 3B 88 80 01 | 00 00 41 E0 | B3 81 A1 | 00 says."""
    with simulated_pn532(tmp_path_factory.mktemp("b"), my_number_card, "--uid", PUPI) as simulation:
        yield simulation


@pytest.fixture(scope="module")
def type_a(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """A company's card, of type A: historical bytes 80 73 C8 21 D3."""
    with simulated_pn532(tmp_path_factory.mktemp("a"), "company-card", "--uid", UID) as simulation:
        yield simulation


def test_nfc_list_sees_a_my_number_card(type_b: Simulation) -> None:
    raw = run(type_b, "nfc-list", "-v")
    told = [line for line in raw.splitlines() if "target(s) found" in line]
    assert len(told) == 10  # every kind of card that libnfc knows was looked for
    assert [line for line in told if not line.startswith("0 ")] == ["1 ISO14443B passive target(s) found:"]
    shown = words(raw)
    assert "PUPI: a1 b2 c3 d4 Application Data: 00 00 41 e0 Protocol Info: b3 81 a1" in shown
    assert "Maximum frame sizes: 256 bytes * Protocol types supported: ISO/IEC 14443-4" in shown
    assert "Frame Waiting Time: 309.3 ms" in shown


def test_nfc_list_sees_a_card_of_type_a(type_a: Simulation) -> None:
    shown = words(run(type_a, "nfc-list"))
    assert "1 ISO14443A passive target(s) found" in shown
    assert "ATQA (SENS_RES): 00 44 UID (NFCID1): 04 11 22 33 44 aa bb SAK (SEL_RES): 20" in shown
    assert "ATS: 78 80 a0 02 80 73 c8 21 d3" in shown


@pytest.mark.parametrize("kind", ["a", "b"])
def test_nfc_poll_waits_until_the_card_is_taken_away(kind: str, request: pytest.FixtureRequest) -> None:
    reader: Simulation = request.getfixturevalue(f"type_{kind}")
    polling = subprocess.Popen(
        ["stdbuf", "-o0", "nfc-poll"],
        env=os.environ | reader.libnfc,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert polling.stdout is not None
    try:
        shown = ""
        while letter := polling.stdout.read(1):
            shown += letter
            if shown.endswith("Waiting for card removing..."):  # no end of line follows
                reader.take_card_away()
        assert polling.wait(SECONDS) == 0
    finally:
        polling.kill()
        polling.communicate()
        reader.put_card_back()
    expected = {"a": "UID (NFCID1): 04 11 22 33 44 aa bb", "b": "PUPI: a1 b2 c3 d4"}[kind]
    assert expected in words(shown)
    assert "done." in shown


def test_the_chips_own_block_protocol_reads_a_certificate(type_b: Simulation, my_number_card: Path) -> None:
    reads = [f"00B0{256 * page:04X}00" for page in range(4)]
    answers = run(
        type_b, sys.executable, session("libnfc"), "b", SELECT_JPKI, "00A4020C02000A", *reads
    ).split()
    assert answers[:2] == ["9000", "9000"]
    assert {answer[-4:] for answer in answers} == {"9000"}
    read = bytes.fromhex("".join(answer[:-4] for answer in answers[2:]))
    assert read == certificate(my_number_card)[:1024]


def test_the_chips_own_block_protocol_with_type_a(type_a: Simulation) -> None:
    (answer,) = run(type_a, sys.executable, session("libnfc"), "a", "00A4040000").split()
    assert answer == "6f108408a000000151000000a5049f6501ff9000"


def session(name: str) -> str:
    return str(Path(__file__).with_name(f"{name}_session.py"))


def certificate(card: Path) -> bytes:
    """The authentication certificate in a card file that another process has open."""
    copy = card.with_suffix(".copy")
    copy.write_bytes(card.read_bytes())
    copy.chmod(0o600)
    store = FileStore(copy)
    store.close()
    copy.unlink()
    return store.content[CERTIFICATE]
