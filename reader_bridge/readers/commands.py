"""``tegata readers``: which readers there are, and what stands in other rooms but is said of readers."""

from __future__ import annotations

import json
from importlib import import_module

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...apdu.contactless import ContactlessAtr
from ...apdu.devices import open_device
from ...apdu.errors import ReaderError, Words, language
from .pcsc import list_readers
from .pcsc_watcher import Change, Kind, PcscWatcher
from .printable import printable

__all__ = ["readers"]

ELSEWHERE = {
    "doctor": "readers.doctor.commands",
    "osdp-install": "readers.osdp.commands",
    "share": "share.commands",
}
"""Commands of other packages: name to module below ``reader_bridge``. The function has the name, too, with
``_`` for ``-``."""
_WORDS = {
    "en": {"reader": "Reader", "card": "Card", "none": "no card"},
    "ja": {"reader": "リーダー", "card": "カード", "none": "カードなし"},
}
_CHANGES = {
    Kind.SERVICE_CAME: Words("The PC/SC service is there.", "PC/SC サービスが動いています。"),
    Kind.SERVICE_WENT: Words("The PC/SC service is not there.", "PC/SC サービスが動いていません。"),
    Kind.READER_CAME: Words("Reader: {reader}", "リーダー接続: {reader}"),
    Kind.READER_WENT: Words("Reader gone: {reader}", "リーダー切断: {reader}"),
    Kind.CARD_CAME: Words("Card on {reader}: {atr}", "カード検出 {reader}: {atr}"),
    Kind.CARD_WENT: Words("Card taken from {reader}", "カードなし {reader}"),
    Kind.MISSED: Words("Some changes were missed; there is now:", "変化を見落としました。現在の状態:"),
}

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")


class _WithElsewhere(click.Group):
    """Loads the commands that stand in other packages when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = ELSEWHERE.get(cmd_name)
        if module is None:
            return super().get_command(ctx, cmd_name)
        root = __package__.rpartition(".")[0]
        command = getattr(import_module(f"{root}.{module}"), cmd_name.replace("-", "_"))
        return command if isinstance(command, click.Command) else None


@click.group(cls=_WithElsewhere, invoke_without_command=True)
@_json
@click.pass_context
def readers(context: click.Context, as_json: bool) -> None:
    """List card readers, and help with them. Alone it does what list does.

    \b
    Readers of the PC/SC service and whether a card lies on each. Their names are what other commands take
    after pcsc:, whole or an unambiguous part:
      tegata bridge serve --reader "pcsc:Identiv"
    A simulated card needs no reader; its file is named instead (sim:card.sim).

    Exit codes: 31 without a reader or PC/SC service, 36 without the driver.
    """
    if context.invoked_subcommand is None:
        _print_list(as_json)


@readers.command("list")
@_json
def list_command(as_json: bool) -> None:
    """List the PC/SC readers and whether a card lies on each.

    Exit codes: 31 without a reader or PC/SC service, 36 without the driver.
    """
    _print_list(as_json)


@readers.command()
@click.option(
    "--seconds", type=click.FloatRange(min=0), metavar="N", help="End after N seconds (default: at Ctrl-C)."
)
@_json
def watch(seconds: float | None, as_json: bool) -> None:
    """Tell what comes and goes: readers, cards with their ATR, and the PC/SC service itself.

    \b
    It begins with what is there, one line each; with --json one object a line:
      {"event": "card-came", "reader": "…", "atr": "3b…"}
    Events: service-came, service-went, reader-came, reader-went, card-came, card-went, and missed when
    nobody took them away for so long that some were dropped; everything that is there is told again then.
    It outlives a service that stops or is restarted, and readers that are plugged out and in.

    Exit code: 36 without the driver.
    """
    with PcscWatcher() as watcher:
        for change in watcher.events(seconds):
            click.echo(json.dumps(change.to_json()) if as_json else _told(change))


@readers.command()
@click.argument("url", default="pcsc:", metavar="[URL]")
@_json
def info(url: str, as_json: bool) -> None:
    """Tell what a reader says of itself: model, firmware, what it can do, its longest APDUs.

    \b
      tegata readers info pcsc:Gemalto
      tegata readers info gemcore:/dev/ttyUSB0
    Without URL it is the first reader of the PC/SC service. Nothing in the reader is altered, and no card is
    powered or spoken to.

    Exit codes: 31, 32, 34 and 36 a PC/SC reader, 28 and 29 a serial line, 175 no such kind of device.
    """
    device = open_device(url)
    try:
        identity = device.identity()
    finally:
        device.close()
    if as_json:
        click.echo(json.dumps(identity.to_json(), ensure_ascii=False))
        return
    for name, value in identity.to_json().items():
        shown = ", ".join(value) if isinstance(value, list) else str(value)
        if value and name != "updatable":
            click.echo(f"{name.replace('_', ' ')}: {shown}")
    if identity.why:
        click.echo(identity.why.in_language(language()))


def _told(change: Change) -> str:
    sentence = _CHANGES[change.kind].in_language(language())
    return sentence.format(reader=printable(change.reader), atr=change.atr.hex(" ").upper())


def _contactless(atr: bytes) -> str:
    """What a reader says of a contactless card by the ATR that it makes up; nothing for a contact card."""
    found = ContactlessAtr.parse(atr)
    return found.label if found else ""


def _print_list(as_json: bool) -> None:
    found = list_readers()
    if as_json:
        lines = [
            {
                "name": item.reader,
                "card": item.present,
                "atr": item.atr.hex(),
                "contactless": _contactless(item.atr),
            }
            for item in found
        ]
        click.echo(json.dumps(lines))
        return
    if not found:
        raise ReaderError("reader.none")
    words = _WORDS[language()]
    table = Table(words["reader"], words["card"], "")
    for item in found:
        shown = item.atr.hex(" ").upper() if item.present else words["none"]
        # As Text: "[uTrust 3700 F]" in a name is no markup of rich.
        table.add_row(Text(f"pcsc:{printable(item.reader)}"), shown, _contactless(item.atr))
    Console().print(table)
