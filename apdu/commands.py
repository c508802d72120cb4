"""``tegata apdu``: send APDUs by hand, one by one or in a small shell that says what they mean."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from .errors import TegataError
from .ports import Link, open_reader
from .session import HandSession, parse_hex, refuse_secret
from .trace import RecordingLink, trace_file

__all__ = ["apdu"]

_reader = click.option(
    "--reader",
    "url",
    envvar="TEGATA_READER",
    required=True,
    metavar="URL",
    help="Reader: sim:FILE, pcsc:NAME, …  (also: TEGATA_READER)",
)
_trace = click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a recording here; PINs, keys and personal data are left out.",
)
_timeout = click.option(
    "--timeout", default=10.0, show_default=True, help="Seconds to wait until a card is there."
)
_raw = click.option(
    "--raw", is_flag=True, help="Send the bytes as they are: no GET RESPONSE, malformed ones too."
)


@click.group()
def apdu() -> None:
    """Send APDUs by hand and read what they mean.

    \b
      tegata sim new company-card card.sim
      tegata apdu send  --reader sim:card.sim 00A4040008A00000015100000000 80CA9F7F00
      tegata apdu shell --reader sim:card.sim

    PINs and keys are sent by hand to simulated cards only.
    """


@apdu.command()
@_reader
@_trace
@_timeout
@_raw
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array of all exchanges.")
@click.argument("commands", nargs=-1, metavar="[HEX]...")
def send(
    url: str, trace: Path | None, timeout: float, raw: bool, as_json: bool, commands: tuple[str, ...]
) -> None:
    """Send command APDUs in hex, from the arguments or, without any, line by line from standard input.

    \b
    An answer longer than one APDU is fetched and shown whole, unless --raw is given.
    The exit code is 0 when every command was answered, whatever its status word.
    """
    lines = commands or _lines(sys.stdin)
    # All of it is read and checked before the card is touched.
    wanted = [parse_hex(line) for line in lines]
    for command in wanted:
        refuse_secret(command, simulated=_is_simulated(url))
    exchanges = []
    with _session(url, trace, timeout, raw) as session:
        for command in wanted:
            exchange = session.send(command)
            exchanges.append(exchange.to_json())
            if not as_json:
                click.echo("\n".join(exchange.lines))
    if as_json:
        click.echo(json.dumps(exchanges, indent=2))


@apdu.command()
@_reader
@_trace
@_timeout
@_raw
def shell(url: str, trace: Path | None, timeout: float, raw: bool) -> None:
    """A small shell: type APDUs in hex, or "select NAME", "atr", "reset", "help", "quit".

    Reads standard input, so it works from a pipe too. Mistakes are said and the shell goes on.
    """
    with _session(url, trace, timeout, raw) as session:
        for line in _typed():
            if line.strip().casefold() in ("quit", "exit"):
                break
            try:
                for text in session.line(line):
                    click.echo(text)
            except TegataError as error:
                click.echo(str(error), err=True)


@contextmanager
def _session(url: str, trace: Path | None, timeout: float, raw: bool) -> Iterator[HandSession]:
    with ExitStack() as stack:
        reader = open_reader(url)
        stack.callback(reader.close)
        link: Link = reader.wait_for_card(timeout)
        stack.callback(link.close)
        if trace is not None:
            link = RecordingLink(link, stack.enter_context(trace_file(trace)))
        stack.enter_context(link.exclusive())
        yield HandSession(link, simulated=_is_simulated(url), raw=raw)


def _is_simulated(url: str) -> bool:
    return url.startswith("sim:")


def _lines(source: Iterable[str]) -> list[str]:
    return [line for line in map(str.strip, source) if line and not line.startswith("#")]


def _typed() -> Iterator[str]:
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        try:
            yield input("apdu> ")
        except EOFError:
            click.echo()
            return
