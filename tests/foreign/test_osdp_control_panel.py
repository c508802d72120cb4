"""Our simulated peripheral under the independent package ``osdp``, a control panel of another code base."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.apdu import Secret
from tegata.reader_bridge.frames.mcuboot import Version
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.devices.mcuboot.board import Board
from tegata.simulators.devices.mcuboot.demo import blank_reader, make_key, payload, public_key, sign
from tegata.simulators.devices.mcuboot.fuses import Fuses
from tegata.simulators.devices.osdp import OsdpPeripheral, PeripheralIdentity
from tegata.simulators.devices.osdp_firmware import BoardReceiver
from tegata.simulators.devices.osdp_key import KeyStore
from tegata.simulators.devices.osdp_panel import Lamp

from .osdp_world import MASTER, Program, derived, program, secret_file

pytestmark = pytest.mark.foreign

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = 9
CUID = "0254010001000000"
"""libosdp's, of vendor 02 54 47, model 1 and serial number 1."""
HARDWARE = "tegata-sim-a"
ASK_VERDICT = "02544702"
"""The vendor's three bytes, then the question (frames/osdp_vendor.py)."""


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of the independent package's own environment."""
    subprocess.run([ROOT / ".ci" / "foreign", "osdp"], check=True, cwd=ROOT)
    return ROOT / "build" / "foreign" / "osdp" / "bin" / "python"


@pytest.fixture
def control_panel(python: Path, tmp_path: Path) -> Iterator[Program]:
    master = secret_file(tmp_path / "master", MASTER)
    script = Path(__file__).with_name("osdp_control_panel.py")
    with program([python, script, tmp_path / "line", str(ADDRESS), master]) as running:
        yield running
        running.order("id")  # whatever happened, it still listens


@pytest.fixture(scope="module")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "key.pem"
    make_key(path)
    return path


@pytest.fixture
def board(signing_key: Path) -> Board:
    fuses = Fuses(HARDWARE, (public_key(signing_key),), model="osdp")
    return Board(blank_reader(fuses, image(signing_key, "1.0.0")), fuses)


def image(key: Path, version: str, hardware_id: str = HARDWARE) -> bytes:
    which = Version.parse(version)
    return sign(payload(which, 600), key, which, hardware_id=hardware_id)


def peripheral(board: Board, keys: KeyStore, *, install_mode: bool = False) -> OsdpPeripheral:
    return OsdpPeripheral(
        PeripheralIdentity(number=ADDRESS), keys, BoardReceiver(board), install_mode=install_mode
    )


def test_it_is_driven_through_a_cable_pulled_and_put_back(
    tmp_path: Path, board: Board, control_panel: Program
) -> None:
    device = peripheral(board, KeyStore(Secret(bytes.fromhex(derived(CUID)))))
    with PtyLine(device, tmp_path / "line") as line:
        assert control_panel.ask("wait", "secure") == {"secure": True, "cuid": CUID}
        assert device.panel.is_secure
        assert control_panel.ask("id", "vendor") == {
            "vendor": "025447",
            "serial": 1,
            "firmware": [1, 0, 0],
        }
        assert control_panel.ask("led", "led") == {"led": True}
        assert device.panel.lamp == Lamp("green", "off", 2.0)
        assert control_panel.ask("output", "output") == {"output": True}
        assert device.panel.outputs == {0: 2}
        device.read_card(bytes.fromhex("04a1b2c3d4e5f6"))
        assert control_panel.says("card") == {"card": "04a1b2c3d4e5f6"}
        line.unplug()
        line.replug()
        assert control_panel.ask("wait", "secure")["secure"]
        assert device.panel.wait(lambda seen: seen.is_secure)
        device.read_card(bytes.fromhex("c0ffee"))
        assert control_panel.says("card") == {"card": "c0ffee"}
        assert line.failure is None


def test_a_new_one_takes_its_key_and_keeps_it(tmp_path: Path, board: Board, control_panel: Program) -> None:
    """The other control panel installs it by itself; the key in the file is the one that OpenSSL derives."""
    path = tmp_path / "device.key"
    device = peripheral(board, KeyStore(path=path), install_mode=True)
    with PtyLine(device, tmp_path / "line") as line:
        assert control_panel.ask("wait", "secure")["secure"]
        assert path.read_text().strip() == derived(CUID)
        assert path.stat().st_mode & 0o777 == 0o600
        assert line.failure is None
    again = peripheral(board, KeyStore(path=path))
    with PtyLine(again, tmp_path / "line"):
        assert control_panel.ask("again", "secure") == {"secure": True, "cuid": CUID}
        assert again.panel.is_secure


def test_a_file_is_verified_by_the_device_and_run(
    tmp_path: Path, board: Board, control_panel: Program, signing_key: Path
) -> None:
    device = peripheral(board, KeyStore(Secret(bytes.fromhex(derived(CUID)))))
    other = tmp_path / "other.pem"
    make_key(other)
    good = image(signing_key, "1.1.0")
    refused = {
        "wrong-key": image(other, "1.1.0"),
        "form": good[:-40],
    }
    with PtyLine(device, tmp_path / "line") as line:
        control_panel.ask("wait", "secure")
        for why, content in refused.items():
            file = tmp_path / f"{why}.bin"
            file.write_bytes(content)
            assert control_panel.ask(f"file {file}", "silent") == {"silent": "file"}
            assert control_panel.ask("again", "secure")["secure"]
            control_panel.ask(f"mfg {ASK_VERDICT}", "answered")
            verdict = bytes.fromhex(control_panel.says("mfg")["mfg"])
            assert verdict[4:].decode().startswith(why), (why, verdict)
            assert board.version == "1.0.0"
        file = tmp_path / "good.bin"
        file.write_bytes(good)
        assert control_panel.ask(f"file {file}", "status") == {"file": "FileTransferStatus", "status": 1}
        assert device.panel.wait(lambda seen: seen.restarts == len(refused) + 1, 15)
        assert control_panel.ask("again", "secure")["secure"]
        assert control_panel.ask("id", "firmware")["firmware"] == [1, 1, 0]
        assert device.panel.wait(lambda seen: seen.is_secure)
        device.restart()
        assert device.panel.wait(lambda seen: seen.restarts == len(refused) + 2, 15)
        assert board.version == "1.1.0"  # it was confirmed when it was reached
        assert line.failure is None
