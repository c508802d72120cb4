"""Every verb on a simulated card: what it says to people and to programs, and what the card shows then."""

from __future__ import annotations

import json

import pytest

from tegata.applets.entry_badge import model as entry_badge
from tegata.applets.piv import model as piv
from tegata.applets.security_domain.model import AID

from .conftest import CARD, Gp, content

ISD = AID.hex().upper()
SSD = "F0746567617461AA"
PACKAGE, MODULE = entry_badge.PACKAGE_AID.hex().upper(), entry_badge.MODULE_AID.hex().upper()
INSTANCE = MODULE + "01"


def test_info_says_who_the_card_is(gp: Gp) -> None:
    out, _ = gp("info")
    assert f"Card: {CARD}\n" in out
    assert "Secure channel: SCP03 i=70" in out
    assert "Keys FF: AES-128" in out
    assert "カード: " + CARD in gp("info", lang="ja")[0]
    value = gp.json("info")
    assert value["card"] == CARD
    assert value["channel"] is None
    assert [one["i"] for one in value["verbs"][0]["card_data"]["protocols"]] == ["70"]


def test_info_authenticates_nothing(gp: Gp) -> None:
    before = content(gp.card)
    gp("info", "then", "keys", "list")
    assert content(gp.card) == before
    assert not gp.ledger.exists()


def test_list_shows_the_registry(gp: Gp) -> None:
    registry = gp.verb("list")["registry"]
    issuer = registry[0]
    assert (issuer["aid"], issuer["kind"], issuer["state"]) == (ISD, "issuer-domain", "op-ready")
    assert "authorized-management" in issuer["privileges"]
    badge = next(line for line in registry if line["aid"] == PACKAGE)
    assert (badge["kind"], badge["version"], badge["modules"]) == ("package", "1.0", [MODULE])
    lines = gp("list")[0].splitlines()
    at = next(number for number, line in enumerate(lines) if PACKAGE in line)
    assert lines[at + 1].split() == ["applet", "in", "it", MODULE]
    assert not any("@" in line for line in lines)  # all of it is the issuer's
    assert "パッケージ" in gp("list", lang="ja")[0]


def test_list_tells_what_belongs_to_another_domain(gp: Gp) -> None:
    gp("domain", "create", SSD, "then", "install", PACKAGE, "--module", MODULE, "--instance", INSTANCE)
    gp("domain", "extradite", INSTANCE, "--to", SSD)
    (line,) = [line for line in gp("list")[0].splitlines() if INSTANCE in line]
    assert line.endswith(f"< {PACKAGE} @ {SSD}")


def test_install_then_delete(gp: Gp) -> None:
    step = gp.verb("install", PACKAGE, "--module", MODULE, "--instance", INSTANCE)["steps"][0]
    assert (step["step"], step["state"], step["reversible"]) == ("install", "done", True)
    assert INSTANCE in gp("list")[0]
    again = gp.verb("install", PACKAGE, "--module", MODULE, "--instance", INSTANCE)
    assert (again["changed"], again["steps"][0]["state"]) == (False, "found")
    assert gp.verb("delete", INSTANCE)["changed"]
    assert not gp.verb("delete", INSTANCE)["changed"]
    assert INSTANCE not in gp("list")[0]


def test_several_verbs_share_one_channel(gp: Gp) -> None:
    trace = gp.folder / "trace"
    out, _ = gp(
        *("--trace", trace, "list", "then", "install", PACKAGE, "--module", MODULE, "then", "delete", MODULE)
    )
    assert f"install {MODULE}: done" in out
    assert f"delete {MODULE}: done" in out
    sent = [line[:4] for line in trace.read_text().splitlines() if not line.startswith("#")][::2]
    assert sent.count("8050") == 1
    assert sent.count("8482") == 1


def test_all_verbs_are_read_before_the_card_is_touched(gp: Gp) -> None:
    before = content(gp.card)
    for words in (["list", "then"], ["list", "then", "then", "list"], ["list", "then", "fly"], ["then"]):
        gp(*words, code=2)
    gp("delete", INSTANCE, "then", "delete", "no hex", code=2)
    assert content(gp.card) == before


