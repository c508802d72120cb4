"""``tegata firmware``: the companion of readers and peripherals. Parse, call, print."""

from __future__ import annotations

import click

from ...apdu.errors import ReaderError
from ..readers.probe import Seen, list_serial_ports, probe_line
from ..store import Settings
from .command_options import Place
from .device_commands import find_me, info, list_devices, selftest
from .fleet_commands import fleet
from .settings_commands import config
from .update_commands import confirm, log, rollback, update, verify

__all__ = ["firmware"]


@click.group()
@click.pass_context
def firmware(context: click.Context) -> None:
    """Look after readers and their firmware: who they are, checks, settings, updates, whole fleets.

    \b
    A device is named by a URL: smp:/dev/ttyACM0, pn532:/dev/ttyUSB0, gemcore:/dev/ttyS1,
    osdp:/dev/ttyUSB1?address=0; in place of a device file, socket://HOST:PORT.

    \b
    With a simulated device, step by step: see the how-to "Update the firmware of a reader".
    """
    context.obj = Place(Settings.load().file("firmware"), _find)


def _find() -> list[str]:
    """The URLs of the devices on this machine's serial ports; ports that cannot be asked are passed over."""
    found = []
    for port in list_serial_ports():
        try:
            result = probe_line(port.name)
        except ReaderError:
            continue
        if result.seen is Seen.ANSWER:
            found.append(result.url)
    return found


for _command in (
    list_devices,
    info,
    selftest,
    find_me,
    config,
    verify,
    update,
    confirm,
    rollback,
    log,
    fleet,
):
    firmware.add_command(_command)
