"""nfcpy takes the simulated PN532 for one: it speaks ISO 14443-4 itself, in frames of 256 bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509

from .harness import SECONDS
from .pn532 import Simulation, simulated_pn532
from .test_pn532_libnfc import SELECT_JPKI, certificate, session

pytestmark = pytest.mark.foreign

UNKNOWN_AID = "00A4040000" + "0258" + "A5" * 600
"""A SELECT of 607 bytes: three blocks to the card."""


def talk(reader: Simulation, brty: str, apdus: Sequence[str]) -> tuple[dict[str, Any], bool]:
    """What nfcpy found and read, and whether it then sees the card that was taken away."""
    process = subprocess.Popen(
        [sys.executable, session("nfcpy"), brty, *apdus],
        cwd=reader.line.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        if first:
            reader.take_card_away()
        rest, errors = process.communicate("\n", timeout=SECONDS)
    finally:
        process.kill()
        reader.put_card_back()
    assert process.returncode == 0, errors
    return json.loads(first), json.loads(rest)["present"]


def test_type_b_a_certificate_in_one_long_answer(tmp_path: Path, my_number_card: Path) -> None:
    with simulated_pn532(tmp_path, my_number_card, "--uid", "01020304") as reader:
        found, still_there = talk(reader, "106B", [SELECT_JPKI, "00A4020C02000A", "00B00000000000"])
    assert found["target"].endswith("sensb_res=5001020304000041E0B381A1")
    assert (found["tag"], found["identifier"], found["present"]) == ("Type4BTag", "01020304", True)
    assert found["answers"][:2] == ["9000", "9000"]
    read = bytes.fromhex(found["answers"][2])
    assert read == certificate(my_number_card) + b"\x90\x00"
    assert x509.Certificate.load(read[:-2]).issuer.native["organization_name"] == "JPKI-TEST"
    assert len(read) > 1024
    assert not still_there


def test_type_a_and_a_command_in_several_blocks(tmp_path: Path) -> None:
    with simulated_pn532(tmp_path, "company-card", "--uid", "01020304") as reader:
        found, still_there = talk(reader, "106A", ["00A4040000", UNKNOWN_AID, "80CA9F7F00"])
    assert found["target"].endswith("sdd_res=01020304 sel_res=20 sens_res=0400")
    assert (found["tag"], found["identifier"], found["present"]) == ("Type4ATag", "01020304", True)
    assert found["answers"][0] == "6f108408a000000151000000a5049f6501ff9000"
    assert found["answers"][1] == "6a82"
    assert found["answers"][2].startswith("9f7f2a")
    assert found["answers"][2].endswith("9000")
    assert not still_there


def test_a_line_that_loses_a_byte_is_noticed(tmp_path: Path, my_number_card: Path) -> None:
    """A byte of the first command never comes: the chip does not acknowledge it."""
    with simulated_pn532(tmp_path, my_number_card, "--fault", "lose:to-device:15") as reader:
        done = subprocess.run(
            [sys.executable, session("nfcpy"), "106B"],
            cwd=reader.line.parent,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert "Connection timed out" in done.stderr
        found, _ = talk(reader, "106B", [SELECT_JPKI])  # the fault strikes once
    assert found["answers"] == ["9000"]
