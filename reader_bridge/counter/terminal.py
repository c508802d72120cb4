"""What the commands around a My Number Card share: options, prompts, lines of output, files of one's own.

A PIN is typed hidden, at a terminal; on the command line it is taken for simulated cards only. A check number
is printed on the face of the card: it is seen while it is typed, and wiped from the screen afterwards.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from ...apdu.authenticity import Check
from ...apdu.errors import InputError, Words, language
from ...apdu.pin import UNLIMITED, PinReference
from ...apdu.secret import Secret
from .holder import Ask, Place

__all__ = [
    "anchors_option",
    "asker",
    "check_line",
    "confirm",
    "json_option",
    "place_options",
    "pin_options",
    "print_json",
    "say",
    "show",
    "typed",
    "warn",
    "write_private",
]

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, path_type=Path)
CHECK_NUMBERS = ("text-a", "text-b", "visual-a", "visual-b")
ERASE_LINE = "\x1b[1A\x1b[2K"

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
anchors_option = click.option(
    "--anchors",
    multiple=True,
    metavar="FOLDER|sim",
    help="Whom to believe: a folder of issuers' keys that you trust, or sim for simulated cards. Repeatable.",
)


def place_options(command: Command) -> Command:
    """``--reader``, ``--timeout``, ``--trace``, gathered by :func:`tegata.reader_bridge.counter.Place`."""
    options = (
        click.option("--trace", type=FILE, help="Add a recording here; PINs and personal data are left out."),
        click.option("--timeout", default=30.0, show_default=True, help="Seconds to wait for a card."),
        click.option(
            "--reader",
            "url",
            envvar="TEGATA_READER",
            required=True,
            metavar="URL",
            help="pcsc:NAME, or sim:FILE for a simulated card.  (also: TEGATA_READER)",
        ),
    )
    for option in options:
        command = option(command)
    return command


def pin_options(command: Command) -> Command:
    """``--pin`` (simulated cards only) and ``--last-try``."""
    options = (
        click.option("--last-try", is_flag=True, help="Spend the last try, after being told that it is."),
        click.option("--pin", "value", metavar="PIN", help="For simulated cards only; else it is asked for."),
    )
    for option in options:
        command = option(command)
    return command


def asker(place: Place, value: str | None, option: str = "--pin") -> Ask:
    """How this command gets a PIN. Raises InputError ``input.secret_on_command_line`` before any card is
    touched, when one was given for a real one."""
    if value is None:
        return AtTerminal()
    if not place.simulated:
        raise InputError("input.secret_on_command_line", command=option)
    given = value
    return lambda pin, left: _secret(given, pin)


class AtTerminal:
    """The person at the terminal, or at the PIN pad of the reader beside it."""

    def __call__(self, pin: PinReference, left: int) -> Secret:
        return typed(pin, left)

    def announce(self, pin: PinReference, left: int) -> None:
        """Say what to type on the reader, and how many tries are left."""
        _tell_tries(left)
        name = pin.rule.name
        warn(Words(f"Type the {name} on the reader.", f"リーダーで{name.ja}を入力してください。"))


def typed(pin: PinReference, left: int | None, *, again: bool = False) -> Secret:
    """Ask the person at the terminal. ``left``: tries to tell of; ``again``: ask twice, for a new PIN.

    Raises InputError ``counter.nobody_to_ask`` without a terminal.
    """
    if not sys.stdin.isatty():
        raise InputError("counter.nobody_to_ask", pin=pin.rule.name)
    _tell_tries(left)
    face = pin.key in CHECK_NUMBERS
    text: str = click.prompt(pin.rule.name, hide_input=not face, confirmation_prompt=again, err=True)
    if face and sys.stderr.isatty():
        click.echo(ERASE_LINE, nl=False, err=True)
    return _secret(text, pin)


def _tell_tries(left: int | None) -> None:
    if left is not None and left != UNLIMITED:
        warn(Words(f"{left} tries are left.", f"残り {left} 回です。"))


def _secret(text: str, pin: PinReference) -> Secret:
    try:
        return Secret.from_text(text)
    except ValueError:
        raise InputError("pin.format", pin=pin.rule.name, rule=pin.rule.rule) from None


def confirm(what: Words, *, yes: bool) -> None:
    """Say ``what`` and go on when a person agrees, or agreed before (``yes``).

    Raises InputError ``counter.consent`` without a terminal, click.Abort for a no.
    """
    warn(what)
    if yes:
        return
    if not sys.stdin.isatty():
        detail = Words(what.rstrip("."), what.ja.rstrip("。"))
        raise InputError("counter.consent", what=detail)
    click.confirm(Words("Go on?", "続けますか?").in_language(language()), abort=True, err=True)


def say(words: Words) -> None:
    """One line on standard output."""
    click.echo(words.in_language(language()))


def warn(words: Words) -> None:
    """One line on standard error."""
    click.echo(words.in_language(language()), err=True)


def show(lines: Iterable[tuple[Words, object]]) -> None:
    """``label: value`` lines; what is None is left out."""
    lang = language()
    for label, value in lines:
        if value is not None:
            text = value.in_language(lang) if isinstance(value, Words) else str(value)
            click.echo(f"{label.in_language(lang)}: {text}")


def check_line(check: Check, names: Mapping[str, Words]) -> tuple[Words, object]:
    """A check as a line of :func:`show`."""
    return names.get(check.what, Words(check.what, check.what)), check.sentence(language())


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner reads.

    Raises InputError ``input.exists`` (it is never overwritten) and ``counter.write``.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except FileExistsError:
        raise InputError("input.exists", path=str(path)) from None
    except OSError as error:
        raise InputError("counter.write", path=str(path), what=error.strerror) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
