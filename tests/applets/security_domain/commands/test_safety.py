"""What is never done: writing to a holder's card, losing keys, telling secrets."""

from __future__ import annotations

import pytest

from tegata.simulators import presets

from ...mynumber_commands.conftest import at_terminal
from .conftest import CARD, KEY, Gp, content


def test_a_my_number_card_is_never_managed(gp: Gp) -> None:
    gp.card.unlink()
    presets.write(gp.card, presets.memory("my-number-card", 7))
    before, trace = content(gp.card), gp.folder / "trace"
    for words in (["info"], ["list"], ["--yes", "delete", "A0000001515350"], ["--dry-run", "list"]):
        _, err = gp("--trace", trace, *words, code=176)
        assert "My Number Card" in err
        sent = [line for line in trace.read_text().splitlines() if not line.startswith("#")][::2]
        assert [line[:4] for line in sent] == ["00A4"]
    assert content(gp.card) == before
    assert "本人のマイナンバーカード" in gp("list", code=176, lang="ja")[1]


def test_no_ledger_only_where_nothing_is_lost(gp: Gp) -> None:
    new = gp.key_file("new.toml")
    gp("--ledger", "none", "keys", "put", "--new-keys", new, "--new-version", "01")  # a simulated card
    assert not gp.ledger.exists()
    _, err = gp("--ledger", "none", "--keys", new, "list", code=97, reader="pcsc:no such reader")
    assert "well-known" in err
    elsewhere = gp.folder / "elsewhere.db"
    gp("--ledger", elsewhere, "--keys", new, "delete", "A0000001515350")
    assert elsewhere.exists()
    assert not gp.ledger.exists()


def test_the_trace_has_no_key(gp: Gp) -> None:
    trace = gp.folder / "trace"
    new = gp.key_file("new.toml")
    for level in ("mac", "full"):
        gp.new_card()
        gp.ledger.unlink(missing_ok=True)
        gp("--level", level, "--trace", trace, "keys", "put", "--new-keys", new, "--new-version", "01")
        lines = [line for line in trace.read_text().splitlines() if line.startswith(("84D8", "80D8"))]
        assert lines
        assert all("**" in line for line in lines)
        assert KEY not in trace.read_text()


def test_a_trace_that_cannot_be_written(gp: Gp) -> None:
    before = content(gp.card)
    gp("--trace", gp.folder / "no" / "such", "delete", "A0000001515350", code=129)
    assert content(gp.card)["card/cplc"] == before["card/cplc"]
    assert "A0000001515350" in gp("list")[0]


@pytest.mark.parametrize("name", [CARD, CARD.lower(), " ".join(CARD), "FB385A8B3B2B", "fb385a8b"])
def test_names_of_the_card_that_a_person_may_give(gp: Gp, name: str) -> None:
    gp("--yes", "--card", name, "lock", "card", "--terminate")


def test_a_reader_that_is_not_there(gp: Gp) -> None:
    gp("list", reader="nonsense:", code=33)


def test_a_person_is_told_and_asked_at_the_terminal(gp: Gp) -> None:
    words = ["--lang", "en", "gp", "--reader", f"sim:{gp.card}", "lock", "card"]
    code, shown = at_terminal([*words, "--secure"], [("go on?", "n")])
    assert code == 130
    assert f"Card {CARD} becomes SECURED" in shown
    assert "op-ready" in gp("list")[0]
    code, shown = at_terminal([*words, "--secure"], [("go on?", "y")])
    assert code == 0, shown
    assert "secured" in gp("list")[0]
    code, _ = at_terminal([*words, "--terminate"], [("identity", "00" * 12)])
    assert code == 13
    assert "secured" in gp("list")[0]
    code, shown = at_terminal([*words, "--terminate"], [("identity", CARD)])
    assert code == 0, shown
    assert gp.books()[1][-1] == ("gp:advance-card", "done")
