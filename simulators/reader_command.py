"""``tegata sim reader``: simulated readers on a serial line that any program can open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import gemcore_command
from .devices.picc import Picc
from .devices.picc_activation import Modulation, face_of
from .devices.pn532 import Pn532
from .reader_host import LineOptions, held_card, host, line_options, trace_option

__all__ = ["reader"]


class _HexType(click.ParamType[bytes]):
    name = "hex"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        try:
            return value if isinstance(value, bytes) else bytes.fromhex(value)
        except ValueError:
            self.fail(f"{value!r} is not hexadecimal.", param, ctx)


@click.group()
def reader() -> None:
    """Simulate a reader on a serial line, with a simulated card in it, until Ctrl-C.

    The name of the line is printed first; give it to any program that drives such a reader. SIGUSR1 takes
    the card away, SIGUSR2 puts it back.
    """


@reader.command()
@click.argument("card", metavar="PRESET|FILE")
@click.option(
    "--type",
    "kind",
    type=click.Choice([kind.value for kind in Modulation]),
    help="Type A or B of ISO 14443; without it what the card's contactless ATR says.",
)
@click.option(
    "--uid",
    type=_HexType(),
    metavar="HEX",
    help="The UID of 4, 7 or 10 bytes (type A) or the PUPI of 4 (type B); without it a random one each time.",
)
@line_options
@trace_option
def pn532(card: str, kind: str | None, uid: bytes | None, line: LineOptions, trace: Path | None) -> None:
    """A PN532 on its high speed UART, with a contactless card over its antenna.

    \b
    tegata sim reader pn532 my-number-card --line /tmp/pn532
    LIBNFC_DEVICE=pn532_uart:/tmp/pn532 nfc-list -v
    """
    with held_card(card, "contactless", trace) as held:
        try:
            face = face_of(held.link.atr, Modulation(kind) if kind else None, uid)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--uid") from None
        picc = Picc(held.link, face, tear=held.tear)
        try:
            host(Pn532(picc), line, "pn532", {"SIGUSR1": picc.take_away, "SIGUSR2": picc.put_back})
        finally:
            picc.close()


for _command in gemcore_command.COMMANDS:
    reader.add_command(_command)
