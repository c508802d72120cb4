"""The ``tegata`` command: its name, its lazy table of subcommands, and how an error leaves the program.

Subcommands are imported only when they are called, so that ``tegata --help`` is quick and a missing
optional driver breaks the one command that needs it. Floor 4 of the house: imports everything, is imported
by nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, NamedTuple

import click

from .apdu.errors import LANGUAGES, TegataError, language, set_language

__all__ = ["SUBCOMMANDS", "Subcommand", "cli", "main"]


class Subcommand(NamedTuple):
    """Where a subcommand lives (``module:attribute`` below ``tegata``) and its line in ``tegata --help``."""

    target: str
    summary: str


SUBCOMMANDS: Final = {
    "demo": Subcommand("provisioning.demo.commands:demo", "Roster to badges to a signed PDF, simulated."),
    "roster": Subcommand("provisioning.commands:roster", "Read employees from an HR export."),
    "orders": Subcommand("provisioning.commands:orders", "Badges to be made: list, create, follow."),
    "badge": Subcommand("provisioning.issuance.commands:badge", "Plan, write, check and read one badge."),
    "keyring": Subcommand(
        "provisioning.keyring.commands:keyring", "Make and keep the keys behind the badges."
    ),
    "ca": Subcommand("provisioning.commands:ca", "The company CA: certificates, revocation, CRL."),
    "gp": Subcommand("applets.security_domain.commands:gp", "Manage applets, domains and keys of any card."),
    "mynumber": Subcommand("applets.commands:mynumber", "Read, check and sign with a My Number Card."),
    "bridge": Subcommand("reader_bridge.commands:bridge", "Serve logins and signatures to portals."),
    "portal": Subcommand("reader_bridge.commands:portal", "Register the portals that may ask the bridge."),
    "readers": Subcommand("reader_bridge.readers.commands:readers", "Card readers: list, watch, examine."),
    "firmware": Subcommand(
        "reader_bridge.firmware.commands:firmware", "Look after readers: checks, settings, firmware, fleets."
    ),
    "apdu": Subcommand("apdu.commands:apdu", "Send APDUs by hand and read the trace."),
    "sim": Subcommand("simulators.commands:sim", "Make simulated cards and put programs in front of them."),
}

ALIASES: Final = {"reader": "readers"}
"""Other words that people type."""

EXIT_USAGE: Final = 2
EXIT_ABORTED: Final = 130  # 128 + SIGINT, as a shell reports it
EXIT_BROKEN_PIPE: Final = 1
EXIT_SIGNAL: Final = 128  # and the signal's number
_ENDING: Final = ("SIGTERM", "SIGHUP")
_STOPPED: Final = {"en": "Stopped.", "ja": "中断しました。"}


class _EndedBySignal(SystemExit):
    """The program is told to end. It unwinds, so that no card stays powered with its PIN verified. (A
    SystemExit, since that is what passes through the callbacks of an event loop.)"""

    def __init__(self, number: int) -> None:
        super().__init__(EXIT_SIGNAL + number)
        self.number = number


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """While the context lasts, SIGTERM and SIGHUP raise _EndedBySignal, unless somebody else handles them or
    they are ignored (``nohup``). Commands that serve set handlers of their own."""
    former = {}
    if threading.current_thread() is threading.main_thread():
        for name in _ENDING:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                former[number] = signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    """Once: a second signal would cut off the unwinding, and leave the card as it is."""
    for name in _ENDING:
        if (other := getattr(signal, name, None)) is not None and signal.getsignal(other) is _end:
            signal.signal(other, signal.SIG_IGN)
    raise _EndedBySignal(number)


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is called, and takes its help line from the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        subcommand = SUBCOMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if subcommand is None:
            return None
        module, _, attribute = subcommand.target.partition(":")
        command = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{subcommand.target} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in SUBCOMMANDS.items()])


def _choose_language(_ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    set_language(value)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    envvar="TEGATA_LANG",
    is_eager=True,
    expose_value=False,
    callback=_choose_language,
    help="Language of messages (default: the locale).",
)
@click.version_option(package_name="tegata", message="%(prog)s %(version)s")
def cli() -> None:
    """Smart cards from bytes to business: simulated cards, employee badges, signatures for portals.

    \b
    Try it without hardware:
      tegata demo                                       everything once, in a folder of its own
      tegata sim new company-card card.sim              a card in a file
      tegata apdu shell --reader sim:card.sim           talk to it

    Exit codes: 0 done, 1 an error of tegata itself, 2 wrong usage, 10 and above as listed in the reference
    page "Errors", 128 and its number when a signal ended it (130: Ctrl-C).
    """


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the one place where errors become text.

    ``args`` defaults to ``sys.argv[1:]``. A subcommand that returns an int sets the exit code with it.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    try:
        with _ended_by_signals():
            result = cli.main(arguments, prog_name="tegata", standalone_mode=False)
            sys.stdout.flush()
    except _EndedBySignal as ended:
        click.echo(_STOPPED[language()], err=True)
        return EXIT_SIGNAL + ended.number
    except TegataError as error:
        return _report(error, as_json=_wants_json(arguments))
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("\n" + _STOPPED[language()], err=True)
        return EXIT_ABORTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`). What is still buffered would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except Exception as error:  # the outermost frame: nothing is swallowed, a defect gets its sentence
        return _report_defect(error, as_json=_wants_json(arguments))
    return result if type(result) is int else 0


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether ``--json`` was asked of us; what follows ``--`` is asked of another program."""
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in ours


def _report(error: TegataError, *, as_json: bool) -> int:
    """One sentence and the next step on standard error; an object of the same with ``--json``."""
    if as_json:
        problem: dict[str, Any] = {
            "code": error.code,
            "exit_code": error.exit_code,
            "sentence": error.sentence(),
            "next_step": error.next_step(),
            "details": error.details,
        }
        click.echo(json.dumps(problem, ensure_ascii=False, default=str), err=True)
    else:
        click.echo(click.style(error.sentence(), fg="red"), err=True)
        click.echo(error.next_step(), err=True)
    if os.environ.get("TEGATA_DEBUG"):
        traceback.print_exception(error)
    return error.exit_code


def _report_defect(cause: Exception, *, as_json: bool) -> int:
    """An error that is ours: its name, but not its text, which may quote what a person typed."""
    error = TegataError("internal.error", what=type(cause).__name__)
    error.__cause__ = cause
    return _report(error, as_json=as_json)


if __name__ == "__main__":
    sys.exit(main())
