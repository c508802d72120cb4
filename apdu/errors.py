"""The one family of errors, and the table that gives each its sentence, exit code and problem type.

``code`` is the stable name (``card.removed``). The table is built from ``catalogue/*.toml``: each entry
holds the exit code of the command line, the HTTP status of an RFC 9457 problem, and the sentence and the
next step in English and Japanese. The reference page of the documentation is generated from it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar

__all__ = [
    "EXCHANGE",
    "CardChanged",
    "CardError",
    "CardRemoved",
    "Entry",
    "InputError",
    "MalformedResponse",
    "PinBlocked",
    "PinError",
    "ReaderError",
    "RequestError",
    "StatusError",
    "TegataError",
    "Words",
    "catalogue",
    "language",
    "set_language",
    "with_extra",
]

LANGUAGES = ("en", "ja")
_language: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the catalogue."""

    code: str
    exit: int
    status: int
    en: str
    en_next: str
    ja: str
    ja_next: str


@cache
def catalogue() -> Mapping[str, Entry]:
    """All entries by code.

    An exit code belongs to one group (the part of the code before the dot) alone; inside a group several
    codes may share one, where a script would do the same about them. Raises ValueError when a code is
    defined twice, or an exit code in two groups.
    """
    entries: dict[str, Entry] = {}
    exits: dict[int, str] = {}
    for resource in sorted(files(__package__).joinpath("catalogue").iterdir(), key=lambda item: item.name):
        if not resource.name.endswith(".toml"):
            continue
        table = tomllib.loads(resource.read_text(encoding="utf-8"))
        for group, lines in table.items():
            for name, line in lines.items():
                entry = Entry(code=f"{group}.{name}", status=line.pop("status", 500), **line)
                if entry.code in entries:
                    raise ValueError(f"{entry.code} stands twice in the catalogue")
                if exits.setdefault(entry.exit, group) != group:
                    raise ValueError(
                        f"{entry.code} has the exit code {entry.exit} of the group {exits[entry.exit]}"
                    )
                entries[entry.code] = entry
    return entries


def set_language(name: str | None) -> None:
    """Choose ``en`` or ``ja`` for this process; None goes back to the locale."""
    global _language  # noqa: PLW0603 - one process, one language of sentences
    if name is not None and name not in LANGUAGES:
        raise ValueError(f"languages are {', '.join(LANGUAGES)}; got {name!r}")
    _language = name


def language() -> str:
    """The language of sentences: set by ``--lang``, else by the locale, else English."""
    if _language:
        return _language
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable)
        if value:
            return "ja" if value.startswith("ja") else "en"
    return "en"


class Words(str):
    """A detail in both languages: the English text, with its Japanese in ``ja``. A sentence takes the one
    of its own language."""

    __slots__ = ("ja",)
    ja: str

    def __new__(cls, en: str, ja: str) -> Words:
        words = super().__new__(cls, en)
        words.ja = ja
        return words

    def __reduce__(self) -> tuple[type[Words], tuple[str, str]]:
        """A copy has both languages too."""
        return Words, (str(self), self.ja)

    def in_language(self, lang: str) -> str:
        """The text in ``en`` or ``ja``."""
        return self.ja if lang == "ja" else str(self)


EXCHANGE = Words("an APDU", "APDU のやり取り")
"""What was going on when a card left in the middle of it."""


def with_extra(extra: str) -> Words:
    """What to do when the packages of an extra are missing. tegata is installed from a clone, not by name."""
    return Words(
        f"In the folder of tegata's clone: uv tool install '.[{extra}]' (name the extras in use as well).",
        f"tegata を複製したフォルダーで uv tool install '.[{extra}]' を実行してください "
        "(使用中の extra も並べて指定します)。",
    )


class TegataError(Exception):
    """Root of the family. ``code`` names an entry of the catalogue; ``details`` fill its sentences.

    ``details`` reach users, logs and portals: never put a PIN, a key or personal data there.
    """

    default_code: ClassVar[str] = "internal.error"

    def __init__(self, code: str | None = None, /, **details: Any) -> None:
        self.code = code or self.default_code
        self.details = details
        super().__init__(self.code)

    @property
    def entry(self) -> Entry:
        return catalogue()[self.code]

    @property
    def exit_code(self) -> int:
        return self.entry.exit

    @property
    def status(self) -> int:
        """HTTP status of the RFC 9457 problem."""
        return self.entry.status

    def sentence(self, lang: str | None = None) -> str:
        """What is wrong, and where: one sentence."""
        return self._text("", lang)

    def next_step(self, lang: str | None = None) -> str:
        """What to do next: one sentence."""
        return self._text("_next", lang)

    def _text(self, suffix: str, lang: str | None) -> str:
        chosen = lang or language()
        template: str = getattr(self.entry, chosen + suffix)
        details = {
            name: value.in_language(chosen) if isinstance(value, Words) else value
            for name, value in self.details.items()
        }
        return template.format_map(_Details(details))

    def __str__(self) -> str:
        return f"{self.sentence()} {self.next_step()}"

    def __reduce__(self) -> tuple[Callable[..., TegataError], tuple[Any, ...], dict[str, Any]]:
        """Whole between processes too, whatever a subclass wants to be made of."""
        return _blank, (type(self), *self.args), self.__dict__


def _blank(kind: type[TegataError], *args: Any) -> TegataError:
    return kind.__new__(kind, *args)


class _Details(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


class CardError(TegataError):
    """Something about the card or its answer."""

    default_code = "card.error"


class StatusError(CardError):
    """The card answered with a status word that the command does not expect."""

    default_code = "card.status"

    def __init__(
        self,
        sw: int,
        command: str,
        application: str = "",
        meaning: str = "",
        *,
        code: str | None = None,
        **details: Any,
    ) -> None:
        self.sw = sw
        self.command = command
        self.application = application
        super().__init__(
            code,
            sw=f"{sw:04X}",
            command=command,
            application=application or "card",
            meaning=meaning or "unknown",
            **details,
        )


class PinError(CardError):
    """A PIN was wrong; ``retries_left`` tries remain (None when the card does not say)."""

    default_code = "pin.wrong"

    def __init__(self, retries_left: int | None, pin: str = "PIN", *, code: str | None = None) -> None:
        self.retries_left = retries_left
        super().__init__(code, retries_left="?" if retries_left is None else retries_left, pin=pin)


class PinBlocked(PinError):
    """A PIN has no tries left."""

    default_code = "pin.blocked"

    def __init__(self, pin: str = "PIN") -> None:
        super().__init__(0, pin)


class CardRemoved(CardError):
    """The card left the field or lost power in the middle of an exchange."""

    default_code = "card.removed"


class CardChanged(CardError):
    """Another card is in the reader than the one this work began with."""

    default_code = "card.changed"


class MalformedResponse(CardError):
    """The card's answer contradicts the protocol: too short, wrong TLV, wrong MAC."""

    default_code = "card.malformed"

    def __init__(self, what: str, where: str = "", **details: Any) -> None:
        super().__init__(None, what=what, where=where or "the answer", **details)


class ReaderError(TegataError):
    """Something about the reader or its driver."""

    default_code = "reader.error"


class InputError(TegataError):
    """A roster, profile, file or option that a person gave."""

    default_code = "input.error"


class RequestError(TegataError):
    """A request of a portal or browser."""

    default_code = "request.error"
