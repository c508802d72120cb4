"""Hosts a simulated reader: the line it hangs on, what signals do to it, and how long it stays.

Everything that the commands of ``tegata sim reader`` share stands here: their options (:func:`line_options`),
the card that is held (:func:`held_card`), and :func:`host`, which runs a firmware until it is stopped.
"""

from __future__ import annotations

import functools
import queue
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from ..apdu.errors import InputError
from ..apdu.ports import Link
from ..apdu.trace import RecordingLink, trace_file
from ..reader_bridge.share.line import PtyLine, TcpLine, is_loopback
from ..reader_bridge.share.signals import signal_actions
from ..reader_bridge.share.wire import Firmware
from .devices.faults import Fault, Faults, parse_fault
from .link import SimulatedReader
from .run import card_file

__all__ = ["HeldCard", "LineOptions", "held_card", "host", "line_options", "trace_option"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

LOOK_SECONDS = 0.2
"""How often a running simulator looks whether its firmware is well and its cable in."""
AWAY_SECONDS = 1.0
"""How long a cable that a fault has pulled stays out."""


@dataclass(frozen=True, slots=True)
class LineOptions:
    """Where a simulated reader hangs: a pseudo-terminal named ``path`` (None: a name of our choice), or the
    TCP address ``tcp``; and the faults of that line."""

    path: Path | None = None
    tcp: tuple[str, int] | None = None
    faults: tuple[Fault, ...] = ()


class _FaultType(click.ParamType[Fault]):
    name = "fault"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fault:
        if isinstance(value, Fault):
            return value
        try:
            return parse_fault(value)
        except ValueError:
            self.fail(
                f"{value!r} is not KIND:DIRECTION:BYTE[:VALUE] with lose, double, corrupt, delay or unplug, "
                "and to-device or to-host.",
                param,
                ctx,
            )


class _AddressType(click.ParamType[tuple[str, int]]):
    name = "address"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, separator, port = value.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not separator or not port.isdecimal() or int(port) > 0xFFFF:
            self.fail(f"{value!r} is not HOST:PORT.", param, ctx)
        return host or "127.0.0.1", int(port)


def line_options(command: _Command) -> _Command:
    """``--line``, ``--tcp``, ``--any-network`` and ``--fault``; the command gets them as ``line``,
    a :class:`LineOptions`."""

    @functools.wraps(command)
    def gathered(
        *args: Any,
        line: Path | None,
        tcp: tuple[str, int] | None,
        any_network: bool,
        fault: tuple[Fault, ...],
        **others: Any,
    ) -> Any:
        if line is not None and tcp is not None:
            raise click.UsageError("Give --line or --tcp, not both.")
        if tcp is not None and not any_network and not is_loopback(tcp[0]):
            raise InputError("simreader.network", address=f"{tcp[0]}:{tcp[1]}")
        return command(*args, line=LineOptions(line, tcp, fault), **others)

    decorated: Any = gathered
    for option in _OPTIONS:
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return] # towards click the signature is the same


_OPTIONS = (
    click.option(
        "--fault",
        multiple=True,
        type=_FaultType(),
        metavar="KIND:DIRECTION:BYTE",
        help="Spoil one byte of the line, counted from 0, once: KIND is lose, double, corrupt[:MASK], "
        "delay[:SECONDS] or unplug, DIRECTION to-device or to-host. May be given several times.",
    ),
    click.option("--any-network", is_flag=True, help="Let --tcp listen on more than this machine."),
    click.option(
        "--tcp",
        type=_AddressType(),
        metavar="HOST:PORT",
        help="A TCP port instead of a pseudo-terminal; port 0 takes a free one.",
    ),
    click.option(
        "--line",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="The name of the pseudo-terminal; without it a name in a temporary folder.",
    ),
)

trace_option = click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the APDUs to this file; PINs, keys and protected data are masked.",
)


@dataclass(frozen=True, slots=True)
class HeldCard:
    """A simulated card for a reader: its Link, and ``tear``, which takes the power away in the middle of
    whatever the card does, from any thread. ``reset`` of the Link powers it up again."""

    link: Link
    tear: Callable[[], None]


@contextmanager
def held_card(card: str, interface: str, trace: Path | None = None) -> Iterator[HeldCard]:
    """The card in the file, or of the preset, ``card``; ``interface`` is ``contact`` or ``contactless``.

    A preset's card is thrown away at the end. Raises InputError ``share.preset`` and ``cardfile.*``.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tegata-")))
        reader = SimulatedReader(card_file(card, folder), contactless=interface == "contactless")
        stack.callback(reader.close)
        link: Link = reader.wait_for_card()
        if trace is not None:
            link = RecordingLink(link, stack.enter_context(trace_file(trace)))
        yield HeldCard(link, reader.card.tear)


def host(
    firmware: Firmware,
    line: LineOptions,
    model: str,
    actions: Mapping[str, Callable[[], None]] | None = None,
    *,
    say: Callable[[str], None] = click.echo,
) -> None:
    """Run ``firmware`` until SIGINT, SIGTERM or SIGHUP; says the line's name when programs may open it.

    ``actions`` are called, in this thread, for signals by name (``SIGUSR1``), where the system has them. A
    cable that a fault has pulled is put back after a second. Raises InputError ``simreader.line`` when the
    line cannot be made.
    """
    events: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
    wanted = {name: functools.partial(events.put, action) for name, action in (actions or {}).items()}
    wanted |= dict.fromkeys(("SIGINT", "SIGTERM", "SIGHUP"), functools.partial(events.put, None))
    with signal_actions(wanted), _open(firmware, line, model) as (running, name):
        say(name)
        while (action := _next(events, running)) is not None:
            action()


@contextmanager
def _open(firmware: Firmware, line: LineOptions, model: str) -> Iterator[tuple[PtyLine | TcpLine, str]]:
    with tempfile.TemporaryDirectory(prefix="tegata-") as folder:
        path = line.path or Path(folder) / model
        faults = Faults(line.faults)
        running: PtyLine | TcpLine
        try:
            if line.tcp is not None:
                running = TcpLine(firmware, *line.tcp, faults=faults)
            elif sys.platform == "win32":
                raise InputError("simreader.pty")
            else:
                running = PtyLine(firmware, path, faults)
        except OSError as error:
            where = f"{line.tcp[0]}:{line.tcp[1]}" if line.tcp else path
            raise InputError("simreader.line", line=where, what=error.strerror or str(error)) from None
        with running:
            yield running, running.url if isinstance(running, TcpLine) else str(path)


def _next(
    events: queue.SimpleQueue[Callable[[], None] | None], running: PtyLine | TcpLine
) -> Callable[[], None] | None:
    """What the next signal asks for; None is the end. Meanwhile the line is looked after."""
    while True:
        try:
            return events.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            if running.failure is not None:
                raise running.failure from None
            if isinstance(running, PtyLine) and not running.plugged:
                time.sleep(AWAY_SECONDS)
                running.replug()
