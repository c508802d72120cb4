"""The page of the simulated GlobalPlatform card keeps its word: every test and every quirk exists."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from tegata.simulators.card.policy import CardPolicy

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "reference" / "globalplatform-card.md").read_text(encoding="utf-8")
TEST = re.compile(r"`(\w+\.py)::(test_\w+)`")
QUIRK = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)
FIRST = "put_key_with_length"


def test_every_test_exists() -> None:
    named = TEST.findall(PAGE)
    assert len(named) >= 25
    for file, function in named:
        sources = [path.read_text(encoding="utf-8") for path in HERE.parent.rglob(file)]
        assert any(re.search(rf"^def {function}\(", text, re.MULTILINE) for text in sources), function


def test_every_quirk_of_these_cards_is_on_the_page() -> None:
    names = [field.name for field in fields(CardPolicy)]
    assert set(QUIRK.findall(PAGE)) == set(names[names.index(FIRST) :])