def test_a_package_in_use_goes_only_with_its_applications(gp: Gp) -> None:
    gp("install", PACKAGE, "--module", MODULE, "--instance", INSTANCE)
    _, err = gp("delete", PACKAGE, code=155)
    assert INSTANCE in err
    _, err = gp("delete", PACKAGE, "--with-dependents", code=96)
    assert "with all data and keys in them" in err
    _, err = gp("delete", PACKAGE, "--with-dependents", "--yes")
    assert INSTANCE in err
    assert PACKAGE not in gp("list")[0]


def test_an_application_without_the_wanted_privileges_is_not_called_done(gp: Gp) -> None:
    words = ("install", PACKAGE, "--module", MODULE, "--instance", INSTANCE)
    gp(*words)
    _, err = gp(*words, "--privileges", "card-reset", code=223)
    assert f"domain update {INSTANCE}" in err
    assert "card-reset" in gp(*words, "--privileges", "card-reset", code=223, lang="ja")[1]
    gp("domain", "update", INSTANCE, "--privileges", "card-reset")
    assert not gp.verb(*words, "--privileges", "card-reset")["changed"]


def test_what_nobody_can_agree_to_is_said_once(gp: Gp) -> None:
    for lang in ("en", "ja"):
        _, err = gp("lock", "card", "--secure", code=96, lang=lang)
        assert err.count("SECURED") == 1


def test_a_card_that_cannot_be_locked_yet_says_what_comes_first(gp: Gp) -> None:
    _, err = gp("lock", "card", code=11)
    assert "tegata gp lock card --secure" in err


def test_names_that_are_taken_or_missing(gp: Gp) -> None:
    gp("install", PACKAGE, "--module", MODULE, "--instance", piv.PACKAGE_AID.hex(), code=154)
    gp("install", "F0000000000001", "--module", MODULE, code=95)
    gp("install", PACKAGE, "--module", "F0000000000001", code=95)
    _, err = gp("domain", "extradite", "F0000000000001", "--to", ISD, code=95)
    assert "tegata gp list" in err


def test_a_domain_with_keys_of_its_own(gp: Gp) -> None:
    keys = gp.key_file("own.toml")
    gp("domain", "create", SSD, "then", "domain", "extradite", PACKAGE, "--to", SSD)
    found = gp.verb("domain", "personalize", SSD, "--new-keys", keys, "--new-version", "20")
    assert found["steps"][0]["state"] == "done"
    line = next(line for line in gp.verb("list")["registry"] if line["aid"] == SSD)
    assert (line["kind"], line["state"]) == ("domain", "personalized")
    value = gp.json("--domain", SSD, "--keys", keys, "list")
    assert value["channel"]["key_version"] == "20"
    assert {entry["aid"] for entry in value["verbs"][0]["registry"]} >= {SSD, PACKAGE}


def test_lock_and_unlock(gp: Gp) -> None:
    gp("install", PACKAGE, "--module", MODULE, "--instance", INSTANCE)
    for words, state in (
        (["lock", "app", INSTANCE], "locked"),
        (["lock", "app", INSTANCE, "--unlock"], "selectable"),
    ):
        assert gp.verb(*words)["changed"]
        line = next(line for line in gp.verb("list")["registry"] if line["aid"] == INSTANCE)
        assert line["state"] == state
    gp("domain", "create", SSD, "then", "lock", "domain", SSD)
    assert "locked" in gp("list")[0]


