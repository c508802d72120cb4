"""PINs: typed hidden, told before, never on a command line for a real card, the last try only when said."""

from __future__ import annotations

import pytest

from .conftest import JPKI, TEXT, NewCard, Shell, at_terminal

REAL = "pcsc:no such reader"


@pytest.mark.parametrize(
    "words",
    [
        ["attributes", "--pin", "4711"],
        ["number", "--purpose", "x", "--pin", "4711"],
        ["photo", "face.png", "--pin", "4711"],
        ["certs", "--pin", "4711"],
        ["change-pin", "auth", "--pin", "4711"],
        ["change-pin", "auth", "--new-pin", "4711"],
        ["identify", "--check-number", "4711"],
    ],
)
def test_no_pin_of_a_real_card_on_a_command_line(words: list[str], tegata: Shell) -> None:
    out, err = tegata(words[0], *words[1:], "--reader", REAL, code=100)
    assert "to simulated cards only" in err
    assert "4711" not in out + err


def test_a_wrong_pin_says_what_is_left_and_the_last_is_not_spent(new_card: NewCard, tegata: Shell) -> None:
    card = new_card()
    words = ["attributes", "--reader", card.url, "--pin"]
    _, err = tegata(*words, "9999", code=15)
    assert "tries left: 2" in err
    _, err = tegata(*words, "9999", code=15, lang="ja")
    assert "残り 1 回" in err
    _, err = tegata(*words, "1234", code=17)
    assert "Only one try is left" in err
    assert card.tries(TEXT, "0011") == 1
    assert "氏名" in tegata(*words, "1234", "--last-try", lang="ja")[0]
    assert card.tries(TEXT, "0011") == 3


def test_the_last_try_can_be_lost_when_it_was_asked_for(new_card: NewCard, tegata: Shell) -> None:
    card = new_card(changed={f"app/{TEXT}/tries/0011": b"\x01"})
    words = ["attributes", "--reader", card.url, "--pin", "9999"]
    tegata(*words, "--last-try", code=16)
    _, err = tegata(*words, code=16, lang="ja")
    assert "ロックされています" in err


@pytest.mark.parametrize("pin", ["12", "12345", "12a4", "１２３４"])
def test_a_pin_of_another_form_spends_nothing(pin: str, new_card: NewCard, tegata: Shell) -> None:
    card = new_card()
    _, err = tegata("attributes", "--reader", card.url, "--pin", pin, code=18)
    assert "must be 4 digits" in err
    assert card.tries(TEXT, "0011") == 3


def test_the_check_numbers_keep_their_last_try_too(new_card: NewCard, tegata: Shell) -> None:
    card = new_card(changed={f"app/{TEXT}/tries/0015": b"\x01"})
    words = ["--reader", card.url, "--by", "check-number-b", "--pin", card.check_number]
    _, err = tegata("attributes", *words, code=17)
    assert "check number B" in err
    assert card.tries(TEXT, "0015") == 1


def test_the_pin_is_typed_hidden_after_the_tries_were_told(new_card: NewCard) -> None:
    card = new_card(changed={f"app/{TEXT}/tries/0011": b"\x02"})
    code, shown = at_terminal(["mynumber", "attributes", "--reader", card.url], [("PIN", "1234")])
    assert code == 0
    assert "2 tries are left." in shown
    assert "1234" not in shown
    assert "Name: " in shown


def test_without_a_terminal_nobody_types(new_card: NewCard, tegata: Shell) -> None:
    card = new_card()
    _, err = tegata("attributes", "--reader", card.url, code=245)
    assert "no terminal to type it at" in err
    assert card.tries(TEXT, "0011") == 3


@pytest.mark.parametrize(
    ("which", "old", "new"),
    [
        ("auth", "1234", "4321"),
        ("sign", "ABC123", "xyz789"),
        ("text", "1234", "4321"),
        ("juki", "1234", "0000"),
    ],
)
def test_a_pin_is_changed(which: str, old: str, new: str, new_card: NewCard, tegata: Shell) -> None:
    card = new_card()
    words = ["change-pin", which, "--reader", card.url]
    out, _ = tegata(*words, "--pin", old, "--new-pin", new)
    assert out.startswith("Changed: ") and new not in out
    tegata(*words, "--pin", old, "--new-pin", new, code=15)
    assert "変更しました" in tegata(*words, "--pin", new, "--new-pin", old, lang="ja")[0]


def test_a_new_pin_of_the_wrong_form_changes_nothing(new_card: NewCard, tegata: Shell) -> None:
    card = new_card()
    before = card.content()
    words = ["change-pin", "sign", "--reader", card.url, "--pin", "ABC123", "--new-pin"]
    for new in ("ABCDEF", "123456", "A1", "A" * 9 + "1" * 9):
        _, err = tegata(*words, new, code=18)
        assert "6 to 16 letters and digits, both of them" in err
    assert card.content() == before


def test_a_new_pin_is_typed_twice(new_card: NewCard) -> None:
    card = new_card()
    typed = [("authentication PIN", "1234"), ("The new one", "8642"), ("Repeat", "8642")]
    code, shown = at_terminal(["mynumber", "change-pin", "auth", "--reader", card.url], typed)
    assert code == 0, shown
    assert "Changed: authentication PIN" in shown
    assert "8642" not in shown
    assert card.content()[f"app/{JPKI}/pin/0018"] == b"8642"
