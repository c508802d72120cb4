"""Checks of USB readers: which the bus has, and whether the kernel's own drivers keep them to themselves."""

from __future__ import annotations

from collections.abc import Iterator

from ....apdu.errors import Words
from .finding import Finding, Severity
from .system import System, UsbInterface

__all__ = ["GRABBING", "ccid_readers", "check_usb"]

SMART_CARD = 0x0B
GRABBING = {"pn533_usb": "pn533_usb pn533", "pn533": "pn533", "port100": "port100"}
"""Drivers of the kernel that keep a reader from libnfc, nfcpy and pcscd: driver to modules to be unloaded."""
KNOWN = {
    "072f:2200": "ACS ACR122U",
    "04cc:0531": "NXP PN531",
    "04cc:2533": "NXP PN533",
    "04e6:5591": "SCM SCL3711",
    "054c:02e1": "Sony RC-S330",
    "054c:06c1": "Sony RC-S380",
    "054c:06c3": "Sony RC-S380",
    "1fd3:0608": "ASK LoGO",
}
"""NFC readers by their ids, whatever class they claim."""


def ccid_readers(system: System) -> list[UsbInterface]:
    """Interfaces that pcscd with libccid drives."""
    return [item for item in system.usb_interfaces if item.kind == SMART_CARD]


def check_usb(system: System) -> list[Finding]:
    """One finding a reader on the bus, and one for modules that wait for the next."""
    readers = [item for item in system.usb_interfaces if item.kind == SMART_CARD or item.usb_id in KNOWN]
    return [*map(_reader, readers), *_waiting(system, readers)]


def _reader(item: UsbInterface) -> Finding:
    name = f"{item.name or KNOWN.get(item.usb_id, 'USB')} ({item.usb_id})"
    if item.driver in GRABBING:
        unload = GRABBING[item.driver]
        return Finding(
            "kernel-module",
            name,
            Severity.PROBLEM,
            Words(
                f"The kernel's driver {item.driver} has {name}: PC/SC, libnfc and nfcpy cannot use it.",
                f"カーネルの {item.driver} が {name} を占有しており、PC/SC や libnfc から使えません。",
            ),
            Words(
                f"Run: sudo modprobe -r {unload}, and to keep it so, write a line 'blacklist {item.driver}' "
                "into a file in /etc/modprobe.d.",
                f"sudo modprobe -r {unload} を実行し、/etc/modprobe.d に blacklist {item.driver} "
                "と書いてください。",
            ),
        )
    has = item.driver or "-"
    seen = Words(
        f"USB has {name}; kernel driver: {has}.", f"USB に {name} があります (カーネルドライバー: {has})。"
    )
    return Finding("usb", name, Severity.GOOD, seen)


def _waiting(system: System, readers: list[UsbInterface]) -> Iterator[Finding]:
    loaded = [name for name in GRABBING if name in system.modules]
    if loaded and not any(item.driver in GRABBING for item in readers):
        names = ", ".join(loaded)
        unload = " ".join(dict.fromkeys(" ".join(GRABBING[name] for name in loaded).split()))
        yield Finding(
            "kernel-module",
            names,
            Severity.WARNING,
            Words(
                f"The kernel has loaded {names}, which takes NFC readers for itself when they come.",
                f"カーネルに {names} が読み込まれており、NFC リーダーを挿すと占有します。",
            ),
            Words(f"Run: sudo modprobe -r {unload}", f"sudo modprobe -r {unload} を実行してください。"),
        )
