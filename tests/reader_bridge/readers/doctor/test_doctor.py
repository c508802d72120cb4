"""The doctor before prepared machines: for each thing that can be wrong, the one thing to do."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tegata.apdu.errors import InputError
from tegata.reader_bridge.readers.doctor import Finding, Service, Severity, next_step
from tegata.reader_bridge.readers.doctor.finding import NOTHING

from .conftest import Machine, present

PN532 = "pn532:/dev/ttyUSB0"


def test_nothing_is_wrong(machine: Machine) -> None:
    machine.service = present("Gemalto PC Twin Reader 00 00")
    assert machine.bad() == []
    assert next_step(machine.doctor().machine()) == NOTHING


class TestSerialPorts:
    def test_a_port_in_order_is_asked(self, machine: Machine) -> None:
        machine.serial_port("ttyUSB0", 0o666)
        assert machine.bad(PN532) == []
        assert machine.asked == [("/dev/ttyUSB0", "pn532")]

    def test_none_is_asked_of_its_own_accord(self, machine: Machine) -> None:
        machine.serial_port("ttyUSB0", 0o666)
        found = machine.doctor().machine()
        assert machine.asked == []
        assert "tegata readers doctor /dev/ttyUSB0" in next_step(found)
        machine.doctor(probe=True).machine()
        assert machine.asked == [("/dev/ttyUSB0", "")]

    def test_a_bus_is_never_asked(self, machine: Machine) -> None:
        machine.serial_port("ttyUSB0", 0o666)
        assert machine.bad("osdp:/dev/ttyUSB0?address=3") == []
        assert machine.asked == []

    def test_a_port_that_is_not_there(self, machine: Machine) -> None:
        machine.serial_port("ttyUSB1", 0o666)
        [(check, step)] = machine.bad(PN532)
        assert check == "port"
        assert step.startswith("Plug the reader in")
        assert "/dev/ttyUSB1" in machine.doctor().reader(PN532)[0].sentence
        assert machine.asked == []

    def test_ports_that_the_kernel_only_makes_up_are_no_ports(self, machine: Machine) -> None:
        machine.serial_port("ttyS0", 0o666)
        machine.serial_port("ttyS1", 0o666)
        machine.write("/sys/class/tty/ttyS1/type", "0\n")
        machine.write("/sys/class/tty/ttyS0/type", "4\n")
        assert machine.system.serial_ports == ["/dev/ttyS0"]

    def test_a_port_of_another_group(self, machine: Machine) -> None:
        machine.serial_port("ttyUSB0")
        [(check, step)] = machine.bad(PN532)
        assert (check, step) == (
            "permission",
            'Run: sudo usermod --append --groups dialout "$USER", then log out and in again.',
        )
        assert machine.asked == []
        machine.groups = frozenset({os.getgid()})
        assert machine.bad(PN532) == []

    def test_a_group_that_this_login_does_not_know_yet(self, machine: Machine) -> None:
        machine.serial_port("ttyUSB0")
        machine.uid = 4243
        [(check, step)] = machine.bad(PN532)
        assert check == "permission"
        assert step.startswith("Log out and in again")

    def test_a_port_that_no_group_may_use(self, machine: Machine) -> None:
        machine.serial_port("ttyUSB0", 0o600)
        assert [check for check, _ in machine.bad(PN532)] == ["permission"]

    @pytest.mark.parametrize(
        ("name", "step"),
        [
            ("minicom", "Close minicom (812)."),
            ("agetty", "Run: sudo systemctl disable --now serial-getty@ttyUSB0.service"),
            ("pcscd", "Use the reader as pcsc:, or take /dev/ttyUSB0 out of /etc/reader.conf.d"),
        ],
    )
    def test_a_busy_port(self, machine: Machine, name: str, step: str) -> None:
        machine.serial_port("ttyUSB0", 0o666)
        machine.process(812, name, "/dev/null", "/dev/ttyUSB0")
        [found] = machine.bad(PN532)
        assert found[0] == "busy"
        assert found[1].startswith(step)
        assert machine.asked == []

    def test_a_busy_port_by_another_name(self, machine: Machine) -> None:
        machine.serial_port("ttyUSB0", 0o666)
        machine.link("/dev/serial/by-id/usb-FTDI-if00", "../../ttyUSB0")
        machine.process(812, "minicom", "/dev/ttyUSB0")
        assert [check for check, _ in machine.bad("gemcore:/dev/serial/by-id/usb-FTDI-if00")] == ["busy"]

    def test_lock_files(self, machine: Machine) -> None:
        machine.serial_port("ttyUSB0", 0o666)
        machine.write("/run/lock/LCK..ttyUSB0", "       812\n")
        assert machine.bad(PN532) == [("lock", "Run: sudo rm /run/lock/LCK..ttyUSB0")]
        machine.process(812, "minicom")
        assert machine.bad(PN532) == [("lock", "Close process 812.")]

    def test_a_program_that_writes_into_every_port(self, machine: Machine) -> None:
        machine.serial_port("ttyACM0", 0o666)
        machine.process(500, "ModemManager")
        [(check, step)] = machine.bad("smp:/dev/ttyACM0")
        assert check == "meddler"
        assert "systemctl disable --now ModemManager" in step


class TestUsb:
    def test_a_kernel_driver_that_holds_the_reader(self, machine: Machine) -> None:
        machine.usb("1-2", "072f:2200", "ACR122U PICC Interface", "0b", "pn533_usb")
        [(check, step)] = machine.bad()
        assert check == "kernel-module"
        assert "sudo modprobe -r pn533_usb pn533" in step
        assert "blacklist pn533_usb" in step

    def test_one_that_waits_for_the_next(self, machine: Machine) -> None:
        machine.write(
            "/proc/modules",
            "pn533_usb 24576 0 - Live 0x0000000000000000\npn533 53248 1 pn533_usb, Live 0x0\n",
        )
        assert machine.bad() == [("kernel-module", "Run: sudo modprobe -r pn533_usb pn533")]
        machine.write("/proc/modules", "cdc_acm 45056 0 - Live 0x0000000000000000\n")
        assert machine.bad() == []

    def test_a_reader_that_pcscd_does_not_see(self, machine: Machine) -> None:
        machine.usb("1-2", "08e6:3437", "USB SmartCard Reader", "0b", "usbfs")
        [(check, step)] = machine.bad()
        assert (check, step[:16]) == ("driver", "Install libccid ")
        (machine.root / "usr/lib/pcsc/drivers/ifd-ccid.bundle").mkdir(parents=True)
        assert machine.bad() == [("driver", "Run: sudo systemctl restart pcscd")]
        machine.service = present("Gemalto PC Twin Reader 00 00")
        assert machine.bad() == []


class TestService:
    def test_without_pyscard(self, machine: Machine) -> None:
        machine.service = Service(driver="No module named 'smartcard'")
        [(check, step)] = machine.bad("pcsc:")
        assert check == "driver"
        assert "'.[pcsc]'" in step

    def test_it_is_not_installed(self, machine: Machine) -> None:
        stopped(machine)
        (machine.root / "usr/sbin/pcscd").unlink()
        [(check, step)] = machine.bad("pcsc:")
        assert (check, step[:26]) == ("service", "Install pcscd and libccid ")

    def test_it_does_not_run(self, machine: Machine) -> None:
        stopped(machine)
        assert machine.bad("pcsc:") == [("service", "Run: sudo systemctl enable --now pcscd.socket")]
        (machine.root / "run/systemd/system").rmdir()
        assert machine.bad("pcsc:") == [("service", "Start pcscd, as root.")]
        machine.write("/.dockerenv", "")
        [(_, step)] = machine.bad("pcsc:")
        assert step.endswith("pcscd --disable-polkit")

    def test_it_hangs(self, machine: Machine) -> None:
        machine.service = Service(error="Internal communications error", version="1.9.9")
        assert machine.bad("pcsc:") == [("service", "Run: sudo systemctl restart pcscd")]

    def test_programs_are_led_elsewhere(self, machine: Machine) -> None:
        machine.service = Service(error="Service not available", socket="/tmp/gone.comm")
        assert machine.bad("pcsc:") == [("service", "Run: unset PCSCLITE_CSOCK_NAME")]

    def test_polkit_refuses(self, machine: Machine) -> None:
        machine.service = Service(refused=True, error="Access denied", version="1.9.9")
        [(check, step)] = machine.bad("pcsc:")
        assert check == "polkit"
        assert "polkit rule" in step
        machine.write("/proc/1/cgroup", "0::/docker/6a0c\n")
        assert "--disable-polkit" in machine.bad("pcsc:")[0][1]

    def test_several_run_but_those_in_containers_do_not_count(self, machine: Machine) -> None:
        machine.link("/proc/self/ns/mnt", "mnt:[4026531840]")
        machine.process(701, "pcscd")
        machine.link("/proc/701/ns/mnt", "mnt:[4026532208]")
        assert machine.bad("pcsc:") == []
        machine.process(702, "pcscd")
        assert machine.bad("pcsc:") == [("several", "End all but one.")]

    def test_a_serial_reader_of_pcscd_that_is_not_there(self, machine: Machine) -> None:
        text = 'FRIENDLYNAME "Twin"\nDEVICENAME /dev/ttyUSB7:GemPCTwin\n'
        text += "LIBPATH /usr/lib/pcsc/libccidtwin.so\nCHANNELID 1\n"
        machine.write("/etc/reader.conf.d/twin", text)
        assert [check for check, _ in machine.bad("pcsc:")] == ["serial-reader"]
        machine.serial_port("ttyUSB7")
        assert machine.bad("pcsc:") == []

    def test_a_reader_by_name(self, machine: Machine) -> None:
        machine.service = present("Gemalto PC Twin Reader 00 00")
        assert machine.bad("pcsc:Twin") == []
        assert [check for check, _ in machine.bad("pcsc:Identiv")] == ["reader"]


class TestVpcd:
    def test_it_is_open_to_the_network(self, machine: Machine) -> None:
        machine.tcp("00000000:8C7B 0A", "00000000:8C7C 0A", "0100007F:0277 0A")
        [(check, step)] = machine.bad("pcsc:")
        assert check == "vpcd"
        assert "35963, 35964" in step

    def test_on_another_port(self, machine: Machine) -> None:
        machine.tcp("00000000:2328 0A")
        assert machine.bad("pcsc:") == []
        conf = "DEVICENAME   /dev/null:0x2328\nLIBPATH /usr/lib/pcsc/drivers/serial/libifdvpcd.so\n"
        machine.write("/etc/reader.conf.d/vpcd", conf)
        assert "9000" in machine.bad("pcsc:")[0][1]

    @pytest.mark.parametrize("socket", ["0100007F:8C7B 0A", "00000000:8C7B 01"])
    def test_on_loopback_or_only_connected(self, machine: Machine, socket: str) -> None:
        machine.tcp(socket)
        assert machine.bad("pcsc:") == []

    def test_of_the_newer_family(self, machine: Machine) -> None:
        machine.tcp(f"{'0' * 32}:8C7B 0A", table="tcp6")
        assert [check for check, _ in machine.bad("pcsc:")] == ["vpcd"]


def test_what_is_no_reader(machine: Machine) -> None:
    for url in ("sim:card.sim", "nonsense", "pn532:"):
        with pytest.raises(InputError) as error:
            machine.doctor().reader(url)
        assert error.value.code == "doctor.url"


def test_a_line_over_the_network_is_asked_at_once(machine: Machine) -> None:
    assert machine.bad("gemcore:socket://192.0.2.1:4001") == []
    assert machine.asked == [("socket://192.0.2.1:4001", "gemcore")]


@pytest.mark.parametrize("text", ["\0\xff", "garbage", " : : :", "1 2 3 4\n5:x 6:0 0A 0A\n5: 6: 0 0A\n"])
def test_files_of_any_content(machine: Machine, text: str) -> None:
    for name in ("/proc/net/tcp", "/proc/modules", "/etc/group", "/etc/passwd", "/etc/reader.conf.d/x"):
        machine.write(name, text)
    machine.write("/sys/bus/usb/devices/1-1:1.0/bInterfaceClass", text)
    machine.write("/run/lock/LCK..ttyUSB0", text)
    machine.serial_port("ttyUSB0")
    machine.doctor().machine()


def test_the_one_thing_to_do() -> None:
    def of(severity: Severity, step: str) -> Finding:
        return replace(Finding("x", "y", severity, NOTHING), step=type(NOTHING)(step, step))

    warning, first, second = (
        of(Severity.WARNING, "w"),
        of(Severity.PROBLEM, "first"),
        of(Severity.PROBLEM, "second"),
    )
    assert next_step([warning, first, second]) == "first"
    assert next_step([of(Severity.GOOD, "use it"), warning]) == "w"
    assert next_step([of(Severity.GOOD, "use it")]) == ""


def stopped(machine: Machine) -> None:
    machine.service = Service(error="Service not available")
    (machine.root / "proc/700/comm").write_text("gone\n")
    (machine.root / "run/pcscd/pcscd.comm").unlink()


def test_names_cannot_command_the_terminal(machine: Machine) -> None:
    machine.serial_port("ttyUSB0", 0o666)
    machine.process(800, "\x1b[2J\n  ok  x", "/dev/ttyUSB0")
    machine.usb("1-1", "072f:2200", "ACR\x1b]0;me\x07", "0b")
    machine.service = present("\x9b31mReader")
    found = [*machine.doctor().machine(), *machine.doctor().reader("pcsc:\x1b[2J")]
    shown = "".join(
        item.about + item.sentence + item.sentence.ja + item.step + item.step.ja for item in found
    )
    assert "?[2J?  ok" in shown
    assert shown.isprintable()
