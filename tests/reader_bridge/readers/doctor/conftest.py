"""A Linux system in a folder: files as the kernel and Debian write them, put together for each test."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tegata.apdu.errors import Words
from tegata.apdu.ports import CardEvent
from tegata.reader_bridge.readers.doctor import Doctor, Finding, Service, Severity, System

STRANGER = 4242
"""A user who owns nothing here."""


@dataclass
class Machine:
    """The tree below ``root``, the user, and what PC/SC and the wire would answer."""

    root: Path
    uid: int = STRANGER
    groups: frozenset[int] = frozenset()
    service: Service = field(default_factory=lambda: Service(answers=True, version="1.9.9"))
    asked: list[tuple[str, str]] = field(default_factory=list)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def link(self, name: str, target: str) -> None:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def process(self, pid: int, name: str, *files: str) -> None:
        self.write(f"/proc/{pid}/comm", f"{name[:15]}\n")
        (self.root / f"proc/{pid}/fd").mkdir()
        for number, file in enumerate(files):
            self.link(f"/proc/{pid}/fd/{number}", file)

    def serial_port(self, name: str, mode: int = 0o660) -> None:
        self.write(f"/dev/{name}", "").chmod(mode)
        (self.root / f"sys/class/tty/{name}/device").mkdir(parents=True)

    def usb(self, device: str, usb_id: str, product: str, kind: str, driver: str = "") -> None:
        folder = f"/sys/bus/usb/devices/{device}"
        self.write(f"{folder}/idVendor", usb_id[:4] + "\n")
        self.write(f"{folder}/idProduct", usb_id[5:] + "\n")
        self.write(f"{folder}/product", product + "\n")
        self.write(f"{folder}:1.0/bInterfaceClass", kind + "\n")
        if driver:
            self.link(f"{folder}:1.0/driver", f"../../../../../../bus/usb/drivers/{driver}")

    def tcp(self, *sockets: str, table: str = "tcp") -> None:
        head = (
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
        )
        tail = "00000000:00000000 00:00000000 00000000     0        0 29613 1 0000000000000000 100 0 0 10 0"
        lines = [
            f"   {n}: {local} 00000000:0000 {state} {tail}"
            for n, (local, state) in enumerate(map(str.split, sockets))
        ]
        self.write(f"/proc/net/{table}", "\n".join([head, *lines]) + "\n")

    @property
    def system(self) -> System:
        return System(self.root, uid=self.uid, groups=self.groups)

    def doctor(self, *, probe: bool = False) -> Doctor:
        def wire(line: str, protocol: str) -> Finding:
            self.asked.append((line, protocol))
            return Finding("wire", line, Severity.GOOD, Words("asked", "済"))

        return Doctor(self.system, lambda: self.service, wire, probe=probe)

    def bad(self, *urls: str) -> list[tuple[str, str]]:
        """What is not well: the check and the English next step."""
        doctor = self.doctor()
        found = [item for url in urls for item in doctor.reader(url)] if urls else doctor.machine()
        serious = (Severity.WARNING, Severity.PROBLEM)
        for item in found:
            assert item.sentence and item.sentence.ja
            assert bool(item.step) or item.severity not in serious
        return [(item.check, str(item.step)) for item in found if item.severity in serious]


def present(*names: str) -> Service:
    return Service(answers=True, version="1.9.9", readers=[CardEvent(name, False) for name in names])


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A Debian with pcscd running, and nothing plugged in."""
    made = Machine(tmp_path)
    made.process(1, "systemd")
    made.process(700, "pcscd", "/run/pcscd/pcscd.comm")
    made.write("/run/pcscd/pcscd.comm", "")
    made.write("/usr/sbin/pcscd", "")
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    own = os.getgid() if hasattr(os, "getgid") else 0
    made.write("/etc/group", f"root:x:0:\ndialout:x:{own}:somebody\n" if own else "dialout:x:0:somebody\n")
    made.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nsomebody:x:4243:4243::/home/somebody:/bin/sh\n")
    return made
