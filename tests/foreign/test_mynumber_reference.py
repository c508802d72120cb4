"""The page of foreign programs names every test that drives one at a My Number Card, and no other."""

from __future__ import annotations

import re
from pathlib import Path

FOREIGN = Path(__file__).parent
PAGE = FOREIGN.parents[1] / "docs" / "reference" / "foreign-programs.md"
SECTION = re.compile(
    r"Tests in `tests/foreign/(test_mynumber_\w+\.py)`(.*?)(?=\nTests in |\n## |\Z)", re.DOTALL
)


def test_the_page_names_every_test_in_its_section() -> None:
    sections = dict(SECTION.findall(PAGE.read_text(encoding="utf-8")))
    described = {name: set(re.findall(r"`(test_\w+)` \|$", text, re.M)) for name, text in sections.items()}
    present = {
        path.name: set(re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.M))
        for path in FOREIGN.glob("test_mynumber_*.py")
        if path != Path(__file__)
    }
    assert described == present
