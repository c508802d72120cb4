"""Wrong keys: nothing is sent, nothing is spent, and a card of this desk is set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from tegata.apdu import CardChanged, CardError, CardRemoved, InputError, Secret
from tegata.provisioning.issuance import Desk, apply, begin_work, make_plan, verify
from tegata.provisioning.issuance.supervise import readmit, write_off
from tegata.provisioning.keyring import FileKeyRing
from tegata.simulators.apps.security_domain.keystore import key_record, read_record
from tegata.simulators.card import PowerCut, SimulatedCard

from .conftest import EMPLOYEE, BadgeDesk, link
from .taps import EXTERNAL_AUTHENTICATE, INITIALIZE_UPDATE, SELECT, Tap, memory_of, rows

COMPANY, FACTORY = "app/a000000151000000/key/01", "app/a000000151000000/key/ff"
GET_DATA = 0xCA


def spoil(card: SimulatedCard, name: str) -> None:
    """Somebody else's keys under the same version; the right ones when done twice."""
    spoilt = []
    for key in read_record(card.store.content[name], int(name[-2:], 16)):
        ((kind, value),) = key.components
        spoilt.append(replace(key, components=((kind, bytes(byte ^ 0x5A for byte in value)),)))
    card.store.content[name] = key_record(spoilt)


def refused(desk: Desk, card: SimulatedCard, act: Callable[..., object]) -> Tap:
    tap = Tap(card)
    before = memory_of(card)
    with pytest.raises(CardError) as error:
        act(begin_work(desk, tap, employee=EMPLOYEE))
    assert (error.value.code, error.value.exit_code) == ("badge.keys", 178)
    assert memory_of(card) == before
    assert EXTERNAL_AUTHENTICATE not in tap.sent
    return tap


def test_a_foreign_card_is_told_and_leaves_no_row(desk: Desk, new_card: Callable[..., SimulatedCard]) -> None:
    card, ledger = new_card(), rows(desk.ledger)
    spoil(card, FACTORY)
    for act in (make_plan, apply, verify):
        tap = refused(desk, card, act)
        assert tap.sent.count(INITIALIZE_UPDATE) == 1
        assert set(tap.sent) <= {SELECT, GET_DATA, INITIALIZE_UPDATE}
    assert rows(desk.ledger) == ledger


def test_a_card_of_the_desk_goes_to_quarantine(desk: Desk, new_card: Callable[..., SimulatedCard]) -> None:
    card = new_card()
    apply(begin_work(desk, link(card), employee=EMPLOYEE))
    spoil(card, COMPANY)
    ledger = rows(desk.ledger)
    for act in (make_plan, verify):
        refused(desk, card, act)
    assert rows(desk.ledger) == ledger
    tap = refused(desk, card, apply)
    assert tap.sent.count(INITIALIZE_UPDATE) == 1
    with desk.ledger.read() as books:
        (known,) = books.cards()
        assert (known.state, known.prior_state) == ("quarantine", "active")
    with pytest.raises(CardError) as error:
        begin_work(desk, link(card))
    assert (error.value.code, error.value.exit_code) == ("badge.out_of_use", 179)
    assert "隔離" in error.value.sentence("ja")
    assert "quarantine" in error.value.sentence("en")


@pytest.mark.parametrize("phase", ["before", "after"])
def test_each_candidate_is_asked_for_once(
    desk: Desk, new_card: Callable[..., SimulatedCard], phase: Literal["before", "after"]
) -> None:
    """Torn at PUT KEY the card may hold either set; with neither it is asked once for each, and no more."""
    untouched = new_card()
    make_plan(begin_work(desk, link(untouched), employee=EMPLOYEE))
    card = new_card(cut=PowerCut(untouched.writes_done, phase))
    with pytest.raises(CardRemoved):
        apply(begin_work(desk, link(card), employee=EMPLOYEE))
    card.store.recover()
    for name in {COMPANY, FACTORY} & card.store.content.keys():
        spoil(card, name)
    assert refused(desk, card, apply).sent.count(INITIALIZE_UPDATE) == 2


