"""A company card at the door: who is let in, and why others are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tegata.apdu import CardError, InputError
from tegata.apdu.card import Card
from tegata.applets.entry_badge.host import Reason
from tegata.provisioning.issuance import Desk, apply, begin_work, read_at_door
from tegata.simulators.card import SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.card.journal import MemoryStore
from tegata.simulators.presets import memory

from .conftest import EMPLOYEE, BadgeDesk, link
from .taps import memory_of

DAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
JAPAN = timezone(timedelta(hours=9))


@pytest.fixture(scope="module")
def issued(badge_desk: BadgeDesk) -> Iterator[tuple[Desk, SimulatedCard]]:
    """A badge for TOKYO, classes office and archive, from 2026-04-01 to 2031-03-31."""
    desk = badge_desk.open("door")
    card = SimulatedCard(MemoryStore(memory("company-card", 9)), entropy=seeded(b"door"))
    apply(begin_work(desk, link(card), employee=EMPLOYEE))
    yield desk, card
    desk.ledger.close()


@pytest.mark.parametrize(
    ("moment", "access_class", "reason"),
    [
        (DAY, None, Reason.GRANTED),
        (DAY, "office", Reason.GRANTED),
        (DAY, "archive", Reason.GRANTED),
        (DAY, "server-room", Reason.NO_ACCESS),
        (datetime(2026, 3, 31, 23, 59, 59, tzinfo=JAPAN), "office", Reason.NOT_YET_VALID),
        (datetime(2026, 4, 1, tzinfo=JAPAN), "office", Reason.GRANTED),
        (datetime(2031, 3, 31, 23, 59, 59, tzinfo=JAPAN), "office", Reason.GRANTED),
        (datetime(2031, 4, 1, tzinfo=JAPAN), "office", Reason.EXPIRED),
        (datetime(2031, 4, 1, tzinfo=JAPAN), "server-room", Reason.EXPIRED),
    ],
)
def test_who_is_let_in(
    badge_desk: BadgeDesk,
    issued: tuple[Desk, SimulatedCard],
    moment: datetime,
    access_class: str | None,
    reason: Reason,
) -> None:
    desk, card = issued
    before = memory_of(card)
    answer = read_at_door(
        Card(link(card)), desk.ring, badge_desk.profile, "TOKYO", moment, access_class=access_class
    )
    assert (answer.kind, answer.record.badge_number) == ("entry-badge", EMPLOYEE)
    assert answer.decision.reason is reason
    assert answer.decision.granted is (reason is Reason.GRANTED)
    assert memory_of(card) == before


def test_another_site_cannot_read_it(badge_desk: BadgeDesk, issued: tuple[Desk, SimulatedCard]) -> None:
    desk, card = issued
    with pytest.raises(CardError) as error:
        read_at_door(Card(link(card)), desk.ring, badge_desk.profile, "OSAKA", DAY)
    assert (error.value.code, error.value.exit_code) == ("badge.foreign", 167)


@pytest.mark.parametrize(
    ("site", "access_class", "code"), [("KYOTO", None, "badge.site"), ("TOKYO", "roof", "badge.access_class")]
)
def test_doors_that_the_profile_does_not_describe(
    badge_desk: BadgeDesk, issued: tuple[Desk, SimulatedCard], site: str, access_class: str | None, code: str
) -> None:
    desk, card = issued
    with pytest.raises(InputError) as error:
        read_at_door(Card(link(card)), desk.ring, badge_desk.profile, site, DAY, access_class=access_class)
    assert error.value.code == code


def test_a_blank_card_is_no_badge(
    badge_desk: BadgeDesk, issued: tuple[Desk, SimulatedCard], new_card: Callable[..., SimulatedCard]
) -> None:
    with pytest.raises(CardError) as error:
        read_at_door(Card(link(new_card())), issued[0].ring, badge_desk.profile, "TOKYO", DAY)
    assert (error.value.code, error.value.exit_code) == ("badge.absent", 166)
