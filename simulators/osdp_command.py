"""``tegata sim reader osdp``: a simulated OSDP peripheral."""

from __future__ import annotations

from pathlib import Path

import click

from ..apdu.errors import InputError
from .devices.mcuboot.board import Board
from .devices.mcuboot.flash_file import FlashFile
from .devices.osdp import OsdpPeripheral, PeripheralIdentity
from .devices.osdp_file import Receiver
from .devices.osdp_firmware import BoardReceiver, FixedFirmware
from .devices.osdp_key import KeyStore
from .reader_host import LineOptions, host, line_options

__all__ = ["osdp"]

UID = "04a1b2c3d4e5f6"


@click.command()
@line_options
@click.option("--address", type=click.IntRange(0, 126), default=0, help="Its address on the line, 0 to 126.")
@click.option(
    "--key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file with its key (SCBK) as 32 hex digits. It is written when a control panel sets the key; a "
    "name that does not exist yet is a peripheral that still has the key that everybody knows.",
)
@click.option("--install-mode", is_flag=True, help="Take the key that everybody knows, until a key is set.")
@click.option(
    "--flash",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="A flash file (tegata sim firmware) with the firmware that it runs and that can be replaced.",
)
@click.option("--serial", type=click.IntRange(0, 0xFFFFFFFF), default=1, help="Its serial number.")
@click.option("--uid", metavar="HEX", default=UID, help="The UID of the card that SIGUSR1 holds to it.")
def osdp(
    line: LineOptions,
    address: int,
    key: Path | None,
    install_mode: bool,
    flash: Path | None,
    serial: int,
    uid: str,
) -> None:
    """Simulate an OSDP peripheral: a door reader with LED, buzzer, an output and firmware.

    \b
    It prints the name of its line, then whatever would be seen or heard of it. SIGUSR1 holds a card to it,
    SIGUSR2 powers it off and on.
      tegata sim reader osdp --line /tmp/gate --address 1 --key gate.key
      tegata readers osdp-install "osdp:/tmp/gate?address=1&key=file:keys.ring"
    Needs libosdp (the extra osdp).

    Exit codes: 225 for a line or file that cannot be used, 36 without libosdp.
    """
    try:
        card = bytes.fromhex(uid)
    except ValueError:
        card = b""
    if not 1 <= len(card) <= 16:
        raise click.BadParameter("A UID has 1 to 16 bytes, in hex.", param_hint="--uid")
    receiver: Receiver = FixedFirmware()
    if flash is not None:
        stored = FlashFile(flash)
        receiver = BoardReceiver(Board(stored, stored.fuses))
    device = OsdpPeripheral(
        PeripheralIdentity(number=address, serial=serial),
        KeyStore(path=key),
        receiver,
        install_mode=install_mode,
        say=click.echo,
    )
    if isinstance(receiver, BoardReceiver) and receiver.version == (0, 0, 0):
        raise InputError("simreader.flash", file=flash, what="no firmware in it starts")
    actions = {"SIGUSR1": lambda: device.read_card(card), "SIGUSR2": device.restart}
    host(device, line, "osdp", actions)
