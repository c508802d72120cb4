"""The companion's side of OSDP on our simulated peripheral: keys, signals, firmware, and lines that fail.

Both ends are libosdp here; that other programs agree is shown in tests/foreign/test_osdp_*.py.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.apdu import Secret
from tegata.apdu.devices import TakesFile, Updatable, Verdict, open_device
from tegata.apdu.errors import ReaderError
from tegata.reader_bridge.frames.mcuboot import Version
from tegata.reader_bridge.readers.osdp.address import OsdpAddress
from tegata.reader_bridge.readers.osdp.device import OsdpDevice
from tegata.reader_bridge.readers.osdp.install import install
from tegata.reader_bridge.readers.serial_port import SerialPort
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.devices.faults import Direction, Fault, FaultKind, Faults, random_faults
from tegata.simulators.devices.mcuboot.board import Board
from tegata.simulators.devices.mcuboot.demo import blank_reader, make_key, payload, public_key, sign
from tegata.simulators.devices.mcuboot.flash import Geometry
from tegata.simulators.devices.mcuboot.fuses import Fuses
from tegata.simulators.devices.osdp import OsdpPeripheral, PeripheralIdentity
from tegata.simulators.devices.osdp_firmware import BoardReceiver, FixedFirmware
from tegata.simulators.devices.osdp_key import KeyStore

KEY = bytes(range(0x10, 0x20))
SMALL = Geometry(sector_size=256, slot_sectors=6, max_sectors=6)


@pytest.fixture
def url(tmp_path: Path) -> str:
    path = tmp_path / "scbk"
    path.touch(0o600)
    path.write_text(KEY.hex())
    return f"osdp:{tmp_path / 'line'}?address=5&scbk={path}"


def peripheral(keys: KeyStore | None = None, *, install_mode: bool = False) -> OsdpPeripheral:
    return OsdpPeripheral(
        PeripheralIdentity(number=5),
        keys or KeyStore(Secret(KEY)),
        FixedFirmware(),
        install_mode=install_mode,
    )


def opened(url: str) -> OsdpDevice:
    device = open_device(url)
    assert isinstance(device, OsdpDevice)
    return device


@pytest.fixture
def pair(tmp_path: Path, url: str) -> Iterator[tuple[OsdpDevice, OsdpPeripheral, PtyLine]]:
    there = peripheral()
    with PtyLine(there, tmp_path / "line") as line:
        device = opened(url)
        yield device, there, line
        device.close()
        assert line.failure is None


Pair = tuple[OsdpDevice, OsdpPeripheral, PtyLine]


def test_a_new_peripheral_is_given_its_key_once(tmp_path: Path, url: str) -> None:
    stored = tmp_path / "device.key"
    there = peripheral(KeyStore(path=stored))
    address = OsdpAddress.parse(url.removeprefix("osdp:"))
    with PtyLine(there, tmp_path / "line"):
        with pytest.raises(ReaderError) as caught:
            opened(url)
        assert caught.value.code == "osdp.default_key"
        assert install(address) is True
        assert stored.read_text().strip() == KEY.hex()
        assert install(address) is False
        opened(url).close()


def test_a_peripheral_with_another_key_is_left_alone(tmp_path: Path, url: str) -> None:
    keys = KeyStore(Secret(bytes(16)))
    with PtyLine(peripheral(keys), tmp_path / "line"):
        for attempt in (lambda: opened(url), lambda: install(OsdpAddress.parse(url.removeprefix("osdp:")))):
            with pytest.raises(ReaderError) as caught:
                attempt()
            assert caught.value.code == "osdp.key"
    kept = keys.load()
    assert kept is not None
    assert kept.reveal() == bytes(16)


@pytest.mark.parametrize(("number", "told"), [(0, ""), (0xFFFFFFFF, ""), (0x1A, "0000001a")])
def test_a_number_that_no_peripheral_was_given_is_no_serial_number(
    number: int, told: str, tmp_path: Path, url: str
) -> None:
    identity = PeripheralIdentity(number=5, serial=number)
    with PtyLine(OsdpPeripheral(identity, KeyStore(Secret(KEY)), FixedFirmware()), tmp_path / "line"):
        device = opened(url)
        try:
            assert device.identity().serial == told
        finally:
            device.close()


def test_a_lost_key_is_replaced_in_install_mode(tmp_path: Path, url: str) -> None:
    keys = KeyStore(Secret(bytes(16)))
    with PtyLine(peripheral(keys, install_mode=True), tmp_path / "line"):
        assert install(OsdpAddress.parse(url.removeprefix("osdp:")))
    kept = keys.load()
    assert kept is not None
    assert kept.reveal() == KEY


def test_without_a_key_nothing_is_installed(url: str) -> None:
    with pytest.raises(ReaderError) as caught:
        install(OsdpAddress("/dev/null"))
    assert caught.value.code == "osdp.no_key"


def test_what_it_reports_and_shows(pair: Pair) -> None:
    device, there, _ = pair
    found = device.identity()
    assert (found.vendor, found.firmware, found.hardware_id) == ("025447", "1.0.0", "")
    assert isinstance(device, TakesFile)
    assert not isinstance(device, Updatable)
    assert [one.verdict for one in device.selftest()] == [Verdict.PASSED] * 4
    there.report(tampered=True, power_failed=True)
    there.read_card(b"\x00")
    assert device.next_card(5) is not None  # the report came before it
    assert [one.name for one in device.selftest() if one.verdict is Verdict.FAILED] == ["tamper", "power"]
    there.report()
    there.read_card(b"\x00")
    assert device.next_card(5) is not None
    assert [one.verdict for one in device.selftest()] == [Verdict.PASSED] * 4
    device.find_me(2)
    assert (there.panel.lamp.on, there.panel.lamp.seconds, there.panel.beeps) == ("red", 2.0, 2)
    there.read_card(b"\x04\x01\x02\x03")
    card = device.next_card(5)
    assert card is not None
    assert (card.bits, card.data) == (32, b"\x04\x01\x02\x03")
    assert device.next_card(0.05) is None


def test_a_cable_pulled_for_long_and_a_restart_are_overcome(pair: Pair) -> None:
    device, there, line = pair
    line.unplug()
    there.restart()  # it loses its session, too
    assert device.selftest()[0].verdict is Verdict.FAILED
    with pytest.raises(ReaderError) as caught:
        device._panel.command({"command": 2}, 0.2)
    assert caught.value.code in ("line.open", "line.lost", "osdp.offline")
    line.replug()
    device.identity()
    device.find_me(1)
    there.restart()
    assert there.panel.wait(lambda seen: seen.restarts == 2)
    device._panel.wait(10, after=2)
    assert device.selftest()[1].verdict is Verdict.PASSED


def test_no_key_is_shown_anywhere(
    pair: Pair, url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    device, there, _ = pair
    device.find_me(1)
    shown = repr(device.__dict__) + repr(vars(device._panel)) + repr(vars(there)) + caplog.text
    shown += "".join(capfd.readouterr()) + device.url
    assert KEY.hex() not in shown.lower()
    assert repr(KEY)[2:-1] not in shown
    assert device.url == url


def test_the_line_has_one_owner_and_is_free_afterwards(tmp_path: Path, pair: Pair, url: str) -> None:
    device, _, _ = pair
    with pytest.raises(ReaderError) as caught:
        opened(url)
    assert caught.value.code == "line.busy"
    device.close()
    SerialPort(str(tmp_path / "line")).close()


@pytest.mark.parametrize("seed", range(2))
def test_a_line_with_faults_is_overcome(tmp_path: Path, url: str, seed: int) -> None:
    kinds = (FaultKind.LOSE, FaultKind.DOUBLE, FaultKind.CORRUPT)
    there = peripheral()
    with PtyLine(there, tmp_path / "line", random_faults(seed, 12, 1500, kinds)) as line:
        device = opened(url)
        for _ in range(3):
            device.identity()
        for _ in range(5):  # libosdp's peripheral does not repeat a reply that was lost
            there.read_card(b"\x01\x02")
            if device.next_card(2) is not None:
                break
        else:
            pytest.fail("no card read came through")
        device.close()
        assert line.failure is None


def test_a_cable_that_goes_in_the_first_words_is_said(tmp_path: Path, url: str) -> None:
    faults = Faults([Fault(Direction.TO_HOST, 30, FaultKind.UNPLUG)])
    with PtyLine(peripheral(), tmp_path / "line", faults), pytest.raises(ReaderError) as caught:
        opened(url)
    assert caught.value.code in ("line.lost", "line.silent", "line.open")


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "key.pem"
    make_key(path)
    return path


def image(key: Path, version: str, *, hardware_id: str = "gate", counter: int = 1) -> bytes:
    which = Version.parse(version)
    return sign(payload(which, 300), key, which, hardware_id=hardware_id, counter=counter, geometry=SMALL)


def test_firmware_is_sent_verified_and_run(tmp_path: Path, url: str, signing: Path) -> None:
    fuses = Fuses("gate", (public_key(signing),), model="osdp")
    board = Board(blank_reader(fuses, image(signing, "1.0.0", counter=3), SMALL), fuses)
    there = OsdpPeripheral(PeripheralIdentity(number=5), KeyStore(Secret(KEY)), BoardReceiver(board))
    good = image(signing, "1.1.0", counter=4)
    with PtyLine(there, tmp_path / "line") as line:
        device = opened(url)
        assert device.identity().hardware_id == "gate"
        for why, content in {
            "hardware-id": image(signing, "1.1.0", hardware_id="door", counter=4),
            "security-counter": image(signing, "1.1.0", counter=2),
            "too large": bytes(5000),
        }.items():
            with pytest.raises(ReaderError) as caught:
                list(device.transfer(content))
            assert caught.value.code == "firmware.device"
            assert caught.value.details["what"].startswith(why)
            assert device.identity().firmware == "1.0.0"
        assert list(device.transfer(good))[-1] == len(good)
        assert device.identity().firmware == "1.1.0"
        device.close()
        assert line.failure is None
    board.power_on()
    assert board.version == "1.1.0"  # confirmed by the control panel's coming back
