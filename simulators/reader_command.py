"""``tegata sim reader``: simulated readers on a serial line that any program can open."""

from __future__ import annotations

import click

__all__ = ["reader"]


@click.group()
def reader() -> None:
    """Simulate a reader on a serial line, with a simulated card in it, until Ctrl-C.

    The name of the line is printed first; give it to any program that drives such a reader. SIGUSR1 takes
    the card away, SIGUSR2 puts it back.
    """
