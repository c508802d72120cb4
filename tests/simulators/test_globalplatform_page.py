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
        source = (HERE / "apps" / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {function}\(", source, re.MULTILINE), function


def test_every_quirk_of_these_cards_is_on_the_page() -> None:
    names = [field.name for field in fields(CardPolicy)]
    assert set(QUIRK.findall(PAGE)) == set(names[names.index(FIRST) :])
