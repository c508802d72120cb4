"""What the commands of the badge desk print: sentences in the user's language, tables, JSON for scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ..apdu.errors import language

__all__ = ["print_json", "print_table", "say"]


def say(en: str, ja: str) -> None:
    """One line in the language of this process."""
    click.echo(ja if language() == "ja" else en)


def print_json(value: Any) -> None:
    """For scripts."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(headers: Sequence[tuple[str, str]], rows: Sequence[Sequence[object]]) -> None:
    """A table on a terminal, tab-separated lines elsewhere. ``headers`` are (English, Japanese)."""
    titles = [ja if language() == "ja" else en for en, ja in headers]
    console = Console()
    if not console.is_terminal:
        for row in (titles, *rows):
            click.echo("\t".join(str(cell) for cell in row))
        return
    table = Table(*titles)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console.print(table)
