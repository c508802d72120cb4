"""A holder's own card: bound, never written; a copy of it opens no door."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tegata.apdu import CardError, InputError
from tegata.apdu.card import Card
from tegata.provisioning.issuance import Desk, DoorAnswer, apply, begin_work, bind, read_at_door
from tegata.provisioning.issuance.bind import bound_records
from tegata.provisioning.profile import Profile
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.presets import memory

from .conftest import link
from .taps import INITIALIZE_UPDATE, Tap, rows

HOLDER, OTHER = "000121", "000122"
DAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
SELECT, GET_DATA, INTERNAL_AUTHENTICATE = 0xA4, 0xCA, 0x88


@pytest.fixture(scope="module")
def contents() -> dict[str, dict[str, bytes]]:
    """Two holders' cards, a copy of the first with a key of its own, and a card without the application."""
    user_id = bytes(range(16))
    preset = "my-number-card-with-free-space"
    return {
        "first": memory(preset, 1, user_id=user_id),
        "second": memory(preset, 2),
        "copy": memory(preset, 3, user_id=user_id),
        "plain": memory("my-number-card", 4),
    }


@pytest.fixture
def card(contents: dict[str, dict[str, bytes]]) -> Callable[[str], SimulatedCard]:
    return lambda name: SimulatedCard(MemoryStore(contents[name]))


def at_door(desk: Desk, card: SimulatedCard, site: str = "TOKYO", moment: datetime = DAY) -> DoorAnswer:
    with desk.ledger.read() as books:
        bound, profile = bound_records(books), Profile.from_json(books.orders()[-1].profile)
    return read_at_door(Card(link(card)), desk.ring, profile, site, moment, bound=bound)


def test_binding_writes_nothing_and_opens_the_door(
    desk: Desk, card: Callable[[str], SimulatedCard], contents: dict[str, dict[str, bytes]]
) -> None:
    own = card("first")
    tap = Tap(own)
    binding = bind(desk, tap, HOLDER)
    assert binding.employee == HOLDER
    assert set(tap.sent) <= {SELECT, GET_DATA, INTERNAL_AUTHENTICATE}
    answer = at_door(desk, own)
    assert (answer.kind, answer.record.badge_number, answer.decision.granted) == (
        "free-space-id",
        HOLDER,
        True,
    )
    assert own.store.content == contents["first"]
    with desk.ledger.read() as books:
        assert [line.state for line in books.lines() if line.employee == HOLDER] == ["done"]
    assert desk.ledger.verify_audit() is None


def test_binding_again_changes_nothing(desk: Desk, card: Callable[[str], SimulatedCard]) -> None:
    first = bind(desk, link(card("first")), HOLDER)
    ledger = rows(desk.ledger)
    assert bind(desk, link(card("first")), HOLDER) == first
    assert rows(desk.ledger) == ledger


@pytest.mark.parametrize(("name", "employee"), [("first", OTHER), ("second", HOLDER)])
def test_one_card_one_employee(
    desk: Desk, card: Callable[[str], SimulatedCard], name: str, employee: str
) -> None:
    bind(desk, link(card("first")), HOLDER)
    ledger = rows(desk.ledger)
    with pytest.raises(InputError) as error:
        bind(desk, link(card(name)), employee)
    assert (error.value.code, error.value.exit_code) == ("ledger.one_badge", 122)
    assert rows(desk.ledger) == ledger


def test_nothing_of_the_card_is_kept(
    desk: Desk, card: Callable[[str], SimulatedCard], contents: dict[str, dict[str, bytes]]
) -> None:
    bind(desk, link(card("first")), HOLDER)
    kept = "".join(rows(desk.ledger)).lower()
    secrets = [
        value for name, value in contents["first"].items() if "free" in name or name.endswith("identity")
    ]
    assert secrets
    for value in (*secrets, bytes(range(16))):
        assert value.hex() not in kept
    with desk.ledger.read() as books:
        (binding,) = books.bindings()
    assert len(binding.subject) == 32


def test_a_copied_user_id_opens_no_door(desk: Desk, card: Callable[[str], SimulatedCard]) -> None:
    bind(desk, link(card("first")), HOLDER)
    with pytest.raises(CardError) as error:
        at_door(desk, card("copy"))
    assert (error.value.code, error.value.exit_code) == ("badge.unbound", 191)
    bind(desk, link(card("copy")), OTHER)  # it is a card of its own, and tied as such
    assert at_door(desk, card("copy")).record.badge_number == OTHER


def test_a_copy_of_all_that_can_be_read_opens_no_door(
    desk: Desk, card: Callable[[str], SimulatedCard], contents: dict[str, dict[str, bytes]]
) -> None:
    """Identity and public key of the first card, private key of another: it cannot prove itself."""
    bind(desk, link(card("first")), HOLDER)
    name = next(name for name in contents["first"] if name.endswith("/identity"))
    forged = dict(contents["copy"]) | {name: contents["first"][name]}
    copy = SimulatedCard(MemoryStore(forged))
    with pytest.raises(CardError) as error:
        at_door(desk, copy)
    assert (error.value.code, error.value.exit_code) == ("badge.forged", 169)
    with pytest.raises(CardError) as error:
        bind(desk, link(copy), OTHER)
    assert error.value.code == "badge.forged"


@pytest.mark.parametrize("name", ["plain", "company"])
def test_no_application_no_binding(
    desk: Desk, card: Callable[[str], SimulatedCard], new_card: Callable[..., SimulatedCard], name: str
) -> None:
    ledger = rows(desk.ledger)
    with pytest.raises(CardError) as error:
        bind(desk, link(new_card() if name == "company" else card(name)), HOLDER)
    assert (error.value.code, error.value.exit_code) == ("freespace.not_here", 149)
    assert rows(desk.ledger) == ledger


@pytest.mark.parametrize("name", ["first", "plain"])
def test_no_holders_card_is_ever_written(
    desk: Desk, card: Callable[[str], SimulatedCard], contents: dict[str, dict[str, bytes]], name: str
) -> None:
    own, ledger = card(name), rows(desk.ledger)
    for employee in ("000101", HOLDER, ""):
        tap = Tap(own)
        with pytest.raises(CardError) as error:
            apply(begin_work(desk, tap, employee=employee))
        assert (error.value.code, error.value.exit_code) == ("badge.my_number_card", 176)
        assert set(tap.sent) == {SELECT}
        assert INITIALIZE_UPDATE not in tap.sent
    assert own.store.content == contents[name]
    assert rows(desk.ledger) == ledger


def test_an_ended_binding_opens_no_door(desk: Desk, card: Callable[[str], SimulatedCard]) -> None:
    binding = bind(desk, link(card("first")), HOLDER)
    with desk.ledger.begin() as books:
        books.end_binding(binding.id)
    with pytest.raises(CardError) as error:
        at_door(desk, card("first"))
    assert error.value.code == "badge.unbound"
