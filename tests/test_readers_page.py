"""The page on readers says for each model what was proved, by tests that exist; no real device was tried."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "reference" / "readers.md").read_text(encoding="utf-8")
MODELS = ("pcsc", "pn532", "gempc-twin", "gempc-pinpad", "gemcore-pos-pro", "smp", "osdp")


def proved() -> list[list[str]]:
    section = PAGE.split("## What was proved", 1)[1].split("\n## ", 1)[0]
    lines = [
        line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| model")
    ]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_model_has_its_line_with_programs_and_tests() -> None:
    rows = proved()
    assert {row[0].split(" ")[0] for row in rows} == {*MODELS, "any"}
    for model, *cells in rows:
        assert len(cells) == 4 and all(cells), model
        named = re.findall(r"`([a-z_/0-9]+\.py)`", cells[-1])
        assert named and [path for path in named if not (TESTS / path).is_file()] == [], model


def test_every_scheme_is_explained() -> None:
    schemes = {
        point.name for group in ("readers", "devices") for point in entry_points(group=f"tegata.{group}")
    }
    assert {scheme for scheme in schemes if f"| `{scheme}:" not in PAGE} == set()


def test_it_says_that_no_real_device_was_tried() -> None:
    assert "**No real device has been tried yet.**" in PAGE
