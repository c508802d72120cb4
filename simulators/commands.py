"""``tegata sim``: make simulated cards, and put programs that know nothing of tegata in front of them."""

from __future__ import annotations

from pathlib import Path

import click

from ..apdu.errors import InputError, language
from ..reader_bridge.frames.vpcd import PORT
from ..reader_bridge.share.serving import OPEN_DRIVER, Announcer, serve_vpcd
from ..reader_bridge.share.vpcd import parse_address
from . import personas, presets
from .cap_command import cap
from .firmware_command import firmware, smp
from .osdp_command import osdp
from .pki_commands import pki
from .reader_command import reader
from .run import card_reader, run_with_card
from .scp11_command import scp11

__all__ = ["sim"]

_interface = click.option(
    "--interface",
    type=click.Choice(["contact", "contactless"]),
    default="contactless",
    show_default=True,
    help="How the card is reached; some cards allow less without contacts.",
)
_trace = click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the APDUs to this file; PINs, keys and protected data are masked.",
)


class _WithPresets(click.Command):
    """Lists the presets below the options, in their own words."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Presets"):
            formatter.write_dl(list(presets.names().items()))


@click.group()
def sim() -> None:
    """Make simulated cards and put programs in front of them.

    \b
    A card in a file, then any PC/SC program in front of it, without root, daemon or driver:
      tegata sim new my-number-card card.sim
      tegata sim run card.sim -- opensc-tool --name
    A card that is thrown away afterwards:
      tegata sim run my-number-card -- pkcs11-tool --list-objects
    In a real pcscd with the vpcd driver:
      tegata sim serve card.sim
    A reader on a serial line, with a card in it or firmware to update:
      tegata sim reader pn532 card.sim --line board
    """


@sim.command(cls=_WithPresets)
@click.argument("words", nargs=-1, metavar="[PRESET] FILE")
@click.option(
    "--persona",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A TOML file that describes the holder and the card, instead of a preset; see tegata sim persona.",
)
@click.option(
    "--quirks",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A JSON file of switches for what is not known of real cards, as tegata mynumber probe writes it.",
)
@click.option("--seed", type=int, help="Make the same card each time (for tests).")
def new(words: tuple[str, ...], persona: Path | None, quirks: Path | None, seed: int | None) -> None:
    """Make a simulated card in FILE. A file that exists is never overwritten.

    \b
    tegata sim new my-number-card card.sim
    tegata sim new --persona person.toml card.sim
    """
    if len(words) != (1 if persona else 2):
        raise click.UsageError("Give a preset and a file, or --persona and a file.")
    file = Path(words[-1])
    if file.exists():  # before the work of making keys
        raise InputError("cardfile.exists", file=file)
    switches = presets.read_quirks(quirks) if quirks else {}
    memory = presets.persona_memory(persona, seed) if persona else presets.memory(words[0], seed)
    presets.write(file, presets.with_quirks(memory, switches))
    click.echo(file)


@sim.command()
def persona() -> None:
    """Print a persona file with every entry explained, to begin with."""
    click.echo(personas.text("example"), nl=False)


@sim.command(cls=_WithPresets)
@click.argument("card", metavar="PRESET|FILE")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- PROGRAM...")
@_interface
@_trace
def run(card: str, program: tuple[str, ...], interface: str, trace: Path | None) -> int:
    """Run PROGRAM with a simulated card in its reader, as an ordinary user.

    Every program that uses libpcsclite works. With a preset the card is made for this run and thrown away
    after it; with a file, what the program does to the card stays.

    The exit code is the program's own, or 128 and the signal that ended it.
    """
    return run_with_card(card, program, interface=interface, trace=trace)


@sim.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--vpcd", default=f"127.0.0.1:{PORT}", show_default=True, metavar="HOST:PORT", help="The vpcd slot."
)
@_interface
@_trace
def serve(file: Path, vpcd: str, interface: str, trace: Path | None) -> None:
    """Put the card in FILE into the reader of a real pcscd, through its vpcd driver, until Ctrl-C.

    The card is put in again whenever pcscd is started again. SIGUSR1 takes it out of the reader, SIGUSR2
    puts it back.
    """
    host, port = parse_address(vpcd)
    with card_reader(file, interface, trace) as reader:
        click.echo(OPEN_DRIVER[language()], err=True)
        serve_vpcd(reader, host, port, Announcer(vpcd, lambda sentence: click.echo(sentence, err=True)))


sim.add_command(cap)
sim.add_command(firmware)
sim.add_command(pki)
sim.add_command(reader)
reader.add_command(smp)
reader.add_command(osdp)
sim.add_command(scp11)
