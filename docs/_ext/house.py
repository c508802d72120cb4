"""Pages that follow from the source: errors from the catalogue, the command line from its own help.

A page asks for its text with a comment line of its own, ``% house: errors`` or ``% house: commands``.
"""

from __future__ import annotations

from collections.abc import Iterator

import click
from sphinx.application import Sphinx

from tegata.apdu.errors import Entry, catalogue
from tegata.cli import cli


def errors() -> Iterator[str]:
    """One section a group of codes, one row an error, in the order of exit codes."""
    entries = sorted(catalogue().values(), key=lambda entry: entry.exit)
    groups = dict.fromkeys(entry.code.partition(".")[0] for entry in entries)
    for group in groups:
        yield f"## {group}\n"
        for entry in entries:
            if entry.code.partition(".")[0] == group:
                yield from error(entry)


def error(entry: Entry) -> Iterator[str]:
    yield f"### {entry.code}\n"
    yield f"Exit code **{entry.exit}**, HTTP status **{entry.status}**.\n"
    yield "```text"
    yield f"{entry.en}\n{entry.en_next}\n\n{entry.ja}\n{entry.ja_next}"
    yield "```\n"


def commands() -> Iterator[str]:
    """One section a command, with the help that it prints."""
    yield from command(cli, click.Context(cli, info_name="tegata"))


def command(this: click.Command, context: click.Context) -> Iterator[str]:
    depth = min(context.command_path.count(" ") + 2, 4)
    yield f"{'#' * depth} {context.command_path}\n"
    yield "```text"
    yield this.get_help(context)
    yield "```\n"
    if isinstance(this, click.Group):
        for name in this.list_commands(context):
            sub = this.get_command(context, name)
            if sub is not None and not sub.hidden:
                yield from command(sub, click.Context(sub, info_name=name, parent=context))


PAGES = {"errors": errors, "commands": commands}


def fill_in(_app: Sphinx, _docname: str, source: list[str]) -> None:
    for name, lines in PAGES.items():
        marker = f"% house: {name}\n"
        if marker in source[0]:
            source[0] = source[0].replace(marker, "\n".join(lines()) + "\n")


def always_anew(*_what_changed: object) -> list[str]:
    """The generated pages depend on the source code, which Sphinx does not watch."""
    return [f"reference/{name}" for name in PAGES]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", fill_in)
    app.connect("env-get-outdated", always_anew)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
