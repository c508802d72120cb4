"""A PIN pad through Debian's pcscd and libccidtwin: the holder types on the simulated GemPC PinPad."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tegata.apdu.secret import Secret
from tegata.reader_bridge.share.gemcore import GEMPC_PINPAD, PinCancelled, PinRequest, PinTimeout
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.card import FileStore, SimulatedCard
from tegata.simulators.devices.gemcore import GemCoreReader
from tegata.simulators.link import SimulatedLink

from .harness import TEGATA, Namespace, pcscd_namespace, wait_until

pytestmark = pytest.mark.foreign

LIBRARY = "/usr/lib/pcsc/drivers/serial/libccidtwin.so"


@dataclass
class Holder:
    """Who stands at the pad: types what they have in mind, or presses cancel, or is away."""

    mind: bytes | Exception = b"1234"
    asked: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, request: PinRequest) -> Secret:
        self.asked.append((request.least, request.most))
        if isinstance(self.mind, Exception):
            raise self.mind
        return Secret(self.mind)


@dataclass
class Desk:
    """A pcscd that has the pad, and the holder."""

    ns: Namespace
    holder: Holder
    folder: Path

    def tegata(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.ns.run([*TEGATA, "--lang", "en", *arguments])

    def sign(self, name: str, *options: str) -> subprocess.CompletedProcess[str]:
        paths = (str(self.folder / "data.bin"), "--output", str(self.folder / name))
        return self.tegata(
            "mynumber", "sign", *paths, "--key", "authentication", "--reader", "pcsc:", *options
        )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, my_number_card: Path) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("pad")
    (folder / "data.bin").write_bytes(b"to be signed")
    conf = folder / "conf"
    conf.mkdir()
    port = folder / "ttyPad"
    (conf / "pad").write_text(
        f'FRIENDLYNAME "PinPad"\nDEVICENAME {port}:GemPCPinPad\nLIBPATH {LIBRARY}\nCHANNELID 1\n'
    )
    store = FileStore(my_number_card)
    holder = Holder()
    reader = GemCoreReader(GEMPC_PINPAD, [SimulatedLink(SimulatedCard(store))], pin_source=holder)
    try:
        with PtyLine(reader, port), pcscd_namespace("--config", str(conf)) as ns:
            wait_until(ns.sees_card, "the card in the reader")
            yield Desk(ns, holder, folder)
    finally:
        reader.close()
        store.close()


def test_what_the_reader_says_of_itself(desk: Desk) -> None:
    ran = desk.tegata("readers", "info", "--json", "pcsc:PinPad")
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["model"] == "PinPad"
    assert told["firmware"] == "GemPinPad-tegata-1.0"
    assert {"pin-pad", "pin-change"} <= set(told["features"])
    assert told["hardware_id"].startswith("08e6:")
    assert told["max_command"] > 65536
    assert not told["updatable"]
    shown = desk.tegata("readers", "info").stdout
    assert "firmware: GemPinPad-tegata-1.0" in shown
    assert "its maker's own tool" in shown


def test_a_signature_with_the_pin_typed_on_the_reader(desk: Desk) -> None:
    trace = desk.folder / "trace.txt"
    desk.holder.mind, desk.holder.asked = b"1234", []
    ran = desk.sign("signed.p7s", "--trace", str(trace))
    assert ran.returncode == 0, ran.stderr
    assert "Type the authentication PIN on the reader." in ran.stderr
    assert desk.holder.asked == [(4, 4)]
    assert (desk.folder / "signed.p7s").stat().st_size > 1000
    assert "31323334" not in trace.read_text().replace(" ", "")


OWN_LENGTH = """
from tegata.apdu.ports import PinPad, open_reader
reader = open_reader("pcsc:PinPad")
link = reader.wait_for_card(10)
assert isinstance(link, PinPad)
with link.exclusive():
    for select in ("00A4040C0AD392F000260100000001", "00A4020C020018"):
        assert link.transmit(bytes.fromhex(select)) == bytes.fromhex("9000")
    print(link.verify_on_pad(bytes.fromhex("00200080")).hex())
    print(link.verify_on_pad(bytes.fromhex("002000800430303030")).hex())
link.close()
reader.close()
"""


def test_a_pin_goes_at_its_own_length_or_in_a_block(desk: Desk) -> None:
    desk.holder.mind, desk.holder.asked = b"1234", []
    ran = desk.ns.run([sys.executable, "-c", OWN_LENGTH])
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["9000", "9000"]
    assert desk.holder.asked == [(4, 16), (4, 4)]


def test_who_does_not_type_spends_no_try(desk: Desk) -> None:
    for away in (PinCancelled(), PinTimeout()):
        desk.holder.mind = away
        ran = desk.sign("none.p7s")
        assert ran.returncode == 20
        assert "was not typed" in ran.stderr
    desk.holder.mind = b"9999"
    ran = desk.sign("none.p7s")
    assert ran.returncode == 15
    assert "tries left: 2" in ran.stderr
    assert not (desk.folder / "none.p7s").exists()
