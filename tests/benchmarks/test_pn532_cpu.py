"""What a PN532 costs the host's processor: tegata and nfcpy on the same simulated reader, in one run.

Each client is a process of its own and reads its own processor time, so that simulator and card do not
count. Only ratios are bounded: seconds belong to the machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.apdu.ports import LinkInfo, TransmissionProtocol
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.devices.picc import Picc
from tegata.simulators.devices.picc_activation import Modulation, face_of
from tegata.simulators.devices.pn532 import Pn532

from ..reader_bridge.readers.pn532_board import CountingCard
from .measure import MICRO

pytestmark = [pytest.mark.foreign, pytest.mark.bench]

APDUS = 200
FRAMES = 20_000
SECONDS = 120
SHORT = "00B0000014"
LONG = "00B00000000400"

TEGATA = """
import json, sys, time
from tegata.apdu.ports import open_reader
command, size, count = bytes.fromhex(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
reader = open_reader(f"pn532:{sys.argv[1]}?type=a")
link = reader.wait_for_card(10)
begin = time.process_time()
for _ in range(count):
    assert len(link.transmit(command)) == size
print(json.dumps(time.process_time() - begin))
link.close()
reader.close()
"""

# nfcpy opens devices below /dev only; its own transport and driver are put together here instead.
NFCPY = """
import json, sys, time
import nfc, nfc.tag
from nfc.clf import transport, pn532
command, size, count = bytes.fromhex(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
front = nfc.ContactlessFrontend()
front.device = pn532.init(transport.TTY(sys.argv[1]))
front.device._path = sys.argv[1]
tag = nfc.tag.activate(front, front.sense(nfc.clf.RemoteTarget("106A")))
begin = time.process_time()
for _ in range(count):
    assert len(tag.transceive(command)) == size
print(json.dumps(time.process_time() - begin))
front.close()
"""

TEGATA_CODEC = """
import json, sys, time
from tegata.reader_bridge.frames.pn532 import TO_CHIP, Decoder, Signal, encode
size, count = int(sys.argv[1]), int(sys.argv[2])
body, decoder = bytes(size - 1), Decoder(strict=True)
answer = encode(0xD5, bytes((0x43,)) + body)
begin = time.process_time()
for _ in range(count):
    encode(TO_CHIP, bytes((0x42,)) + body)
    ack, frame = decoder.feed(Signal.ACK.wire) + decoder.feed(answer)
    assert frame.code == 0x43 and len(frame.data) == size
print(json.dumps(time.process_time() - begin))
"""

NFCPY_CODEC = """
import json, logging, sys, time
from nfc.clf import pn532
size, count = int(sys.argv[1]), int(sys.argv[2])
body = bytes(size - 1)
content = bytes((0xD5, 0x43)) + body
length = len(content)
head = bytes((length, -length & 255)) if length < 256 else bytes(
    (255, 255, length >> 8, length & 255, -((length >> 8) + (length & 255)) & 255))
answer = b"\\0\\0\\xff" + head + content + bytes((-sum(content) & 255, 0))
class Canned:
    TYPE = "TTY"
    def write(self, frame): self.waiting = [bytearray.fromhex("0000ff00ff00"), bytearray(answer)]
    def read(self, timeout): return self.waiting.pop(0)
    def close(self): pass
chip = pn532.Chipset(Canned(), logging.getLogger("bench"))
begin = time.process_time()
for _ in range(count):
    assert len(chip.command(0x42, body, 0.1)) == size - 1
print(json.dumps(time.process_time() - begin))
"""


class Quiet(CountingCard):
    """Answers READ BINARY and keeps no list."""

    info = LinkInfo("quiet", TransmissionProtocol.TCL, 65544, 65538, simulated=True)

    def transmit(self, command: bytes) -> bytes:
        self.executed.clear()
        return super().transmit(command)


@pytest.fixture
def tty(tmp_path: Path) -> Iterator[Path]:
    card = Quiet()
    picc = Picc(card, face_of(card.atr, Modulation.A))
    with PtyLine(Pn532(picc), tmp_path / "tty") as line:
        yield line.path
    picc.close()


def seconds(script: str, *arguments: object) -> float:
    """The processor time that a client says it has used."""
    command = [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return float(json.loads(done.stdout))


def table(rows: list[tuple[str, float, float]]) -> None:
    print(f"\n{'':34}{'tegata':>10}{'nfcpy':>10}{'ratio':>8}   (microseconds of processor time)")
    for name, ours, theirs in rows:
        print(f"{name:34}{ours * MICRO:10.1f}{theirs * MICRO:10.1f}{theirs / ours:8.1f}")


def test_an_apdu_costs_no_more_than_with_nfcpy(tty: Path) -> None:
    rows = []
    for name, command, size in [("APDU, 20 bytes back", SHORT, 22), ("APDU, 1024 bytes back", LONG, 1026)]:
        ours = seconds(TEGATA, tty, command, size, APDUS) / APDUS
        theirs = seconds(NFCPY, tty, command, size, APDUS) / APDUS
        rows.append((name, ours, theirs))
    table(rows)
    assert all(ours <= theirs for _, ours, theirs in rows)


def test_the_codec_alone() -> None:
    rows = []
    for size in (16, 250, 264):
        ours = seconds(TEGATA_CODEC, size, FRAMES) / FRAMES
        theirs = seconds(NFCPY_CODEC, size, FRAMES) / FRAMES
        rows.append((f"command and answer of {size} bytes", ours, theirs))
    table(rows)
    for (name, ours, theirs), size in zip(rows, (16, 250, 264), strict=True):
        print(f"{name}: {2 * size / ours / MICRO:.1f} MB/s, nfcpy {2 * size / theirs / MICRO:.1f} MB/s")
        assert ours > 0 and theirs > 0
