"""The whole examination: which checks are made for which URL, in the order in which they rest on another."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from ....apdu.errors import InputError, Words
from ..probe import list_serial_ports
from .finding import Finding, Severity
from .pcsc_checks import check_pcsc, check_reader
from .serial_checks import check_port, check_wire, usable
from .service import Service
from .system import System
from .usb_checks import check_usb

__all__ = ["Doctor"]

SERIAL = ("pn532", "gemcore", "smp", "osdp")
Wire = Callable[[str, str], Finding]


class Doctor:
    """Examines readers on ``system``. ``service`` asks PC/SC, ``wire`` asks a serial line; the first is asked
    once at most, the second never about a port that is in use or not ours."""

    def __init__(
        self, system: System, service: Callable[[], Service], wire: Wire = check_wire, *, probe: bool = False
    ) -> None:
        self._system = system
        self._ask = service
        self._wire = wire
        self._probe = probe
        self._linux = sys.platform == "linux"

    def machine(self) -> list[Finding]:
        """Everything that could be a reader: USB, PC/SC, serial ports."""
        service = self._ask()
        found = [*(check_usb(self._system) if self._linux else []), *self._pcsc(service)]
        found += [check_reader(service, item.reader) for item in service.readers]
        for port in self._ports():
            found += self._line(port, "", ask=self._probe)
        return found

    def reader(self, url: str) -> list[Finding]:
        """What one reader needs: ``scheme:rest``, or the path of a serial port.

        Raises InputError ``doctor.url`` for what can be neither.
        """
        scheme, colon, rest = url.partition(":")
        is_path = not colon and (os.sep in url or os.path.exists(url))
        if is_path or (sys.platform == "win32" and url.upper().startswith("COM")):
            return self._line(url, "", ask=True)
        if scheme == "pcsc" and colon:
            service = self._ask()
            usb = check_usb(self._system) if self._linux else []
            return [*usb, *self._pcsc(service), *([check_reader(service, rest)] if rest else [])]
        if scheme in SERIAL and rest:
            line = rest if "://" in rest else rest.partition("?")[0]
            return self._line(line, scheme, ask=True)
        raise InputError("doctor.url", url=url, known=", ".join(f"{name}:" for name in ("pcsc", *SERIAL)))

    def _pcsc(self, service: Service) -> list[Finding]:
        return check_pcsc(self._system, service)

    def _ports(self) -> Sequence[str]:
        return self._system.serial_ports if self._linux else [port.name for port in list_serial_ports()]

    def _line(self, line: str, protocol: str, *, ask: bool) -> list[Finding]:
        is_file = self._linux and "://" not in line
        if is_file:
            line = os.path.abspath(line)
        found = check_port(self._system, line) if is_file else []
        if not usable(found):
            return found
        if ask and protocol != "osdp":
            return [*found, self._wire(line, protocol)]
        return [*found, _unasked(line, protocol)]


def _unasked(line: str, protocol: str) -> Finding:
    if protocol == "osdp":
        said = Words(
            f"{line} was not asked: a question would end the session that a control panel has on it.",
            f"{line} には問い合わせていません (制御盤のセッションを切ってしまうため)。",
        )
        return Finding("wire", line, Severity.UNKNOWN, said)
    said = Words(f"{line} was not asked what lives on it.", f"{line} の先には問い合わせていません。")
    step = Words(
        f"Run: tegata readers doctor {line} to have it asked, with questions that alter nothing.",
        f"tegata readers doctor {line} で安全に問い合わせられます。",
    )
    return Finding("wire", line, Severity.UNKNOWN, said, step)
