"""The page shell: plain HTML that works without script, in Japanese and English."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, MutableMapping
from functools import cached_property
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.datastructures import Headers

from ...apdu.errors import LANGUAGES

__all__ = ["Pages", "language_of"]


def language_of(scope: MutableMapping[str, Any]) -> str:
    """``ja`` or ``en``: from ``?lang=``, else the first known one in Accept-Language (RFC 9110 §12.5.4)."""
    query: bytes = scope.get("query_string", b"")
    asked = parse_qs(query.decode("latin-1")).get("lang", [""])[0]
    if asked in LANGUAGES:
        return asked
    wanted: list[tuple[float, str]] = []
    for part in Headers(scope=scope).get("accept-language", "").split(","):
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        primary = tag.strip().lower().partition("-")[0]
        if primary in LANGUAGES and quality > 0:
            wanted.append((-quality, primary))
    return min(wanted, key=lambda item: item[0])[1] if wanted else "en"


class Pages:
    """The templates and texts of one package, in the shared shell.

    ``package`` has a folder ``templates`` and, unless it needs no texts, ``texts`` with ``en.toml`` and
    ``ja.toml``.
    """

    def __init__(self, package: str) -> None:
        self._package = package

    @cached_property
    def _environment(self) -> Environment:
        loaders = [PackageLoader(name, "templates") for name in dict.fromkeys((self._package, __package__))]
        return Environment(
            loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )

    @cached_property
    def texts(self) -> Mapping[str, Mapping[str, str]]:
        """The sentences by language and name."""
        folder = files(self._package).joinpath("texts")
        return {
            lang: tomllib.loads(folder.joinpath(f"{lang}.toml").read_text(encoding="utf-8"))
            if folder.is_dir()
            else {}
            for lang in LANGUAGES
        }

    def render(self, template: str, lang: str, **values: Any) -> str:
        """One page. ``title`` must be among the values; every value is escaped."""
        shell = {"lang": lang, "t": self.texts[lang], "refresh": None, **values}
        page: str = self._environment.get_template(template).render(shell)
        return page
