"""``tegata readers share``: any reader becomes a PC/SC reader, or a serial one, for everything else."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from ...apdu.errors import ReaderError, language
from ...apdu.ports import Reader, open_reader
from ...apdu.trace import trace_file
from ..frames.vpcd import PORT
from .recorded import RecordingReader
from .serving import OPEN_DRIVER, Announcer, serve_vpcd
from .steady import SteadyReader
from .vpcd import parse_address

__all__ = ["share"]

_BACK = {"en": "The reader {name} is back.", "ja": "リーダー {name} が戻りました。"}


@click.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option(
    "--as",
    "shape",
    type=click.Choice(["vpcd"]),
    required=True,
    help="vpcd: a card in the virtual reader of a pcscd.",
)
@click.option(
    "--at",
    "place",
    help=f"vpcd: HOST:PORT of the virtual reader (127.0.0.1:{PORT}).",
)
@click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the APDUs to this file; PINs, keys and protected data are masked.",
)
def share(urls: tuple[str, ...], shape: str, place: str | None, trace: Path | None) -> None:
    """Show the card on the reader URL to other programs, until Ctrl-C.

    \b
    A five-dollar PN532 board becomes a PC/SC reader, in which OpenSC reads a My Number Card:
      tegata readers share pn532:/dev/ttyUSB0 --as vpcd
    The card is held exclusively. It is reset, its field or power really off, whenever the other side
    switches it off or resets it, so that no PIN stays verified. A card that is taken away is gone for a
    second at least. A reader whose line was lost is opened again. SIGUSR1 takes the card out, SIGUSR2 puts
    it back.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(_Open(url)).reader for url in urls]
        if trace is not None:
            stream = stack.enter_context(trace_file(trace))
            readers = [RecordingReader(reader, stream) for reader in readers]
        _as_vpcd(readers, place or f"127.0.0.1:{PORT}")


def _as_vpcd(readers: list[Reader], place: str) -> None:
    if len(readers) != 1:
        raise click.UsageError("The virtual reader takes one card: give one URL.")
    host, port = parse_address(place)
    _say(OPEN_DRIVER[language()])
    serve_vpcd(readers[0], host, port, Announcer(place, _say))


class _Open:
    """A reader that is opened anew when its line was lost, and closed at the end."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.reader: Reader = SteadyReader(lambda: open_reader(url), self._tell)

    def _tell(self, error: ReaderError | None) -> None:
        _say(error.sentence() if error else _BACK[language()].format(name=self._url))

    def __enter__(self) -> _Open:
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)
