"""The page of users' pains keeps its word: each has its line, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "reference" / "users-pains.md").read_text(encoding="utf-8")
ROWS = {found[1]: row for row in PAGE.splitlines() if (found := re.match(r"\| PAIN-([0-9]{2}): ", row))}
NAMED = sorted(set(re.findall(r"`([a-z_/0-9]+\.py)::(test_[a-z0-9_]+)`", PAGE)))


def test_every_pain_has_its_line_with_issues_and_tests() -> None:
    assert sorted(ROWS) == [f"{number:02}" for number in range(1, 11)]
    for number, row in ROWS.items():
        _, issues, _, tests = (cell.strip() for cell in row.strip("|").split("|"))
        assert re.fullmatch(r"[0-9]+(, [0-9]+)*", issues), number
        assert "::test_" in tests, number


def test_every_pain_of_readers_names_projects_issues_and_tests() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| READER-")]
    assert [row[2:11] for row in rows] == [f"READER-{number:02}" for number in range(1, 12)]
    for row in rows:
        _, issues, _, tests = (cell.strip() for cell in row.strip("|").split("|"))
        numbers = r"[A-Za-z][\w. -]* [0-9]+(, [0-9]+)*"
        assert re.fullmatch(rf"{numbers}(; {numbers})*", issues), row
        assert "::test_" in tests, row


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_the_named_test_exists(path: str, name: str) -> None:
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_nothing_is_named_in_another_way() -> None:
    assert len(re.findall(r"::test_", PAGE)) == len(re.findall(r"`[a-z_/0-9]+\.py::test_[a-z0-9_]+`", PAGE))
