"""A holder on the screen, and the individual number on its one way out."""

from __future__ import annotations

import os
import stat
from typing import Any

from ...apdu.errors import InputError, Words
from ...applets.mynumber_text.model import Attributes
from ...applets.mynumber_text.number import MyNumber

__all__ = ["attribute_lines", "attributes_json", "check_pipe", "hand_over", "sex_words"]

SEXES = {"1": Words("male", "男"), "2": Words("female", "女")}
OTHER = Words("other", "その他")


def sex_words(digit: str) -> Words:
    """1, 2, 9 or 0 as a word."""
    return SEXES.get(digit, OTHER)


def attributes_json(person: Attributes) -> dict[str, Any]:
    """The four attributes for a script."""
    return {
        "name": person.name,
        "address": person.address,
        "birth": person.birth.isoformat(),
        "sex": person.sex,
    }


def attribute_lines(person: Attributes) -> list[tuple[Words, object]]:
    """The four attributes for a person."""
    return [
        (Words("Name", "氏名"), person.name),
        (Words("Address", "住所"), person.address),
        (Words("Birth date", "生年月日"), person.birth),
        (Words("Sex", "性別"), sex_words(person.sex)),
    ]


def check_pipe(descriptor: int | None) -> None:
    """Whether the clear number may go there: to a program, never to a screen or into a file.

    Raises InputError ``counter.output`` for a terminal, a file or nothing at all.
    """
    if descriptor is None:
        return
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        mode = 0
    if not stat.S_ISFIFO(mode) and not stat.S_ISSOCK(mode):
        raise InputError("counter.output", number=descriptor)


def hand_over(number: MyNumber, descriptor: int) -> None:
    """Twelve digits and a line feed, to a descriptor that :func:`check_pipe` took."""
    os.write(descriptor, number.reveal().encode("ascii") + b"\n")
