"""What the ledger knows against what a card says of itself; what stands written when this program dies."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from tegata.apdu.errors import CardError
from tegata.apdu.ports import KeyRef
from tegata.apdu.secret import Secret
from tegata.applets.security_domain.manager import Intent
from tegata.cli import main
from tegata.provisioning.custody import LedgerCustody
from tegata.provisioning.keyring import FileKeyRing
from tegata.provisioning.ledger import Ledger
from tegata.simulators import presets
from tegata.simulators.link import SimulatedLink

from .conftest import CARD, OTHER_KEY, Gp, company_card, content

GONE, SAME_NAME, UNFINISHED, CONSENT, OUT_OF_USE, SET_ASIDE = 12, 55, 58, 96, 150, 151


def killed(gp: Gp, point: int, *words: object) -> bool:
    """Run in a process that dies at the ``point``-th moment before or after an APDU or a commit; whether it
    did."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    left = point

    def dying(method: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object) -> object:
            nonlocal left
            for act in (lambda: None, lambda: method(*arguments)):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                found = act()
            return found

        return wrapped

    SimulatedLink.transmit = dying(SimulatedLink.transmit)  # type: ignore[method-assign]
    Connection._commit_impl = dying(Connection._commit_impl)  # type: ignore[method-assign]
    code = 1
    try:
        code = main(["gp", "--reader", f"sim:{gp.card}", *map(str, words)])
    finally:
        os._exit(code)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process that dies is made by fork")
def test_a_program_killed_while_it_mends_a_torn_change_is_mended_in_turn(gp: Gp) -> None:
    """The card was torn before K-DEK, so that the new set opens a channel: what was not proved may at no
    moment look proved, or the old set is deleted and no key goes onto the card any more."""
    new = gp.key_file("new.toml")
    rotate = ("keys", "rotate", "--new-keys", new, "--new-version", "01")
    for write in range(1, 20):
        gp.card.unlink()
        gp.ledger.unlink(missing_ok=True)
        presets.write(gp.card, presets.with_quirks(company_card(), {"put_key_torn_set": True}))
        assert main(["gp", "--reader", f"sim:{gp.card}?cut={write}.before", *map(str, rotate)]) == GONE
        if [key["kid"] for key in gp.verb("keys", "list")["keys"] if key["version"] == "01"] == ["01", "02"]:
            break
    card, books = content(gp.card), gp.ledger.read_bytes()
    for point in range(1, 200):
        gp.card.unlink()
        presets.write(gp.card, card)
        for file in gp.ledger.parent.glob("ledger.db-*"):
            file.unlink()
        gp.ledger.write_bytes(books)
        if not killed(gp, point, *rotate):
            break
        gp(*rotate, code=SET_ASIDE if gp.books()[0] == "stock" else OUT_OF_USE)
        assert "FF" in {key["version"] for key in gp.verb("keys", "list")["keys"]}
    assert point > 20


def test_the_old_set_stays_while_the_new_one_is_in_doubt(gp: Gp) -> None:
    new = gp.key_file("new.toml")
    put = ("keys", "put", "--new-keys", new, "--new-version", "01")
    for write in range(1, 20):
        assert main(["gp", "--reader", f"sim:{gp.card}?cut={write}.after", *map(str, put)]) == GONE
        if {key["version"] for key in gp.verb("keys", "list")["keys"]} == {"01", "FF"}:
            break
        gp.new_card()
        gp.ledger.unlink()
    _, err = gp("--yes", "keys", "delete", "FF", code=UNFINISHED)
    assert "version FF is needed" in err
    gp("--dry-run", "keys", "rotate", "--new-keys", new, "--new-version", "01")
    gp("keys", "delete", "01", "--yes")  # the other way out
    gp(*put)
    gp("--keys", new, "keys", "delete", "FF")


def test_the_set_that_opened_the_channel_goes_only_after_a_question(gp: Gp) -> None:
    gp("keys", "put", "--new-keys", gp.key_file("new.toml"), "--new-version", "01")
    new = gp.folder / "new.toml"
    _, err = gp("--keys", new, "keys", "delete", "01", code=CONSENT)
    assert "Only version FF opens it afterwards" in err
    gp("--keys", new, "--yes", "keys", "delete", "01")


def test_a_token_key_is_no_key_set(gp: Gp) -> None:
    """Version 70, number 01: whoever counted it would delete the last set without a word."""
    token = gp.key_file("token.toml")
    gp("keys", "put-single", "--for", "token", "--new-keys", token, "--new-version", "70")
    _, err = gp("--yes", "keys", "delete", "FF", code=CONSENT)
    assert "only key set" in err
    gp("keys", "delete", "70")


