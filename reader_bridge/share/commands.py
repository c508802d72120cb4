"""``tegata readers share``: any reader becomes a PC/SC reader, or a serial one, for everything else."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from pathlib import Path

import click

from ...apdu.errors import ReaderError, language
from ...apdu.ports import Reader, open_reader
from ...apdu.trace import trace_file
from ..frames.vpcd import PORT
from .gemcore import GEMCORE_POS_PRO, GEMPC_TWIN
from .line import PtyLine, TcpLine, is_loopback
from .recorded import RecordingReader
from .serial_reader import SharedSerialReader
from .serving import OPEN_DRIVER, Announcer, serve_line, serve_vpcd
from .steady import SteadyReader
from .vpcd import parse_address

__all__ = ["share"]

_DRIVER = {
    "en": "For pcscd's reader.conf.d: DEVICENAME {path}:{name}, LIBPATH …/serial/libccidtwin.so; start pcscd "
    "while this runs.",
    "ja": "pcscd の reader.conf.d には DEVICENAME {path}:{name}、LIBPATH …/serial/libccidtwin.so と書き、"
    "これが動いている間に pcscd を起動してください。",
}
_NEAR = {
    "en": "tegata reads it as gemcore:{url}",
    "ja": "tegata からは gemcore:{url} として使えます。",
}
_BACK = {"en": "The reader {name} is back.", "ja": "リーダー {name} が戻りました。"}


@click.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option(
    "--as",
    "shape",
    type=click.Choice(["vpcd", "gemcore", "tcp"]),
    required=True,
    help="vpcd: a card in the virtual reader of a pcscd. gemcore: a GemCore serial reader on a "
    "pseudo-terminal. tcp: the same on a TCP port.",
)
@click.option(
    "--at",
    "place",
    help=f"vpcd: HOST:PORT of the virtual reader (127.0.0.1:{PORT}). gemcore: the name of the "
    "pseudo-terminal. tcp: HOST:PORT to listen on (127.0.0.1:0, a free port).",
)
@click.option("--any-network", is_flag=True, help="Let tcp listen on more than this machine.")
@click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the APDUs to this file; PINs, keys and protected data are masked.",
)
def share(
    urls: tuple[str, ...], shape: str, place: str | None, any_network: bool, trace: Path | None
) -> None:
    """Show the card on the reader URL to other programs, until Ctrl-C.

    \b
    A five-dollar PN532 board becomes a PC/SC reader, in which OpenSC reads a My Number Card:
      tegata readers share pn532:/dev/ttyUSB0 --as vpcd
    The same by pcscd's serial driver, or by a program on another machine (through a tunnel of yours):
      tegata readers share pn532:/dev/ttyUSB0 --as gemcore --at /run/board
      tegata readers share pn532:/dev/ttyUSB0 --as tcp
    Up to five readers are the slots of one GemCore POS Pro, when more than one URL is given.

    The card is held exclusively. It is reset, its field or power really off, whenever the other side
    switches it off, resets it or ends its connection, so that no PIN stays verified; that a program closes
    a pseudo-terminal does not show: it must switch the card off, as pcscd does. A card that is taken away
    is gone for a second at least. A reader whose line was lost is opened again. SIGUSR1 takes the card out,
    SIGUSR2 puts it back.

    Exit codes: 135 for an address that is none, 28 for a line that cannot be opened or made.
    """
    if shape == "vpcd" and len(urls) > 1:
        raise click.UsageError("The virtual reader takes one card: give one URL.")
    if len(urls) > GEMCORE_POS_PRO.slots:
        raise click.UsageError(f"A reader has {GEMCORE_POS_PRO.slots} slots at most: give no more URLs.")
    if shape == "gemcore" and place is None:
        raise click.UsageError("Give --at PATH: pcscd wants a steady name for the serial line.")
    with ExitStack() as stack:
        readers = [stack.enter_context(_Open(url)).reader for url in urls]
        if trace is not None:
            stream = stack.enter_context(trace_file(trace))
            readers = [RecordingReader(reader, stream) for reader in readers]
        if shape == "vpcd":
            _as_vpcd(readers[0], place or f"127.0.0.1:{PORT}")
        else:
            _as_serial(readers, shape, place or "127.0.0.1:0", any_network)


def _as_vpcd(reader: Reader, place: str) -> None:
    host, port = parse_address(place)
    _say(OPEN_DRIVER[language()])
    serve_vpcd(reader, host, port, Announcer(place, _say))


def _as_serial(readers: list[Reader], shape: str, place: str, any_network: bool) -> None:
    model = GEMPC_TWIN if len(readers) == 1 else GEMCORE_POS_PRO
    with (
        closing(SharedSerialReader(model, readers)) as shared,
        _line(shared, shape, place, any_network) as line,
    ):
        if isinstance(line, TcpLine):
            click.echo(line.url)
            _say(_NEAR[language()].format(url=line.url))
        else:
            click.echo(line.path)
            _say(_DRIVER[language()].format(path=line.path.absolute(), name=model.driver_name))
        serve_line(shared, line)


def _line(shared: SharedSerialReader, shape: str, place: str, any_network: bool) -> PtyLine | TcpLine:
    try:
        if shape == "tcp":
            host, port = parse_address(place, free=True)
            if not any_network and not is_loopback(host):
                raise ReaderError("share.network", address=place)
            return TcpLine(shared, host, port)
        if sys.platform == "win32":
            raise ReaderError("share.pty")
        return PtyLine(shared, Path(place))
    except OSError as error:
        raise ReaderError("line.open", line=place, what=error.strerror or str(error)) from None


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
