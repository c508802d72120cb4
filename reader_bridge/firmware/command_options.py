"""What the verbs of ``tegata firmware`` share: their place on the disk, options, progress and tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from ...apdu.devices import DeviceIdentity
from ...apdu.errors import Words, language
from .compatibility import Compatibility
from .image import Keys
from .inventory import read_devices
from .journal import Goal, Journal
from .update import Progress as UpdateProgress
from .update import Step

__all__ = [
    "Place",
    "as_json_option",
    "devices_option",
    "force_option",
    "goal_options",
    "identity_rows",
    "keys_option",
    "print_json",
    "print_table",
    "progress",
    "say",
    "table_option",
    "the_goal",
    "urls_of",
    "wait_option",
]

F = TypeVar("F", bound=Callable[..., Any])

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
devices_option = click.option(
    "--devices",
    "lists",
    multiple=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A list of devices: one URL a line, # begins a remark. Repeatable.",
)
keys_option = click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Public key (PEM) whose signature counts (default: firmware/keys/*.pem in TEGATA_HOME). Repeatable.",
)
table_option = click.option(
    "--compatibility",
    "table",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A compatibility table of your own, read before tegata's "
    "(default: firmware/compatibility.toml in TEGATA_HOME, where it is).",
)
force_option = click.option(
    "--force",
    is_flag=True,
    help="Override what the compatibility table says; never signature, hardware id, version order or size.",
)

wait_option = click.option(
    "--wait",
    "seconds",
    type=click.FloatRange(0.1, 3600),
    default=60.0,
    show_default=True,
    help="Seconds that a device may take to come back from a restart.",
)

_STEPS = {
    Step.UPLOAD: Words("Uploading", "転送"),
    Step.MARK: Words("Marking the image for one run", "試用の指定"),
    Step.RESTART: Words("Restarting, waiting for the device", "再起動を待っています"),
    Step.CONFIRM: Words("Confirming", "確定"),
    Step.LEAVE: Words("On trial", "試用中"),
    Step.FINISH: Words("Done", "完了"),
}


def goal_options(command: F) -> F:
    """``--test`` and ``--confirm``."""
    test = click.option(
        "--test", "goal", flag_value="test", help="Let the image run once; then confirm it or roll back."
    )
    confirm = click.option(
        "--confirm",
        "goal",
        flag_value="confirm",
        help="Let the image stay, once it has started and answered.",
    )
    return test(confirm(command))


def the_goal(goal: str | None, default: Goal | None = None) -> Goal:
    """The goal that was chosen. Raises UsageError for none."""
    if goal is None and default is None:
        raise click.UsageError("Say how it shall end: --test or --confirm.")
    return Goal(goal) if goal else default or Goal.TEST


@dataclass(frozen=True, slots=True)
class Place:
    """Where the companion keeps its files, and how it finds devices on this machine."""

    folder: Path
    find: Callable[[], list[str]]

    def journal(self) -> Journal:
        return Journal(self.folder)

    def keys(self, given: Sequence[Path]) -> Keys:
        """The keys that were given, else those of this installation."""
        return Keys.load(given or sorted((self.folder / "keys").glob("*.pem")))

    def table(self, given: Path | None) -> Compatibility:
        own = self.folder / "compatibility.toml"
        return Compatibility.load(given or (own if own.exists() else None))


def urls_of(urls: Sequence[str], lists: Sequence[Path]) -> list[str]:
    """The devices that a command names, each once."""
    named = [*urls, *(url for path in lists for url in read_devices(path))]
    return list(dict.fromkeys(named))


def say(words: str) -> str:
    """The text in the language of the command line."""
    return words.in_language(language()) if isinstance(words, Words) else words


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*map(say, headings), show_header=any(headings))
    for row in rows:
        table.add_row(*(Text(say(cell)) for cell in row))  # what a device says is no markup
    Console().print(table)


@contextmanager
def progress(as_json: bool) -> Iterator[Callable[[UpdateProgress], None]]:
    """Steps and bytes on standard error, the bytes on a terminal only; nothing with ``--json``."""
    if as_json:
        yield lambda _: None
        return
    console = Console(stderr=True)
    if not console.is_interactive:
        yield lambda now: None if now.total else console.print(say(_STEPS[now.step]))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task: list[TaskID] = []

        def report(now: UpdateProgress) -> None:
            if now.total:
                if not task:
                    task.append(bars.add_task(say(_STEPS[now.step]), total=now.total))
                bars.update(task[0], completed=now.done)
            else:
                bars.console.print(say(_STEPS[now.step]))

        yield report


def identity_rows(identity: DeviceIdentity) -> list[tuple[str, str]]:
    """Name and value of everything that a device says of itself."""
    counter = "" if identity.security_counter is None else str(identity.security_counter)
    rows: list[tuple[str, str]] = [
        (Words("URL", "URL"), identity.url),
        (Words("Model", "機種"), identity.model),
        (Words("Firmware", "ファームウェア"), identity.firmware),
        (Words("Serial number", "製造番号"), identity.serial),
        (Words("Vendor", "製造元"), identity.vendor),
        (Words("Hardware id", "ハードウェア ID"), identity.hardware_id),
        (Words("Security counter", "セキュリティカウンター"), counter),
        (Words("Card slots", "カードスロット"), str(identity.slots or "")),
        (Words("Longest command", "最長コマンド"), str(identity.max_command or "")),
        (Words("Longest response", "最長レスポンス"), str(identity.max_response or "")),
        (Words("Features", "機能"), ", ".join(sorted(identity.features))),
    ]
    return [row for row in rows if row[1]]
