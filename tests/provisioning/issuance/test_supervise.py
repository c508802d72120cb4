"""Cards that are gone for good, and cards that come out of quarantine."""

from collections.abc import Callable

import pytest

from tegata.apdu import CardError, CardRemoved, InputError
from tegata.provisioning.issuance import Desk, apply, begin_work
from tegata.provisioning.issuance.supervise import readmit, replace_badge, write_off
from tegata.simulators.card import PowerCut, SimulatedCard

from .conftest import EMPLOYEE, link

LAST_WRITES = PowerCut(33, "after")


def test_a_card_destroyed_in_the_middle_frees_its_line(
    desk: Desk, new_card: Callable[..., SimulatedCard]
) -> None:
    with pytest.raises(CardRemoved):
        apply(begin_work(desk, link(new_card(1, LAST_WRITES)), employee=EMPLOYEE))
    assert write_off(desk.ledger, EMPLOYEE, "damaged").state == "damaged"
    other = new_card(2)
    apply(begin_work(desk, link(other), employee=EMPLOYEE))
    with desk.ledger.read() as books:
        assert [badge.state for badge in books.badges(employee=EMPLOYEE)].count("live") == 2
        states = [found.state for found in books.certificates(employee=EMPLOYEE)]
        assert states.count("delivered") == 1
        assert "issued" not in states
        assert all(books.intents(card.id) == [] for card in books.cards())
    assert desk.ledger.verify_audit() is None


def test_a_lost_badge_is_retired_and_its_certificate_revoked(
    desk: Desk, new_card: Callable[..., SimulatedCard]
) -> None:
    card = new_card(1)
    apply(begin_work(desk, link(card), employee=EMPLOYEE))
    assert write_off(desk.ledger, EMPLOYEE, "lost").state == "lost"
    with desk.ledger.read() as books:
        assert {badge.state for badge in books.badges(employee=EMPLOYEE)} == {"retired"}
        (certificate,) = books.certificates(employee=EMPLOYEE)
        assert (certificate.state, certificate.reason) == ("revoked", "key_compromise")
    with pytest.raises(CardError) as caught:
        begin_work(desk, link(card))
    assert caught.value.code == "badge.out_of_use"


def test_a_lost_badge_is_replaced_by_one_with_an_identity_of_its_own(
    desk: Desk, new_card: Callable[..., SimulatedCard]
) -> None:
    first, second = new_card(1), new_card(2)
    apply(begin_work(desk, link(first), employee=EMPLOYEE))
    with pytest.raises(InputError):
        replace_badge(desk.ledger, EMPLOYEE)  # it is still in use
    write_off(desk.ledger, EMPLOYEE, "lost")
    order = replace_badge(desk.ledger, EMPLOYEE)
    with pytest.raises(InputError):
        replace_badge(desk.ledger, EMPLOYEE)  # its line is open already
    work = begin_work(desk, link(second), employee=EMPLOYEE)
    assert work.line.order_id == order.id
    apply(work)
    guid, diversifier = (
        "app/a000000308000010000100/guid",
        "app/f0544547415441010101/diversifier",
    )
    for name in (guid, diversifier):
        assert first.store.content[name] != second.store.content[name]
    with desk.ledger.read() as books:
        assert [badge.state for badge in books.badges(employee=EMPLOYEE)].count("live") == 2
        states = sorted(found.state for found in books.certificates(employee=EMPLOYEE))
        assert states == ["delivered", "revoked"]


def test_nothing_to_write_off(desk: Desk) -> None:
    with pytest.raises(InputError) as caught:
        write_off(desk.ledger, EMPLOYEE, "stolen")
    assert caught.value.code == "order.no_line"


def test_out_of_quarantine_the_badge_is_finished(desk: Desk, new_card: Callable[..., SimulatedCard]) -> None:
    card = new_card(1)
    card.cut = PowerCut(12, "after")
    with pytest.raises(CardRemoved):
        apply(begin_work(desk, link(card), employee=EMPLOYEE))
    with desk.ledger.begin() as books:
        (known,) = books.cards()
        books.move_card(known.id, "quarantine", "test")
    with pytest.raises(CardError):
        begin_work(desk, link(card), employee=EMPLOYEE)
    readmit(desk.ledger, known.identity, "looked at under the lamp")
    apply(begin_work(desk, link(card), employee=EMPLOYEE))
    with desk.ledger.read() as books:
        assert books.card(known.id).state == "active"
    with pytest.raises(InputError) as caught:
        readmit(desk.ledger, known.identity, "again")
    assert caught.value.code == "badge.no_card"
