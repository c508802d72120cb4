"""Our PC/SC driver through a real pcscd: readers, transactions, the closing reset, a card torn away."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .harness import TEGATA, Namespace

pytestmark = pytest.mark.foreign

SIGN = """
import json
from tegata.apdu.card import Card
from tegata.apdu.ports import open_reader
from tegata.apdu.secret import Secret
from tegata.applets.jpki import JpkiKey
from tegata.applets.jpki.host import Jpki
reader = open_reader("pcsc:Virtual PCD 00 00")
link = reader.wait_for_card(10)
with link.exclusive():
    jpki = Jpki(Card(link))
    jpki.select()
    jpki.verify(JpkiKey.SIGNATURE, Secret(b"ABC123"))
    size = len(jpki.sign_digest(JpkiKey.SIGNATURE, bytes(32)))
    link.close(reset=True)
again = reader.wait_for_card(10)
again.transmit(bytes.fromhex("00A4040C0AD392F000260100000001"))
again.transmit(bytes.fromhex("00A4020C020001"))
after = again.transmit(bytes.fromhex("00B0000004")).hex()
again.reset()
again.close()
print(json.dumps({"size": size, "after": after, "name": reader.name, "protocol": again.info.protocol.value}))
reader.close()
"""

REMOVED = """
import sys
from tegata.apdu.errors import CardRemoved, ReaderError
from tegata.apdu.ports import open_reader
reader = open_reader("pcsc:Virtual PCD 00 00")
link = reader.wait_for_card(10)
print("ready", flush=True)
sys.stdin.readline()
try:
    for _ in range(50):
        link.transmit(bytes.fromhex("00A4040C0AD392F000260100000001"))
except CardRemoved as error:
    print(error.code, flush=True)
link.close()
try:
    reader.wait_for_card(0.2)
except ReaderError as error:
    print(error.code, flush=True)
events = reader.events(20)
print(next(events).present, flush=True)
print(next(events).present, flush=True)
"""

BUSY = """
import sys
from tegata.apdu.ports import open_reader
reader = open_reader("pcsc:")
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_signature_and_its_closing_reset(ns: Namespace, my_number_card: Path) -> None:
    with ns.serve(my_number_card):
        listed = ns.run([*TEGATA, "readers", "--json"])
        cards = {item["name"]: item["card"] for item in json.loads(listed.stdout)}
        assert [present for name, present in cards.items() if name.endswith("00 00")] == [True]
        ran = ns.run([sys.executable, "-c", SIGN])
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert (said["size"], said["after"]) == (256, "6982")
    assert said["name"].startswith("pcsc:Virtual PCD")


def test_a_card_torn_away_is_noticed_and_its_return_too(ns: Namespace, my_number_card: Path) -> None:
    with ns.serve(my_number_card) as serving, program(ns, REMOVED) as driver:
        assert line(driver) == "ready"
        serving.send_signal(signal.SIGUSR1)
        wait_gone(ns)
        tell(driver)
        assert line(driver) == "card.removed"
        assert line(driver) == "reader.no_card"
        assert line(driver) == "False"
        serving.send_signal(signal.SIGUSR2)
        assert line(driver) == "True"


def test_a_busy_reader_is_one_sentence_in_another_process(ns: Namespace, my_number_card: Path) -> None:
    with ns.serve(my_number_card), program(ns, BUSY) as holder:
        assert line(holder) == "held"
        code = "from tegata.apdu.ports import open_reader; open_reader('pcsc:')"
        second = ns.run([sys.executable, "-c", code])
        assert "reader.busy" in second.stderr or "in use by another program" in second.stderr
        tell(holder)
        holder.wait(10)
        assert ns.run([sys.executable, "-c", code]).returncode == 0


def test_an_unknown_reader_is_named(ns: Namespace) -> None:
    ran = ns.run([*TEGATA, "--lang", "en", "bridge", "serve", "--reader", "pcsc:Nobody", "--help"])
    assert ran.returncode == 0
    code = "from tegata.apdu.ports import open_reader; open_reader('pcsc:Nobody')"
    assert (
        "There is no reader called Nobody; known: Virtual PCD" in ns.run([sys.executable, "-c", code]).stderr
    )


def program(ns: Namespace, code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ns.command([sys.executable, "-c", code]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def wait_gone(ns: Namespace) -> None:
    from .harness import wait_until

    wait_until(lambda: not ns.sees_card(), "the card's going")
