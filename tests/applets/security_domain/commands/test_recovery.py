"""A card torn away at any write, and what the next run makes of it: finished, or set aside, no try spent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tegata.cli import main
from tegata.simulators import presets

from .conftest import CARD, OTHER_KEY, Gp, company_card, content

GONE, OUT_OF_USE, SET_ASIDE = 12, 150, 151
PHASES = ["before", "inside", "after"]


def tries(trace: str) -> set[str]:
    """The status words that EXTERNAL AUTHENTICATE got; a cut leaves none."""
    lines = [line for line in trace.splitlines() if not line.startswith("#")]
    pairs = zip(lines[::2], lines[1::2], strict=False)
    return {answer[-4:] for command, answer in pairs if command.startswith("8482")}


def run(gp: Gp, *words: object, reader: str = "") -> int:
    """As a person runs it who does not know what will come of it."""
    return main(["gp", "--reader", reader or f"sim:{gp.card}", *map(str, words)])


def torn(gp: Gp, phase: str, *words: object, **quirks: bool) -> Iterator[int]:
    """``words`` on a new card, with no ledger, cut at the first, second, … write until it is cut no more."""
    for write in range(1, 60):
        gp.card.unlink()
        gp.ledger.unlink(missing_ok=True)
        presets.write(gp.card, presets.with_quirks(company_card(), quirks))
        code = run(gp, *words, reader=f"sim:{gp.card}?cut={write}.{phase}")
        if code == 0:
            return
        assert code == GONE
        yield write
    raise AssertionError("the command never ends")


@pytest.mark.parametrize("phase", PHASES)
def test_keys_torn_at_any_write_are_finished_by_the_next_run(gp: Gp, phase: str) -> None:
    new, trace = gp.key_file("new.toml"), gp.folder / "trace"
    words = ("--trace", trace, "keys", "rotate", "--new-keys", new, "--new-version", "01")
    points = 0
    for write in torn(gp, phase, *words):
        points += 1
        assert tries(trace.read_text()) <= {"9000"}
        gp(*words)
        assert tries(trace.read_text()) == {"9000"}
        assert {key["version"] for key in gp.verb("keys", "list")["keys"]} == {"01"}
        state, intents, keys = gp.books()
        assert state == "stock"
        assert "open" not in {outcome for _, outcome in intents}, (write, intents)
        assert keys == {0xFF: "gone", 1: "live"}, write
    assert points >= 4


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("version", ["01", "05"])
def test_a_mixed_set_ends_in_quarantine_and_spends_no_try(gp: Gp, phase: str, version: str) -> None:
    """The card writes key by key, and the old set is replaced: it may be left with one that nobody knows."""
    old, new, trace = gp.key_file("old.toml"), gp.key_file("new.toml", OTHER_KEY), gp.folder / "trace"
    make = ("keys", "rotate", "--new-keys", old, "--new-version", "05")
    change = ("--keys", old, "keys", "put", "--replace", "--new-keys", new, "--new-version", version)
    codes = []
    gp.card.unlink()
    presets.write(gp.card, presets.with_quirks(company_card(), {"put_key_torn_set": True}))
    gp(*make)
    whole = content(gp.card)
    books = gp.ledger.read_bytes()
    for write in range(1, 60):
        gp.card.unlink()
        presets.write(gp.card, whole)
        gp.ledger.write_bytes(books)
        if run(gp, *change, reader=f"sim:{gp.card}?cut={write}.{phase}") != GONE:
            break
        codes.append(run(gp, "--trace", trace, *change))
        assert tries(trace.read_text()) <= {"9000"}
        if codes[-1] == SET_ASIDE:
            _, err = gp("--keys", new, "--trace", trace, "list", code=OUT_OF_USE)
            assert f"tegata badge readmit --card {CARD}" in err
            assert tries(trace.read_text()) == set()
            assert gp.books()[0] == "quarantine"
        else:
            assert codes[-1] == 0
            assert gp.json("--keys", new, "list")["channel"]["key_version"] == version
    assert SET_ASIDE in codes
    assert 0 in codes


def test_a_supervisor_readmits_the_card(gp: Gp) -> None:
    new = gp.key_file("new.toml")
    gp("keys", "rotate", "--new-keys", new, "--new-version", "01")
    presets_keys = company_card()
    mine = content(gp.card)
    gp.card.unlink()
    presets.write(gp.card, presets_keys)  # somebody else put the maker's keys back
    gp("--keys", new, "list", code=SET_ASIDE)
    gp("--keys", new, "list", code=OUT_OF_USE)
    assert main(["badge", "readmit", "--card", CARD, "--because", "the right card was found"]) == 0
    gp.card.unlink()
    presets.write(gp.card, mine)
    gp("--keys", new, "list")


def test_an_interrupted_change_is_told_by_any_verb_and_finished_by_its_own(gp: Gp) -> None:
    new = gp.key_file("new.toml")
    words = ("keys", "put", "--new-keys", new, "--new-version", "01")
    for _ in torn(gp, "after", *words):
        if "An interrupted" not in gp("list")[0] and "was interrupted" in gp("list")[0]:
            break
    else:
        pytest.fail("no cut left the new keys on the card and the intent open")
    assert ("gp:put-keys", "open") in gp.books()[1]
    assert gp("list", lang="ja")[0].startswith("鍵の変更が中断しています")
    gp(*words)
    assert "interrupted" not in gp("list")[0]
    assert gp.books()[2] == {0xFF: "previous", 1: "live"}


@pytest.mark.parametrize("phase", PHASES)
def test_a_delete_torn_at_any_write_is_finished_by_the_next_run(gp: Gp, phase: str) -> None:
    words = ("--yes", "delete", "A0000001515350")
    for _ in torn(gp, phase, *words):
        gp(*words)
        assert "A0000001515350" not in gp("list")[0]
        assert "open" not in {outcome for _, outcome in gp.books()[1]}


@pytest.mark.parametrize("phase", PHASES)
def test_a_domain_torn_while_it_gets_its_keys_is_finished_by_the_next_run(gp: Gp, phase: str) -> None:
    keys, domain = gp.key_file("own.toml"), "F0746567617461AA"
    words = ("domain", "personalize", domain, "--new-keys", keys, "--new-version", "20")
    gp("domain", "create", domain)
    empty, points = content(gp.card), 0
    for write in range(1, 60):
        gp.card.unlink()
        presets.write(gp.card, empty)
        gp.ledger.unlink(missing_ok=True)
        if run(gp, *words, reader=f"sim:{gp.card}?cut={write}.{phase}") != GONE:
            break
        points += 1
        gp(*words)
        assert gp.json("--domain", domain, "--keys", keys, "list")["channel"]["key_version"] == "20"
        assert "open" not in {outcome for _, outcome in gp.books()[1]}
    assert points >= 3
