"""plan alters nothing, apply does its steps once, and what cannot be undone stands in the ledger before."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tegata.apdu import CardRemoved, InputError, Secret
from tegata.apdu.card import Card
from tegata.apdu.errors import Words
from tegata.applets.piv.host import Piv
from tegata.provisioning.issuance import Desk, apply, begin_work, make_plan, verify
from tegata.provisioning.ledger import Ledger, Line
from tegata.provisioning.orders import create_order
from tegata.provisioning.profile import Profile
from tegata.provisioning.roster import read_roster
from tegata.simulators.card import PowerCut, SimulatedCard

from .conftest import EMPLOYEE, ROOT, BadgeDesk, link
from .taps import (
    DELETE,
    EXTERNAL_AUTHENTICATE,
    GENERATE,
    INSTALL,
    PUT_DATA,
    PUT_KEY,
    STORE_DATA,
    Tap,
    memory_of,
    rows,
)

ALTERING = {PUT_KEY, DELETE, INSTALL, STORE_DATA, GENERATE, PUT_DATA}
NAMES = [
    "put-keys",
    "delete-factory-keys",
    "install:employee-id",
    "personalize:employee-id",
    "install:entry-badge",
    "personalize:entry-badge",
    "certify:9a",
    "write-objects",
]


def test_a_plan_alters_neither_card_nor_ledger(desk: Desk, new_card: Callable[..., SimulatedCard]) -> None:
    card = new_card()
    before, ledger = memory_of(card), rows(desk.ledger)
    tap = Tap(card)
    plan = make_plan(begin_work(desk, tap, employee=EMPLOYEE))
    assert [step.name for step in plan.steps] == NAMES
    assert plan.missing == plan.steps
    assert (plan.employee, plan.key_version) == (EMPLOYEE, 0xFF)
    assert (memory_of(card), rows(desk.ledger)) == (before, ledger)
    assert not ALTERING & set(tap.sent)
    assert tap.sent.count(EXTERNAL_AUTHENTICATE) == 1


def test_a_plan_speaks_both_languages(desk: Desk, new_card: Callable[..., SimulatedCard]) -> None:
    plan = make_plan(begin_work(desk, link(new_card()), employee=EMPLOYEE))
    for step in plan.steps:
        assert isinstance(step.what, Words)
        assert any(ord(char) > 0x3000 for char in step.what.ja)
        assert step.what.isascii()


def test_applying_again_changes_nothing(desk: Desk, new_card: Callable[..., SimulatedCard]) -> None:
    card = new_card()
    first = apply(begin_work(desk, link(card), employee=EMPLOYEE))
    assert first.done == [*NAMES, "finish"]
    before, ledger = memory_of(card), rows(desk.ledger)
    tap = Tap(card)
    second = apply(begin_work(desk, tap))
    assert (second.changed, second.found) == (False, NAMES)
    assert (memory_of(card), rows(desk.ledger)) == (before, ledger)
    assert not ALTERING & set(tap.sent)
    plan = make_plan(begin_work(desk, link(card)))
    assert (plan.missing, plan.key_version) == ((), 0x01)
    assert all(check.ok for check in verify(begin_work(desk, link(card))))
    assert (memory_of(card), rows(desk.ledger)) == (before, ledger)


def test_verify_sees_what_is_missing(desk: Desk, new_card: Callable[..., SimulatedCard]) -> None:
    card = new_card()
    apply(begin_work(desk, link(card), employee=EMPLOYEE))
    name = next(name for name in card.store.content if name.endswith("object/5FC102"))
    del card.store.content[name]
    failed = [check.what for check in verify(begin_work(desk, link(card))) if not check.ok]
    assert failed == ["write printed information, CCC and CHUID"]
    assert apply(begin_work(desk, link(card))).done == ["write-objects"]


@pytest.mark.parametrize("cut", [None, PowerCut(12, "inside")], ids=["finished", "torn"])
def test_two_stations_at_one_line(
    desk: Desk, new_card: Callable[..., SimulatedCard], cut: PowerCut | None
) -> None:
    """Both have read the order; the second is told, its card untouched, and takes the next line."""
    second = new_card(2)
    slower = begin_work(desk, link(second))
    with suppress(CardRemoved):
        apply(begin_work(desk, link(new_card(1, cut))))
    before, ledger = memory_of(second), rows(desk.ledger)
    with pytest.raises(InputError) as error:
        apply(slower)
    assert (error.value.code, error.value.exit_code) == ("order.taken", 194)
    assert (memory_of(second), rows(desk.ledger)) == (before, ledger)
    assert apply(begin_work(desk, link(second))).employee == "000102"


def open_intents(ledger: Ledger) -> list[tuple[str, int]]:
    """Step and id of the open intents that another process would find now."""
    with closing(sqlite3.connect(str(ledger.engine.url.database))) as database:
        return list(database.execute("select step, id from intents where state = 'open'"))


def test_every_intent_is_durable_before_its_first_apdu(
    desk: Desk, new_card: Callable[..., SimulatedCard]
) -> None:
    """At the moment of each altering APDU, exactly one step is open in the database, and the right one."""
    steps: dict[int, set[str]] = {}

    def look(ins: int) -> None:
        if ins in ALTERING:
            ((step, _),) = open_intents(desk.ledger)
            steps.setdefault(ins, set()).add(step)

    apply(begin_work(desk, Tap(new_card(), look), employee=EMPLOYEE))
    personalize = {"personalize:employee-id", "personalize:entry-badge"}
    assert steps == {
        PUT_KEY: {"put-keys"},
        DELETE: {"delete-factory-keys"},
        INSTALL: {"install:employee-id", "install:entry-badge"} | personalize,
        STORE_DATA: personalize,
        GENERATE: {"certify:9a"},
        PUT_DATA: {"certify:9a", "write-objects"},
    }
    assert open_intents(desk.ledger) == []


def test_keys_and_serial_are_durable_before_the_card_has_them(
    desk: Desk, new_card: Callable[..., SimulatedCard]
) -> None:
    seen: dict[int, object] = {}

    def look(ins: int) -> None:
        if ins in seen:
            return
        with closing(sqlite3.connect(str(desk.ledger.engine.url.database))) as database:
            keys = database.execute("select usage, version, state from card_keys order by id").fetchall()
            certificates = database.execute("select state, der is not null from certificates").fetchall()
        seen[ins] = {PUT_KEY: keys, GENERATE: certificates, PUT_DATA: certificates}.get(ins)

    apply(begin_work(desk, Tap(new_card(), look), employee=EMPLOYEE))
    sets = [(usage, 0xFF, "live") for usage in ("enc", "mac", "dek")]
    assert seen[PUT_KEY] == [*sets, *((usage, 1, "intended") for usage in ("enc", "mac", "dek"))]
    assert seen[GENERATE] == [("reserved", 0)]
    assert seen[PUT_DATA] == [("issued", 1)]


# A PIN that the holder types


@pytest.fixture
def typed_desk(badge_desk: BadgeDesk, tmp_path: Path) -> Desk:
    """A desk whose profile wants the PIN typed; nobody is asked yet."""
    values = badge_desk.profile.to_json()
    values["employee_id"]["pin"] = {"source": "typed"}
    ledger = Ledger.open(tmp_path / "typed.db")
    create_order(ledger, read_roster(ROOT / "examples" / "roster.csv"), Profile.from_json(values))
    return Desk(ledger, badge_desk.ring, badge_desk.ca)


def test_a_typed_pin_is_on_the_card_and_nowhere_else(
    typed_desk: Desk, new_card: Callable[..., SimulatedCard]
) -> None:
    asked: list[tuple[str, str]] = []

    def type_it(line: Line, name: str) -> Secret:
        asked.append((line.employee, name))
        return Secret(b"271828")

    card = new_card()
    outcome = apply(begin_work(replace(typed_desk, typed=type_it), link(card), employee=EMPLOYEE))
    assert (outcome.changed, asked) == (True, [(EMPLOYEE, "PIN")])
    assert not apply(begin_work(typed_desk, link(card))).changed
    piv = Piv(Card(link(card)))
    piv.select()
    piv.verify(Secret(b"271828"))
    assert "271828" not in "".join(rows(typed_desk.ledger))
    typed_desk.ledger.close()


def test_nobody_to_ask_is_said_before_anything_is_written(
    typed_desk: Desk, new_card: Callable[..., SimulatedCard]
) -> None:
    card = new_card()
    before, ledger = memory_of(card), rows(typed_desk.ledger)
    with pytest.raises(InputError) as error:
        apply(begin_work(typed_desk, link(card), employee=EMPLOYEE))
    assert (error.value.code, error.value.exit_code) == ("badge.pin_needed", 181)
    assert EMPLOYEE in error.value.sentence("ja")
    assert (memory_of(card), rows(typed_desk.ledger)) == (before, ledger)
    later = replace(typed_desk, typed=lambda line, name: Secret(b"314159"))
    assert "finish" in apply(begin_work(later, link(card))).done
    with typed_desk.ledger.read() as books:
        assert [badge.state for badge in books.badges(employee=EMPLOYEE)] == ["live", "live"]
    typed_desk.ledger.close()


def test_a_pin_of_the_wrong_form_is_asked_for_again(
    typed_desk: Desk, new_card: Callable[..., SimulatedCard]
) -> None:
    """It never reaches the card, and the next attempt finishes the badge."""
    card = new_card()
    wrong = replace(typed_desk, typed=lambda line, name: Secret(b"12"))
    with pytest.raises(InputError) as error:
        apply(begin_work(wrong, link(card), employee=EMPLOYEE))
    assert error.value.code == "pin.format"
    right = replace(typed_desk, typed=lambda line, name: Secret(b"161803"))
    assert apply(begin_work(right, link(card))).changed
    typed_desk.ledger.close()
