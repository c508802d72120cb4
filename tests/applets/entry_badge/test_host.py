"""Door and desk against the simulated badge, personalised over SCP03."""

from __future__ import annotations

import dataclasses

import pytest

from tegata.apdu import Command, Secret
from tegata.apdu.errors import CardError, CardRemoved, StatusError
from tegata.applets.entry_badge import host, model
from tegata.applets.security_domain.model.dgi import Dgi
from tegata.simulators.card import LifeCycle, MemoryStore, PowerCut

from ..desk import RECORD, SITE, Desk

AID = model.INSTANCE_AID
ELSEWHERE = dataclasses.replace(RECORD, site=9, badge_number="OTHER", access_classes=frozenset())


def life_cycle(desk: Desk) -> int | None:
    desk.open()
    return next((entry.life_cycle for entry in desk.domain.registry() if entry.aid == AID), None)


def test_a_door_reads_the_badge_in_two_apdus(desk: Desk) -> None:
    desk.issue_badge()
    before = desk.simulated.clock.apdus
    assert desk.door().read(desk.card) == RECORD
    assert desk.simulated.clock.apdus - before == 2
    assert life_cycle(desk) == LifeCycle.PERSONALIZED


def test_a_door_with_keys_of_its_own_reads_it_too(desk: Desk) -> None:
    desk.issue_badge()
    master = bytes(range(32))
    keys = {1: (Secret(model.site_key(master, SITE, 1)), Secret(model.privacy_key(master, SITE, 1)))}
    assert host.Door(host.SiteKeys(SITE, keys)).read(desk.card) == RECORD


def test_no_badge_and_a_foreign_badge_have_their_sentences(desk: Desk) -> None:
    with pytest.raises(CardError) as absent:
        desk.door().read(desk.card)
    desk.issue_badge()
    with pytest.raises(CardError) as foreign:
        desk.door(site=SITE + 1).read(desk.card)
    with pytest.raises(CardError) as old:
        desk.door(2).read(desk.card)
    codes = [absent.value.code, foreign.value.code, old.value.code]
    assert codes == ["badge.absent", "badge.foreign", "badge.foreign"]


def test_a_door_with_the_privacy_key_alone_is_refused(desk: Desk) -> None:
    desk.issue_badge()
    master = bytes(range(32))
    keys = {1: (Secret(bytes(16)), Secret(model.privacy_key(master, SITE, 1)))}
    with pytest.raises(CardError) as refused:
        host.Door(host.SiteKeys(SITE, keys)).read(desk.card)
    assert refused.value.code == "badge.refused"


def test_two_sites_learn_nothing_of_each_other(desk: Desk) -> None:
    desk.issue_badge(desk.slot(RECORD, 1), desk.slot(ELSEWHERE, 1, slot=2, site=9))
    assert desk.door().read(desk.card) == RECORD
    assert desk.door(site=9).read(desk.card) == ELSEWHERE


def test_a_badge_holds_four_pairs_and_no_more(desk: Desk) -> None:
    slots = [
        desk.slot(dataclasses.replace(RECORD, site=site), 1, slot=slot, site=site)
        for slot, site in enumerate((7, 8, 9, 10), start=1)
    ]
    desk.issue_badge(*slots)
    assert len(desk.card.select(AID).data) <= 256
    assert [desk.door(site=site).read(desk.card).site for site in (7, 8, 9, 10)] == [7, 8, 9, 10]
    with pytest.raises(StatusError) as full:
        desk.update_badge(host.update(desk.ring, desk.maker_key("dek"), [desk.slot(None, 2)]))
    assert full.value.sw == 0x6A80
    assert desk.door().read(desk.card).site == SITE


def test_a_block_out_of_order_starts_over(desk: Desk) -> None:
    desk.open()
    desk.install_badge()
    stream = b"".join(bytes(Dgi(number, value)) for number, value, _ in desk.badge_groupings())
    pieces = (stream[:40], stream[40:90], stream[90:])

    def store(p1: int, number: int, piece: int) -> bool:
        return desk.card.send(Command(0x80, 0xE2, p1, number, pieces[piece])).ok

    desk.domain.install_for_personalization(AID)
    assert store(0x28, 0, 0)
    assert not store(0xA8, 2, 2)
    assert not store(0xA8, 1, 1)
    assert life_cycle(desk) == LifeCycle.SELECTABLE
    desk.domain.install_for_personalization(AID)
    assert store(0x28, 0, 0)
    assert store(0x28, 1, 1)
    with pytest.raises(CardError):
        desk.door().read(desk.card)
    desk.open()
    desk.domain.install_for_personalization(AID)
    assert store(0x28, 0, 0)
    assert store(0x28, 1, 1)
    assert store(0xA8, 2, 2)
    assert desk.door().read(desk.card) == RECORD


