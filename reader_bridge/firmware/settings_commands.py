"""``tegata firmware config``: a device's settings into a file, back, and what differs."""

from __future__ import annotations

from pathlib import Path

import click

from ...apdu.devices import open_device
from ...apdu.errors import Words
from .command_options import as_json_option, print_json, print_table
from .settings_file import Change, SettingsFile, configurable, differences

__all__ = ["config"]

_file = click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
_HEADINGS = (Words("Setting", "設定"), Words("Device", "装置"), Words("File", "ファイル"))


@click.group()
def config() -> None:
    """Back up, compare and put back the settings of a device, as JSON."""


@config.command()
@click.argument("url", metavar="URL")
@_file
@as_json_option
def backup(url: str, file: Path, as_json: bool) -> None:
    """Write all settings of a device to FILE, readable by you alone.

    Exit codes: 175 for a device without settings, 195 when FILE cannot be written.
    """
    device = open_device(url)
    try:
        kept = SettingsFile.of(device.identity(), configurable(device).settings())
    finally:
        device.close()
    kept.save(file)
    if as_json:
        print_json({"file": str(file), "settings": kept.settings})


@config.command()
@click.argument("url", metavar="URL")
@_file
@as_json_option
def restore(url: str, file: Path, as_json: bool) -> None:
    """Put the settings in FILE back into a device; only those that differ are written.

    \b
    The backup must be of the same model; another device of that model may have it. A setting that the device
    does not know, or a value of the wrong kind, is refused before any is written.

    Exit codes: 105 for a FILE that does not fit, 175 for a setting that the device does not take.
    """
    _print(_compare(url, file, put_back=True), as_json)


@config.command()
@click.argument("url", metavar="URL")
@_file
@as_json_option
def diff(url: str, file: Path, as_json: bool) -> None:
    """Show which settings of a device are not those in FILE.

    Nothing is printed when all are the same (an empty list with --json).

    Exit code: 105 for a FILE that does not fit.
    """
    _print(_compare(url, file), as_json)


def _compare(url: str, file: Path, *, put_back: bool = False) -> list[Change]:
    """What differs; with ``put_back``, what the file has is put into the device."""
    kept = SettingsFile.load(file)
    device = open_device(url)
    try:
        kept.check_model(file, device.identity())
        present = configurable(device)
        changes = differences(present.settings(), kept.settings)
        if not put_back:
            return changes
        wanted = [change for change in changes if change.name in kept.settings]
        if wanted:
            present.apply({change.name: change.file for change in wanted})
        return wanted
    finally:
        device.close()


def _print(changes: list[Change], as_json: bool) -> None:
    if as_json:
        print_json([change.to_json() for change in changes])
    elif changes:
        print_table(_HEADINGS, [(change.name, repr(change.device), repr(change.file)) for change in changes])
