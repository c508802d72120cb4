"""Debian's pcscd and libccidtwin take our GemPC Twin for one: T=0, T=1, long APDUs, cards that come, go."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from tegata.apdu.ports import Link, LinkInfo, TransmissionProtocol
from tegata.reader_bridge.share.gemcore import GEMPC_TWIN, GemCoreDevice
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.link import SimulatedReader

from .gemcore import BADGE_PIN, READER, badge_signs, make_badge, pcscd_with, simulated
from .harness import Namespace, opensc_module, wait_until
from .test_vpcd_opensc import verify

pytestmark = pytest.mark.foreign

LONG = 60000
T0, T1 = TransmissionProtocol.T0, TransmissionProtocol.T1

TALK = """
import sys
from smartcard.System import readers
from smartcard.CardConnection import CardConnection
connection = readers()[0].createConnection()
connection.connect(getattr(CardConnection, sys.argv[1] + "_protocol"))
for command in sys.stdin.read().split():
    data, sw1, sw2 = connection.transmit(list(bytes.fromhex(command)))
    print(bytes(data).hex() + "%02x%02x" % (sw1, sw2))
"""


class EchoCard:
    """A card that answers the data of a command, as much of it as the command asks for; slowly when it is
    told to."""

    atr = bytes.fromhex("3b80800101")
    info = LinkInfo("echo", TransmissionProtocol.TCL, 65544, 65538)
    seconds = 0.0

    def transmit(self, command: bytes) -> bytes:
        time.sleep(self.seconds)
        return command[7:-2] + b"\x90\x00" if len(command) > 300 else bytes(LONG) + b"\x90\x00"

    def reset(self) -> None: ...

    def close(self, reset: bool = True) -> None: ...

    def exclusive(self) -> AbstractContextManager[None]:
        return nullcontext()


@dataclass
class Twin:
    """The reader, its line, and the pcscd that drives it."""

    device: GemCoreDevice
    line: PtyLine
    ns: Namespace
    options: tuple[str, ...]

    @contextmanager
    def holding(self, link: Link, protocol: TransmissionProtocol | None = None) -> Iterator[Namespace]:
        """A card in the reader; pcscd notices that it comes and goes."""
        self.device.insert(link, 0, protocol)
        wait_until(self.ns.sees_card, "the card in the reader")
        try:
            yield self.ns
        finally:
            self.device.remove()
        wait_until(lambda: not self.ns.sees_card(), "the card's going")

    def talk(self, protocol: str, *commands: bytes) -> list[bytes]:
        """pyscard sends these APDUs to the card; its answers."""
        done = subprocess.run(
            self.ns.command([sys.executable, "-c", TALK, protocol]),
            input="\n".join(command.hex() for command in commands),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [bytes.fromhex(line) for line in done.stdout.split()]


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    device = GemCoreDevice(GEMPC_TWIN)
    path = tmp_path_factory.mktemp("line") / "twin"
    with PtyLine(device, path) as line, pcscd_with(path, GEMPC_TWIN.driver_name) as (ns, options):
        yield Twin(device, line, ns, options)
    device.close()


@pytest.fixture(scope="module")
def badge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_badge(tmp_path_factory.mktemp("badge"))


@contextmanager
def in_contact(path: Path) -> Iterator[Link]:
    reader = SimulatedReader(path, contactless=False)
    try:
        yield reader.wait_for_card()
    finally:
        reader.close()


@pytest.mark.parametrize("protocol", [T0, T1], ids=str)
def test_a_badge_signs(twin: Twin, badge: Path, protocol: TransmissionProtocol) -> None:
    with in_contact(badge) as link, twin.holding(link, protocol) as ns:
        assert f"{READER} 00 00" in ns.run(["opensc-tool", "-l"]).stdout
        assert ns.run(["opensc-tool", "-n"]).stdout.strip() == "Personal Identity Verification Card"
        badge_signs(ns, badge.parent, "--pin", BADGE_PIN)


def test_a_my_number_card_signs(twin: Twin, my_number_card: Path, tmp_path: Path) -> None:
    data, signature = tmp_path / "data", tmp_path / "signature"
    data.write_bytes(b"to be signed")
    read = ["pkcs15-tool", "--read-certificate", "01"]
    with in_contact(my_number_card) as link:
        with twin.holding(link) as ns:
            assert ns.run(["opensc-tool", "-n"]).stdout.strip() == "jpki"
            tool = ["pkcs11-tool", "--module", opensc_module(), "--slot-index", "0", "--login"]
            what = ["--pin", "1234", "--sign", "--id", "01", "-m", "SHA256-RSA-PKCS"]
            done = ns.run([*tool, *what, "-i", str(data), "-o", str(signature)])
            assert done.returncode == 0, done.stderr
            certificate = ns.run(read).stdout
        # Over T=0 OpenSC asks this card for a signature without Le, and then fetches none.
        with twin.holding(link, T0) as ns:
            assert ns.run(read).stdout == certificate
    verify(tmp_path, certificate, data, signature)


def test_long_and_slow_commands(twin: Twin) -> None:
    card = EchoCard()
    pattern = bytes(index % 251 for index in range(LONG // 2))
    sent = b"\x00\x11\x22\x33\x00" + len(pattern).to_bytes(2, "big") + pattern + b"\0\0"
    with twin.holding(card):
        echoed, much = twin.talk("T1", sent, bytes.fromhex("00b00000000000"))
        assert echoed == pattern + b"\x90\x00"
        assert much == bytes(LONG) + b"\x90\x00"
        card.seconds = 3.0  # the waiting time that its ATR announces is 1.6 s
        assert twin.talk("T1", bytes.fromhex("00b0000004")) == [bytes(LONG) + b"\x90\x00"]


def test_a_reader_pulled_off_the_line(twin: Twin, badge: Path) -> None:
    """pcscd keeps a serial reader in its list, answers for it with an error, and opens it again when it is
    started again."""
    inhabitant = subprocess.Popen(twin.ns.command(["sleep", "60"]), text=True)
    try:
        with in_contact(badge) as link:
            twin.device.insert(link)
            wait_until(twin.ns.sees_card, "the card in the reader")
            twin.line.unplug()
            name = ["opensc-tool", "-n"]
            wait_until(lambda: twin.ns.run(name).returncode != 0, "the reader's going")
            twin.line.replug()
            twin.ns.stop_daemon(inhabitant)
            twin.ns.start_daemon(*twin.options)
            wait_until(twin.ns.sees_card, "the reader's return")
            assert twin.ns.run(name).stdout.strip() == "Personal Identity Verification Card"
            twin.device.remove()
    finally:
        inhabitant.kill()
        inhabitant.wait()


def test_the_commands_of_the_how_to(tmp_path: Path) -> None:
    line = tmp_path / "gempc"
    with (
        simulated(line, "gempc-twin", ["my-number-card"]),
        pcscd_with(line, GEMPC_TWIN.driver_name) as (ns, _),
    ):
        wait_until(ns.sees_card, "the card in the reader")
        *_, reader = ns.run(["opensc-tool", "-l"]).stdout.splitlines()
        assert reader.split() == ["0", "Yes", READER, "00", "00"]
