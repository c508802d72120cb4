"""A Linux system as the doctor sees it, read from /proc, /sys, /dev, /run and /etc below one root folder.

Everything is read, nothing written, opened for a device's use or asked of a program. Another root than ``/``
is a tree of the same files, taken from another machine or made for a test. Files that are not there, or not
ours to read, count as telling nothing.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = ["Listener", "Process", "ReaderConf", "System", "UsbInterface"]

FILE_MAX = 1 << 16
LISTENING = "0A"
SOCKET = re.compile("([0-9A-F]+):([0-9A-F]{4})")


@dataclass(frozen=True, slots=True)
class Process:
    """A running program. ``files`` are the paths that it has open, None when that is not ours to see."""

    pid: int
    name: str
    files: frozenset[str] | None

    def __str__(self) -> str:
        return f"{self.name} ({self.pid})"


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP port that is listened on; ``everywhere`` when not on the loopback address alone."""

    port: int
    everywhere: bool


@dataclass(frozen=True, slots=True)
class UsbInterface:
    """One interface of a USB device: ``usb_id`` is ``vvvv:pppp``, ``kind`` the class byte, ``driver`` the
    kernel's driver that has it, or nothing."""

    device: str
    usb_id: str
    name: str
    kind: int
    driver: str


@dataclass(frozen=True, slots=True)
class ReaderConf:
    """A serial reader of pcscd's reader.conf(5): its file, device and driver library."""

    file: str
    device: str
    library: str


