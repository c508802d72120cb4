"""What an APDU costs the host's processor: tegata, pyscard and OpenSC on the same reader in one run.

Only ratios are bounded: seconds belong to the machine. The simulated card works in another process.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tegata.simulators import presets

from .measure import MICRO, Meter

pytestmark = [pytest.mark.foreign, pytest.mark.bench]

MODEL = "contactless-424"
COUNT = 2000
SELECT = "00A4040C0AD392F000260100000001"
OPENSC_ROUNDS = 500

PYSCARD = """
import json, sys, time
from smartcard.System import readers
command = list(bytes.fromhex(sys.argv[1]))
connection = readers()[0].createConnection()
connection.connect()
begin = time.process_time()
for _ in range(int(sys.argv[2])):
    assert connection.transmit(command)[1:] == (0x90, 0)
print(json.dumps(time.process_time() - begin))
"""

TEGATA = """
import json, sys, time
from tegata.apdu.card import Card
from tegata.apdu.command import Command
from tegata.apdu.ports import open_reader
command = bytes.fromhex(sys.argv[1])
reader = open_reader("pcsc:")
card = Card(reader.wait_for_card(10))
begin = time.process_time()
for _ in range(int(sys.argv[2])):
    card.expect(Command(0x00, 0xA4, 0x04, 0x0C, command[5:]))
print(json.dumps(time.process_time() - begin))
card.close()
reader.close()
"""


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[Meter]:
    path = tmp_path / "card.sim"
    presets.create("my-number-card", path)
    meter = Meter(path, MODEL)
    yield meter
    meter.close()


def python(meter: Meter, script: str) -> float:
    """Seconds of processor time an APDU, by the program's own clock around its APDUs."""
    _, done = meter.program([sys.executable, "-c", script, SELECT, str(COUNT)])
    return float(json.loads(done.stdout)) / COUNT


def opensc_tool(meter: Meter) -> float:
    """The same for opensc-tool, from many APDUs less one, so that its start does not count."""
    many = _children(meter, OPENSC_ROUNDS)
    return (many - _children(meter, 1)) / (OPENSC_ROUNDS - 1)


def _children(meter: Meter, count: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    meter.program(["opensc-tool", *(part for _ in range(count) for part in ("-s", SELECT))])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_processor_time_an_apdu(meter: Meter, record_property: Callable[[str, object], None]) -> None:
    """All layers of tegata's stack cost no more than four times pyscard's one call."""
    tegata, pyscard, opensc = python(meter, TEGATA), python(meter, PYSCARD), opensc_tool(meter)
    record_property(
        "figure",
        f"processor time an APDU: tegata {tegata * MICRO:.0f} µs, pyscard {pyscard * MICRO:.0f} µs, "
        f"opensc-tool {opensc * MICRO:.0f} µs; tegata / pyscard = {tegata / pyscard:.2f}, "
        f"tegata / opensc-tool = {tegata / opensc:.2f}",
    )
    assert tegata < 4 * pyscard
