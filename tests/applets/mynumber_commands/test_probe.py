"""The probe: says what it sends, sends no PIN, keeps nothing of the person, and teaches the simulator."""

from __future__ import annotations

import json
from pathlib import Path

from tegata.cli import main

from .conftest import NewCard, Shell


def test_it_says_first_what_it_sends_and_asks(new_card: NewCard, tegata: Shell, tmp_path: Path) -> None:
    card, trace = new_card(), tmp_path / "trace.txt"
    out, err = tegata("probe", "--reader", card.url, "--trace", trace, "--dry-run")
    assert out == "" and "JPKI/0006/read: 00B0000000" in err
    _, err = tegata("probe", "--reader", card.url, "--trace", trace, code=246)
    assert "no PIN, and nothing is written" in err
    _, err = tegata("probe", "--reader", card.url, "--trace", trace, code=246, lang="ja")
    assert "暗証番号は使わず" in err
    assert not trace.exists()


def test_what_it_found_makes_a_card_alike(new_card: NewCard, tegata: Shell, tmp_path: Path) -> None:
    card, output = new_card("expired"), tmp_path / "probe.json"
    before = card.content()
    out, _ = tegata("probe", "--reader", card.url, "--yes", "--output", output)
    assert out.strip() == str(output)
    assert card.content() == before
    text = output.read_text("utf-8")
    for secret in ("期限", card.number, card.check_number, card.number.encode().hex().upper()):
        assert secret not in text
    found = json.loads(text)
    assert found["format"] == "tegata-probe-1"
    found["quirks"]["short_ids"] = False
    output.write_text(json.dumps(found), encoding="utf-8")
    alike = tmp_path / "alike.sim"
    assert main(["sim", "new", "--quirks", str(output), "my-number-card", str(alike)]) == 0
    again = json.loads(tegata("probe", "--reader", f"sim:{alike}", "--yes")[0])
    assert again["quirks"]["short_ids"] is False
    _, err = tegata("probe", "--reader", card.url, "--yes", "--output", output, code=43)
    assert "is not overwritten" in err
