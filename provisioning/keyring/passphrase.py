"""Where the passphrase of a key ring comes from: a file, a file descriptor or a prompt, never an argument."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from ...apdu.errors import InputError
from ...apdu.secret import Secret

__all__ = ["PASSPHRASE_FD", "PASSPHRASE_FILE", "read_passphrase", "read_secret"]

PASSPHRASE_FILE = "TEGATA_KEYRING_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
PASSPHRASE_FD = "TEGATA_KEYRING_PASSPHRASE_FD"  # noqa: S105 - the name of a variable
_LIMIT = 1024


def read_passphrase(
    prompt: str = "Passphrase of the key ring",
    *,
    confirm: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Secret:
    """The passphrase: the first line of the file or descriptor that the environment names, else typed.

    A descriptor can be read once. Raises InputError ``keyring.no_passphrase`` when there is nobody to ask
    or nothing was given.
    """
    return read_secret(
        prompt, file=PASSPHRASE_FILE, descriptor=PASSPHRASE_FD, confirm=confirm, environment=environment
    )


def read_secret(
    prompt: str,
    *,
    file: str,
    descriptor: str,
    confirm: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Secret:
    """As :func:`read_passphrase`, for a secret whose file and descriptor other variables name."""
    values = os.environ if environment is None else environment
    if values.get(file):
        return _first_line(_read_file(Path(values[file])), file)
    if values.get(descriptor):
        return _first_line(_read_descriptor(values[descriptor], descriptor), file)
    if not sys.stdin.isatty():
        raise InputError("keyring.no_passphrase", variable=file)
    typed: str = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return _first_line(typed.encode(), file)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LIMIT)
    except OSError as error:
        raise InputError("input.file", path=str(path), what=error.strerror) from error


def _read_descriptor(number: str, variable: str) -> bytes:
    try:
        with os.fdopen(int(number), "rb") as file:
            return file.read(_LIMIT)
    except (OSError, ValueError) as error:
        raise InputError("input.file", path=f"{variable}={number}", what=str(error)) from error


def _first_line(data: bytes, variable: str) -> Secret:
    line = data.split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise InputError("keyring.no_passphrase", variable=variable)
    return Secret(line)
