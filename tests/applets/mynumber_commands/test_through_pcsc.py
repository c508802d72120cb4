"""The same commands at a reader of PC/SC: the PIN is typed at a terminal, since the card might be real."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import TEGATA, TEXT, NewCard, at_terminal

pytestmark = pytest.mark.foreign


def call(card: Path, *words: str) -> list[str]:
    """A command in front of a card, through libpcsclite."""
    return ["sim", "run", str(card), "--", str(TEGATA), "mynumber", *words, "--reader", "pcsc:"]


def test_attributes_by_a_pin_that_is_typed(new_card: NewCard) -> None:
    card = new_card("moved")
    code, shown = at_terminal(call(card.path, "attributes", "--anchors", "sim"), [("PIN", "1234")])
    assert code == 0, shown
    assert "Name: 転居　健人" in shown and "valid to anchor sim" in shown
    assert "1234" not in shown


def test_a_pin_on_the_command_line_is_refused_before_the_card_is_asked(new_card: NewCard) -> None:
    card = new_card("moved")
    code, shown = at_terminal(call(card.path, "attributes", "--pin", "9999"), [])
    assert code == 100, shown
    assert "9999" not in shown
    assert card.tries(TEXT, "0011") == 3


def test_identify_by_the_number_on_the_face(new_card: NewCard) -> None:
    card = new_card("moved")
    typed = [("check number B", card.check_number)]
    code, shown = at_terminal(call(card.path, "identify", "--anchors", "sim"), typed)
    assert code == 0, shown
    assert "Genuine, and valid today." in shown