class System:
    """The system below ``root``, for the user ``uid`` with ``groups`` (by default: the one that runs us)."""

    def __init__(
        self, root: Path = Path("/"), *, uid: int | None = None, groups: frozenset[int] | None = None
    ) -> None:
        self._root = root
        if sys.platform == "win32":
            own, ours = 0, frozenset[int]()
        else:
            own, ours = os.geteuid(), frozenset({os.getegid(), *os.getgroups()})
        self.uid = own if uid is None else uid
        self.groups = ours if groups is None else groups

    def path(self, name: str) -> Path:
        """Where the absolute path ``name`` lies below the root."""
        return self._root / name.lstrip("/")

    def read(self, name: str) -> str:
        """The text of a small file; nothing when it cannot be read."""
        try:
            with self.path(name).open(encoding="utf-8", errors="replace") as file:
                return file.read(FILE_MAX)
        except OSError:
            return ""

    def names(self, folder: str) -> list[str]:
        """What lies in a folder, by name."""
        try:
            return sorted(os.listdir(self.path(folder)))
        except OSError:
            return []

    def resolve(self, name: str) -> str:
        """The path that ``name`` leads to by its links."""
        real = self.path(name).resolve()
        root = self._root.resolve()
        return f"/{real.relative_to(root)}" if real.is_relative_to(root) else str(real)

    def link(self, name: str) -> str:
        """The last part of a link's target, the name of a driver for example."""
        try:
            return os.readlink(self.path(name)).rpartition("/")[2]
        except OSError:
            return ""

    # Processes

    @cached_property
    def processes(self) -> list[Process]:
        """Every process that shows itself to us."""
        pids = [int(name) for name in self.names("/proc") if name.isdigit()]
        return [
            Process(pid, self.read(f"/proc/{pid}/comm").strip(), self._open_files(pid))
            for pid in sorted(pids)
        ]

    def named(self, name: str) -> list[Process]:
        """Processes of this name (the kernel keeps 15 letters)."""
        return [process for process in self.processes if process.name == name[:15]]

    def neighbours(self, name: str) -> list[Process]:
        """Those of :meth:`named` that see the same files as we do: what runs in a container is none."""
        own = self.link("/proc/self/ns/mnt")
        return [item for item in self.named(name) if self.link(f"/proc/{item.pid}/ns/mnt") in (own, "")]

    @property
    def sees_all(self) -> bool:
        """Whether other users' processes show themselves at all (proc(5), hidepid)."""
        return self.uid == 0 or any(process.pid == 1 and process.name for process in self.processes)

    def _open_files(self, pid: int) -> frozenset[str] | None:
        folder = self.path(f"/proc/{pid}/fd")
        try:
            numbers = os.listdir(folder)
        except OSError:
            return None
        found = set()
        for number in numbers:
            try:
                found.add(os.readlink(folder / number))
            except OSError:  # closed meanwhile
                continue
        return frozenset(found)

    # Kernel

    @cached_property
    def modules(self) -> frozenset[str]:
        """Loaded modules, and those built in that show themselves."""
        loaded = {line.split()[0] for line in self.read("/proc/modules").splitlines() if line.strip()}
        return frozenset(loaded | set(self.names("/sys/module")))

    @cached_property
    def serial_ports(self) -> list[str]:
        """Device files of serial ports behind which there is hardware."""
        found = []
        for name in self.names("/sys/class/tty"):
            there = self.path(f"/sys/class/tty/{name}/device").exists()
            # 8250: the kernel makes four ports whether they exist or not; type 0 is one that does not.
            absent = self.read(f"/sys/class/tty/{name}/type").strip() == "0"
            if there and not absent:
                found.append(f"/dev/{name}")
        return found

    @cached_property
    def usb_interfaces(self) -> list[UsbInterface]:
        """Interfaces of all USB devices."""
        return list(self._usb_interfaces())

    def _usb_interfaces(self) -> Iterator[UsbInterface]:
        folder = "/sys/bus/usb/devices"
        for name in self.names(folder):
            device, colon, _ = name.partition(":")
            if not colon:
                continue
            vendor = self.read(f"{folder}/{device}/idVendor").strip()
            product = self.read(f"{folder}/{device}/idProduct").strip()
            said = [self.read(f"{folder}/{device}/{part}").strip() for part in ("manufacturer", "product")]
            try:
                kind = int(self.read(f"{folder}/{name}/bInterfaceClass") or "ff", 16)
            except ValueError:
                kind = 0xFF
            driver = self.link(f"{folder}/{name}/driver")
            yield UsbInterface(device, f"{vendor}:{product}", " ".join(filter(None, said)), kind, driver)

    @cached_property
    def listeners(self) -> list[Listener]:
        """TCP ports that are listened on, of both families (proc(5), /proc/net/tcp)."""
        found = set()
        for table in ("tcp", "tcp6"):
            for line in self.read(f"/proc/net/{table}").splitlines()[1:]:
                fields = line.split()
                local = SOCKET.fullmatch(fields[1]) if len(fields) > 3 else None
                if local and fields[3] == LISTENING:
                    found.add(Listener(int(local[2], 16), local[1] not in LOOPBACK))
        return sorted(found, key=lambda item: (item.port, item.everywhere))

    # Users and services

    def group_name(self, gid: int) -> str:
        """The group's name, or its number."""
        return next((name for name, number, _ in self._groups if number == gid), str(gid))

    def is_member(self, gid: int) -> bool:
        """Whether the user database has our user in this group: the running login may not know it yet."""
        user = next((line[0] for line in self._table("/etc/passwd") if line[2:3] == [str(self.uid)]), None)
        return any(number == gid and user in members for _, number, members in self._groups)

    @cached_property
    def _groups(self) -> list[tuple[str, int, list[str]]]:
        lines = [line for line in self._table("/etc/group") if len(line) >= 4 and line[2].isdigit()]
        return [(line[0], int(line[2]), line[3].split(",")) for line in lines]

    def _table(self, name: str) -> list[list[str]]:
        return [line.split(":") for line in self.read(name).splitlines() if ":" in line]

    @property
    def in_container(self) -> bool:
        """Whether this is the inside of a container, as far as that shows."""
        marks = ("/.dockerenv", "/run/.containerenv")
        groups = self.read("/proc/1/cgroup")
        return any(self.path(mark).exists() for mark in marks) or bool(
            re.search("docker|kubepods|libpod|lxc", groups)
        )

    @property
    def has_systemd(self) -> bool:
        return self.path("/run/systemd/system").exists()

    @cached_property
    def reader_confs(self) -> list[ReaderConf]:
        """The serial readers that pcscd is told of; each file may name several."""
        files = [f"/etc/reader.conf.d/{name}" for name in self.names("/etc/reader.conf.d")]
        return [conf for file in files for conf in _read_conf(file, self.read(file))]


LOOPBACK = ("0100007F", "00000000000000000000000001000000")


def _read_conf(file: str, text: str) -> Iterator[ReaderConf]:
    device = ""
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if key == "DEVICENAME":
            device = value.strip()
        elif key == "LIBPATH":
            yield ReaderConf(file, device, value.strip())
            device = ""