def test_a_card_that_only_gives_the_number_of_another_gets_no_keys_unasked(gp: Gp) -> None:
    """Who has a card answer with the CPLC of an issued badge and the makers' keys would learn the badge's."""
    new, next_one = gp.key_file("new.toml"), gp.key_file("next.toml", OTHER_KEY)
    gp("keys", "rotate", "--new-keys", new, "--new-version", "01")
    gp.new_card()
    for verb in (["keys", "rotate"], ["keys", "put"]):
        _, err = gp(*verb, "--yes", "--new-keys", next_one, "--new-version", "02", code=CONSENT)
        assert "its maker learns the keys" in err
    gp("--keys", "default", "list")  # everybody can open it with these: the ledger learns nothing
    gp(
        "--keys",
        "default",
        "keys",
        "put",
        "--yes",
        "--new-keys",
        next_one,
        "--new-version",
        "02",
        code=CONSENT,
    )
    assert {key["version"] for key in gp.verb("keys", "list")["keys"]} == {"FF"}
    said = ("--yes", "--card", CARD)
    gp(*said, "keys", "rotate", "--new-keys", next_one, "--new-version", "02")


def test_keys_that_another_card_has_are_not_put(tmp_path: Path) -> None:
    """Diversified by what the card says in INITIALIZE UPDATE: two that say the same get the same keys."""
    ring = FileKeyRing.create(tmp_path / "ring.json", Secret(b"x"))
    ring.generate("cards", 16, algorithm="3des")
    keys = [
        ring.refer("cards", scheme="visa2", diversification=bytes(10), version=1, usage=usage)
        for usage in ("enc", "mac", "dek")
    ]
    custody = LedgerCustody(Ledger.open(tmp_path / "ledger.db"))

    def put(identity: bytes, refs: list[KeyRef]) -> int:
        return custody.record(identity, b"\xa0" * 8, Intent("gp:put-keys", {"version": 1}, refs))

    put(b"one", keys)
    put(b"one", keys)
    with pytest.raises(CardError) as found:
        put(b"two", keys)
    assert found.value.code == "gp.others_keys"
    fixed = [ring.refer("gp-default", scheme="fixed", diversification=b"", version=1, usage="enc")]
    put(b"one", fixed)
    put(b"two", fixed)
    custody.close()


def test_two_keys_of_one_name_are_told_apart_or_refused(gp: Gp) -> None:
    (gp.folder / "old").mkdir()
    (gp.folder / "new").mkdir()
    old, new = gp.key_file("old/card.toml"), gp.key_file("new/card.toml", OTHER_KEY)
    gp("keys", "rotate", "--new-keys", old, "--new-version", "01")
    words = ("--keys", old, "keys", "rotate", "--new-keys", new, "--new-version", "02")
    _, err = gp(*words, code=SAME_NAME)
    assert "card names two different keys" in err
    assert {key["version"] for key in gp.verb("keys", "list")["keys"]} == {"01"}
    gp("keys", "rotate", "--new-master", "default", "--new-version", "03", code=SAME_NAME)


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


def test_nobody_agrees_in_json_to_what_he_was_not_told(gp: Gp, monkeypatch: pytest.MonkeyPatch) -> None:
    _, err = gp("--json", "lock", "card", "--secure", code=CONSENT)
    assert json.loads(err)["code"] == "gp.consent"  # standard error has one object too
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    _, err = gp("--json", "lock", "card", "--secure")
    assert "never goes back" in err


def test_a_domain_goes_with_all_that_belongs_to_it(gp: Gp) -> None:
    """The card deletes no domain that anything belongs to: it goes last, and each thing is named before."""
    outer, inner, innermost = "F0746567617461AA", "F0746567617461BB", "F0746567617461CC"
    for name in (outer, inner, innermost):
        gp("domain", "create", name)
    gp("domain", "extradite", innermost, "--to", inner, "then", "domain", "extradite", inner, "--to", outer)
    _, err = gp("delete", outer, "--with-dependents", code=CONSENT)
    assert f"{innermost}, {inner}" in err
    foreseen = gp("--dry-run", "delete", outer, "--with-dependents", "then", "list")[0]
    assert inner not in foreseen
    gp("--yes", "delete", outer, "--with-dependents")
    assert "F07465676174" not in gp("list")[0].replace("F054454741544101", "")
