"""A PIN that no program on the computer sees: typed on our GemPC PinPad, asked for by Debian's libccid.

``tegata sim reader gempc-pinpad`` runs as a program of its own; the test is the hand on its keys.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from .gemcore import BADGE_PIN, Keyboard, badge_signs, make_badge, pcscd_with, simulated
from .harness import Namespace, wait_until

pytestmark = pytest.mark.foreign

OTHER_PIN = "24682468"

PART10 = """
import json, sys
from smartcard.System import readers
from smartcard.scard import SCARD_RESET_CARD
from smartcard.pcsc import PCSCPart10 as part10
connection = readers()[0].createConnection()
connection.connect()
connection.reconnect(disposition=SCARD_RESET_CARD)
features = part10.getFeatureRequest(connection)
codes = {
    "verify": part10.hasFeature(features, part10.FEATURE_VERIFY_PIN_DIRECT),
    "modify": part10.hasFeature(features, part10.FEATURE_MODIFY_PIN_DIRECT),
}
answers = []
for line in sys.stdin:
    kind, data = line.split()
    data = list(bytes.fromhex(data))
    if kind == "apdu":
        answer, sw1, sw2 = connection.transmit(data)
        answers.append(bytes(answer + [sw1, sw2]).hex())
    else:
        answers.append(bytes(connection.control(codes[kind], data)).hex())
properties = part10.getTlvProperties(connection)
print(json.dumps({"firmware": properties["PCSCv2_PART10_PROPERTY_sFirmwareID"], "answers": answers}))
"""


def verify_block(apdu: str, block: int, least: int) -> str:
    """PIN_VERIFY of PC/SC part 10 §2.5.2: ASCII digits, left, into a block of so many bytes."""
    size = len(apdu) // 2
    return f"verify 1e1e82{block:02x}0008{least:02x}02ff0904" + "00" + "000000" + f"{size:02x}000000" + apdu


def modify_block(apdu: str) -> str:
    """PIN_MODIFY of PC/SC part 10 §2.5.3: old and new PIN, each in a block of 8; the new one twice."""
    size = len(apdu) // 2
    return "modify 1e1e82080000080806030203090400010200" + "0000" + f"{size:02x}000000" + apdu


@dataclass
class PinPad:
    """The reader, the keys of its pad, and the pcscd that drives it."""

    ns: Namespace
    keys: Keyboard

    def talk(self, *lines: str) -> tuple[str, list[str]]:
        """Firmware of the reader, and what came back to APDUs and part 10 blocks."""
        done = subprocess.run(
            self.ns.command([sys.executable, "-c", PART10]),
            input="\n".join(lines),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        return result["firmware"], result["answers"]


@pytest.fixture(scope="module")
def badge_on_pad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PinPad, Path]]:
    folder = tmp_path_factory.mktemp("pad")
    badge = make_badge(folder)
    line = folder / "pad"
    keys = Keyboard()
    with ExitStack() as stack:
        stack.callback(keys.close)
        options = ["--trace", str(folder / "trace")]
        stack.enter_context(simulated(line, "gempc-pinpad", [str(badge)], *options, keys=keys.reading))
        ns, _ = stack.enter_context(pcscd_with(line, "GemPCPinPad"))
        wait_until(ns.sees_card, "the card in the reader")
        yield PinPad(ns, keys), folder


SELECT = "apdu 00a4040009a00000030800001000"
QUERY = "apdu 00200080"
VERIFY = verify_block("0020008008" + "ff" * 8, 8, 6)
CHANGE = modify_block("0024008010" + "ff" * 16)


def test_opensc_signs_with_a_pin_from_the_pad(badge_on_pad: tuple[PinPad, Path]) -> None:
    pad, folder = badge_on_pad
    assert "PIN pad" in pad.ns.run(["opensc-tool", "-l"]).stdout
    pad.keys.type(BADGE_PIN)
    badge_signs(pad.ns, folder)


def test_every_end_of_an_entry(badge_on_pad: tuple[PinPad, Path]) -> None:
    """A cancelled entry spends no try, a wrong PIN spends one, and the right one opens."""
    pad, _ = badge_on_pad
    pad.keys.type("cancel", "999999", BADGE_PIN)
    firmware, answers = pad.talk(SELECT, QUERY, VERIFY, QUERY, VERIFY, QUERY, VERIFY, QUERY)
    assert firmware == "GemPinPad-tegata-1.0"
    before, cancelled, unspent, wrong, spent, right, opened = answers[1:]
    assert cancelled == "6401"
    assert unspent == before and before.startswith("63c")
    assert wrong == spent == f"63c{int(before[-1]) - 1}"
    assert (right, opened) == ("9000", "9000")


def test_a_new_pin_from_the_pad(badge_on_pad: tuple[PinPad, Path]) -> None:
    pad, folder = badge_on_pad
    pad.keys.type(BADGE_PIN, OTHER_PIN, OTHER_PIN)
    assert pad.talk(SELECT, CHANGE)[1][1] == "9000"
    pad.keys.type(OTHER_PIN)
    badge_signs(pad.ns, folder)
    pad.keys.type(OTHER_PIN, BADGE_PIN, BADGE_PIN, BADGE_PIN)
    assert pad.talk(SELECT, CHANGE, VERIFY)[1][1:] == ["9000", "9000"]
    trace = (folder / "trace").read_text().upper().replace(" ", "")
    assert "00200080" in trace and "00240080" in trace
    assert not [pin for pin in (BADGE_PIN, OTHER_PIN) if pin.encode().hex() in trace]


def test_a_pin_of_its_own_length(my_number_card: Path, tmp_path: Path) -> None:
    """The My Number Card's PIN is not padded: the pad makes Lc. Here over T=0."""
    line = tmp_path / "pad"
    keys = Keyboard()
    with ExitStack() as stack:
        stack.callback(keys.close)
        stack.enter_context(
            simulated(line, "gempc-pinpad", [str(my_number_card)], "--protocol", "t0", keys=keys.reading)
        )
        ns, _ = stack.enter_context(pcscd_with(line, "GemPCPinPad"))
        wait_until(ns.sees_card, "the card in the reader")
        select = ("apdu 00a4040c0ad392f000260100000001", "apdu 00a4020c020018")
        keys.type("9999", "1234")
        verify = verify_block("00200080", 0, 4)
        answers = PinPad(ns, keys).talk(*select, QUERY, verify, QUERY, verify, QUERY)[1]
    assert answers == ["9000", "9000", "63c3", "63c2", "63c2", "9000", "63c3"]