def test_a_rotation_from_one_version_to_the_next(desk: Desk) -> None:
    desk.issue_badge()
    dek = desk.maker_key("dek")
    desk.update_badge(host.update(desk.ring, dek, [desk.slot(None, 2)]))
    assert desk.door(1).read(desk.card) == desk.door(2).read(desk.card) == desk.door(1, 2).read(desk.card)
    later = dataclasses.replace(RECORD, valid_until=RECORD.valid_until.replace(year=2030))
    forgotten = [host.forget_version(1, 1), *host.update(desk.ring, dek, [desk.slot(later)])]
    desk.update_badge(forgotten)
    with pytest.raises(CardError):
        desk.door(1).read(desk.card)
    assert desk.door(1, 2).read(desk.card) == later


@pytest.mark.parametrize("missing", range(4))
def test_a_personalisation_that_lacks_anything_leaves_the_badge_as_it_was(desk: Desk, missing: int) -> None:
    desk.open()
    desk.install_badge()
    groupings = desk.badge_groupings()
    assert len(groupings) == 4
    with pytest.raises(StatusError) as refused:
        desk.personalize(AID, groupings[:missing] + groupings[missing + 1 :])
    assert refused.value.sw == 0x6A80
    assert life_cycle(desk) == LifeCycle.SELECTABLE
    with pytest.raises(CardError):
        desk.door().read(desk.card)
    desk.open()
    desk.personalize(AID, groupings)
    assert desk.door().read(desk.card) == RECORD


def test_a_wrong_check_value_is_refused(desk: Desk) -> None:
    desk.open()
    desk.install_badge()
    groupings = desk.badge_groupings()
    number, value, secret = groupings[2]
    groupings[2] = (number, value[:1] + b"\x00\x00\x00" + value[4:], secret)
    with pytest.raises(StatusError) as refused:
        desk.personalize(AID, groupings)
    assert refused.value.sw == 0x6982
    assert life_cycle(desk) == LifeCycle.SELECTABLE


def test_the_last_version_of_a_slot_cannot_be_forgotten(desk: Desk) -> None:
    desk.issue_badge()
    with pytest.raises(StatusError):
        desk.update_badge([host.forget_version(1, 1)])
    assert desk.door().read(desk.card) == RECORD


def test_a_cut_at_every_write_leaves_a_blank_or_a_whole_badge(desk: Desk) -> None:
    desk.open()
    desk.install_badge()
    assert isinstance(desk.store, MemoryStore)
    installed = desk.store.fork()
    first = desk.simulated.writes_done
    desk.open()
    desk.personalize(AID, desk.badge_groupings())
    writes = desk.simulated.writes_done - first
    assert writes > 6
    outcomes = {cut_at(desk, installed.fork(), write, phase) for write in range(writes) for phase in PHASES}
    assert outcomes == {LifeCycle.SELECTABLE, LifeCycle.PERSONALIZED}


PHASES = ("before", "inside", "after")


def personalize_once_more(desk: Desk) -> None:
    desk.open()
    desk.personalize(AID, desk.badge_groupings())


def cut_at(desk: Desk, store: MemoryStore, write: int, phase: str) -> int | None:
    """The life cycle after a cut; whatever it is, the badge is finished and read afterwards."""
    torn = Desk(desk.ring, store)
    torn.simulated.cut = PowerCut(write, phase)  # type: ignore[arg-type] # one of the three
    with pytest.raises(CardRemoved):
        personalize_once_more(torn)
    torn.repower()
    found = life_cycle(torn)
    if found == LifeCycle.SELECTABLE:
        assert not [name for name in store.content if name.startswith(f"app/{AID.hex()}/")]
        torn.personalize(AID, torn.badge_groupings())
    assert torn.door().read(torn.card) == RECORD
    return found
