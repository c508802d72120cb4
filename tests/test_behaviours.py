"""The pages of what is known of the My Number Card keep their word: every test and every quirk exists."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel

from tegata.simulators.card.policy import CardPolicy
from tegata.simulators.presets.persona import Persona

TESTS = Path(__file__).parent
PAGES = ("my-number-card.md", "my-number-certificates.md")
IDENTIFIER = re.compile(r"MNC-([A-Z]+)-([0-9]{2,})")
FEWEST = 300


@dataclass(frozen=True)
class Line:
    identifier: str
    behaviour: str
    confidence: str
    quirk: str
    test: str


def _lines(page: str) -> list[Line]:
    text = (TESTS.parent / "docs" / "reference" / page).read_text(encoding="utf-8")
    rows = [row for row in text.splitlines() if row.startswith("| MNC-")]
    return [Line(*(cell.strip() for cell in row.strip("|").split("|"))) for row in rows]


LINES = [line for page in PAGES for line in _lines(page)]


@cache
def _functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _is_of_the_persona(name: str) -> bool:
    model: type[BaseModel] = Persona
    *sections, entry = name.split(".")
    for section in sections:
        found = model.model_fields.get(section)
        if found is None or not (
            isinstance(found.annotation, type) and issubclass(found.annotation, BaseModel)
        ):
            return False
        model = found.annotation
    return entry in model.model_fields


def _quirks(line: Line) -> list[str]:
    return [] if line.quirk == "none" else [name.strip("` ") for name in line.quirk.split(",")]


def test_identifiers_are_unique_and_none_is_left_out() -> None:
    assert len({line.identifier for line in LINES}) == len(LINES) >= FEWEST
    numbers: dict[str, list[int]] = {}
    for line in LINES:
        found = IDENTIFIER.fullmatch(line.identifier)
        assert found, line.identifier
        numbers.setdefault(found[1], []).append(int(found[2]))
    for group, values in numbers.items():
        assert values == list(range(1, len(values) + 1)), group
    assert all(line.behaviour for line in LINES)


def test_every_test_exists() -> None:
    for line in LINES:
        path, _, function = line.test.strip("`").partition("::")
        assert function.startswith("test_"), line.identifier
        assert (TESTS / path).is_file(), line.identifier
        assert function in _functions(TESTS / path), line.identifier


def test_every_quirk_exists() -> None:
    switches = set(CardPolicy.__slots__) - {"name"}
    for line in LINES:
        for name in _quirks(line):
            assert name in switches or _is_of_the_persona(name), (line.identifier, name)


def test_what_is_not_known_can_be_switched() -> None:
    assert {line.confidence for line in LINES} == {"A", "B", "C", "?"}
    for line in LINES:
        assert line.confidence != "?" or _quirks(line), line.identifier


def test_every_switch_of_the_card_is_named() -> None:
    """``chaining`` is the one that nothing is known about; GlobalPlatform cards have a page of their own."""
    named = {name for line in LINES for name in _quirks(line)}
    page = (TESTS.parent / "docs" / "reference" / "globalplatform-card.md").read_text(encoding="utf-8")
    named |= {match[1] for match in re.finditer(r"^\| `(\w+)` \|", page, re.MULTILINE)}
    assert set(CardPolicy.__slots__) - {"name"} - named == {"chaining"}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("card.kind", True),
        ("birth", True),
        ("card.colour", False),
        ("body.kind", False),
        ("name.kind", False),
    ],
)
def test_entries_of_the_persona_are_told_from_others(name: str, known: bool) -> None:
    assert _is_of_the_persona(name) is known
