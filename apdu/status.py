"""What a status word means, for the command and the application that gave it, in English and Japanese.

The table is ``status_words.toml`` (ISO/IEC 7816-4:2020 §5.6, GPC 2.3.1 §11, SP 800-73-5 part 2).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from .command import Command, Response
from .errors import StatusError, Words, language
from .names import command_name

__all__ = ["meaning", "status_error", "words"]


def meaning(sw: int, command: str = "", application: str = "", lang: str | None = None) -> str:
    """What ``sw`` says to ``command`` (a name of :mod:`tegata.apdu.names`) in ``application``."""
    return words(sw, command, application).in_language(lang or language())


def words(sw: int, command: str = "", application: str = "") -> Words:
    """As :func:`meaning`, in both languages."""
    key, count = _key(sw)
    table = _table()
    exact = f"{sw:04X}"
    tables: tuple[Mapping[str, Any], ...] = (
        table["application"].get(application, {}).get(command, {}),
        table["command"].get(command, {}),
        table["generic"],
    )
    for name in (exact, key):
        for entries in tables:
            if name in entries:
                english, japanese = entries[name]
                return Words(english.format(count=count), japanese.format(count=count))
    return Words(*table["generic"]["unknown"])


def status_error(command: Command, response: Response, application: str = "") -> StatusError:
    """The error that says what the card's refusal of ``command`` means."""
    name = command_name(command)
    return StatusError(response.sw, name, application, words(response.sw, name, application))


def _key(sw: int) -> tuple[str, int]:
    """The table's name for a family of status words, and the number that its last digits carry."""
    if sw & 0xFFF0 == 0x63C0:
        return "63Cx", sw & 0x0F
    if sw >> 8 in (0x61, 0x6C):
        return f"{sw >> 8:02X}xx", sw & 0xFF or 256
    return f"{sw & 0xFF00:04X}" if sw >> 8 != 0x90 else "unknown", 0


@cache
def _table() -> Mapping[str, Any]:
    text = files(__package__).joinpath("status_words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