def test_lock_a_domain_with_all_that_is_in_it(gp: Gp) -> None:
    inner = SSD + "01"
    gp("install", PACKAGE, "--module", MODULE, "--instance", INSTANCE)
    gp("domain", "create", SSD, "then", "domain", "create", inner)
    gp("domain", "extradite", INSTANCE, "--to", inner, "then", "domain", "extradite", inner, "--to", SSD)
    whole = ["lock", "domain", SSD, "--with-applications"]
    trace = gp.folder / "trace"
    found = gp.verb("--level", "mac", "--trace", trace, *whole)
    assert found["steps"][0]["with_applications"]
    assert f"84F06080{len(SSD) // 2 + 8:02X}{SSD}" in trace.read_text()  # P1 60, in one command

    def states() -> set[str]:
        lines = gp.verb("list")["registry"]
        return {line["state"] for line in lines if line["aid"] in (SSD, inner, INSTANCE)}

    assert states() == {"locked"}
    assert not gp.verb(*whole)["changed"]
    gp("lock", "app", INSTANCE, "--unlock")
    assert gp.verb(*whole)["changed"]
    planned = gp.json("--dry-run", *whole, "--unlock", "then", *whole, "--unlock")["verbs"]
    assert [verb["steps"][0]["state"] for verb in planned] == ["planned", "found"]
    out, _ = gp(*whole, "--unlock")
    assert f"unlock {SSD} and all that is in it: done" in out
    assert states() == {"selectable"}


def test_the_life_of_a_card(gp: Gp) -> None:
    gp("lock", "card", "--initialize")
    gp("lock", "card", "--secure", code=96)
    _, err = gp("lock", "card", "--secure", "--yes")
    assert f"Card {CARD} becomes SECURED" in err
    gp("lock", "card")
    assert gp.verb("info")["card_locked"]
    gp("lock", "card", "--unlock")
    gp("lock", "card", "--terminate", "--yes", code=96)
    gp("lock", "card", "--terminate", "--yes", "--card", "00" * 12, code=13)
    _, err = gp("lock", "card", "--terminate", "--yes", "--card", CARD)
    assert "for ever" in err
    assert gp.books()[1][-1] == ("gp:advance-card", "done")
    gp("list", code=11)


def test_an_error_leaves_what_was_done_before_it_in_the_answer(gp: Gp) -> None:
    out, err = gp("--json", "install", PACKAGE, "--module", MODULE, "then", "delete", PACKAGE, code=155)
    verbs = json.loads(out)["verbs"]
    assert [verb["verb"] for verb in verbs] == ["install", "delete"]
    assert verbs[0]["changed"]
    assert json.loads(err)["code"] == "gp.dependents"


@pytest.mark.parametrize("level", ["mac", "enc", "rmac", "full"])
def test_levels(gp: Gp, level: str) -> None:
    expected = {"mac": "01", "enc": "03", "rmac": "13", "full": "33"}
    assert gp.json("--level", level, "list")["channel"]["level"] == expected[level]
    assert gp.json("list")["channel"]["level"] == "33"


def test_options_may_stand_behind_a_verb(gp: Gp) -> None:
    gp("list", "--level", "mac", "--dry-run", "then", "keys", "list", "--json")


CHANGES = [
    ["install", PACKAGE, "--module", MODULE, "--instance", INSTANCE],
    ["delete", PACKAGE],
    ["domain", "create", SSD],
    ["domain", "extradite", PACKAGE, "--to", ISD + "01"],
    ["domain", "update", ISD, "--privileges", "card-lock"],
    ["lock", "card"],
    ["lock", "card", "--initialize"],
    ["lock", "card", "--terminate"],
    ["lock", "app", PACKAGE],
    ["keys", "put", "--new-keys", "default", "--new-version", "01"],
    ["keys", "rotate", "--new-keys", "FILE", "--new-version", "01"],
    ["keys", "put-single", "--for", "dap", "--new-keys", "default", "--new-version", "73"],
    ["keys", "delete", "FF"],
    ["store-data", "4203112233"],
]


@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
def test_a_dry_run_of_every_verb_says_and_does_not(gp: Gp, words: list[str]) -> None:
    words = [str(gp.key_file("new.toml")) if word == "FILE" else word for word in words]
    before = content(gp.card)
    found = gp.json("--dry-run", *words)
    (verb,) = found["verbs"]
    assert found["dry_run"]
    assert not verb["changed"]
    assert {step["state"] for step in verb["steps"]} == {"planned"}
    after = content(gp.card)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert all("sequence" in name for name in changed), changed
    assert not gp.ledger.exists()
    out, _ = gp("--dry-run", *words, lang="ja")
    assert out.splitlines()[-1] == "何も変更していません (--dry-run)。"