def test_out_of_quarantine_a_finished_badge_is_proved_again(
    desk: Desk, new_card: Callable[..., SimulatedCard]
) -> None:
    card = new_card()
    apply(begin_work(desk, link(card), employee=EMPLOYEE))
    spoil(card, COMPANY)
    refused(desk, card, apply)
    spoil(card, COMPANY)
    with desk.ledger.read() as books:
        (known,) = books.cards()
    readmit(desk.ledger, known.identity, "the reader was broken")
    assert apply(begin_work(desk, link(card))).done == ["finish"]
    assert all(check.ok for check in verify(begin_work(desk, link(card))))


def test_a_card_in_quarantine_can_be_written_off(desk: Desk, new_card: Callable[..., SimulatedCard]) -> None:
    card = new_card()
    apply(begin_work(desk, link(card), employee=EMPLOYEE))
    spoil(card, COMPANY)
    refused(desk, card, apply)
    assert write_off(desk.ledger, EMPLOYEE, "damaged").state == "terminated"
    with desk.ledger.read() as books:
        assert {badge.state for badge in books.badges(employee=EMPLOYEE)} == {"retired"}
        assert [found.state for found in books.certificates(employee=EMPLOYEE)] == ["revoked"]
    with pytest.raises(CardError) as error:
        begin_work(desk, link(card))
    assert error.value.code == "badge.out_of_use"


def test_a_lost_card_is_not_asked_for_again(desk: Desk, new_card: Callable[..., SimulatedCard]) -> None:
    apply(begin_work(desk, link(new_card(1)), employee=EMPLOYEE))
    write_off(desk.ledger, EMPLOYEE, "lost")
    with pytest.raises(InputError) as error:
        begin_work(desk, link(new_card(2)), employee=EMPLOYEE)
    assert (error.value.code, error.value.exit_code) == ("order.none_ready", 185)


@pytest.fixture
def other_ring(tmp_path: Path) -> Iterator[FileKeyRing]:
    """A ring with the same labels and other keys: the wrong file."""
    ring = FileKeyRing.create(tmp_path / "other.json", Secret(b"another passphrase"), name="desk")
    ring.import_default()
    for label in ("badges", "doors"):
        ring.generate(label)
    yield ring
    ring.close()


def test_the_wrong_key_ring_does_not_put_a_good_card_aside(
    badge_desk: BadgeDesk, desk: Desk, new_card: Callable[..., SimulatedCard], other_ring: FileKeyRing
) -> None:
    card = new_card()
    apply(begin_work(desk, link(card), employee=EMPLOYEE))
    before, ledger = memory_of(card), rows(desk.ledger)
    tap = Tap(card)
    with pytest.raises(InputError) as error:
        apply(begin_work(Desk(desk.ledger, other_ring, badge_desk.ca), tap))
    assert (error.value.code, error.value.exit_code) == ("keyring.kcv", 112)
    assert EXTERNAL_AUTHENTICATE not in tap.sent
    assert (memory_of(card), rows(desk.ledger)) == (before, ledger)


def test_another_card_for_the_line_of_a_torn_one(desk: Desk, new_card: Callable[..., SimulatedCard]) -> None:
    first, second = new_card(1), new_card(2)
    first.cut = PowerCut(12, "inside")
    with pytest.raises(CardError):
        apply(begin_work(desk, link(first), employee=EMPLOYEE))
    before, ledger = memory_of(second), rows(desk.ledger)
    with pytest.raises(CardChanged) as error:
        begin_work(desk, link(second), employee=EMPLOYEE)
    with desk.ledger.read() as books:
        assert error.value.details["expected"] == books.cards()[0].identity.hex().upper()
    assert (memory_of(second), rows(desk.ledger)) == (before, ledger)
    assert "finish" in apply(begin_work(desk, link(first), employee=EMPLOYEE)).done
