"""Power cut at every write and card taken away at every APDU: load, install, personalise, PUT KEY, delete.

Recovery is the same operation again: connect, see what is done, do the rest. Every card must end as one that
was never torn; what may differ are counters. The card's own recovery runs when it is powered again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import get_args

import pytest

from tegata.apdu import CardError, CardRemoved, StatusError
from tegata.apdu.card import Card
from tegata.apdu.ports import KeySet
from tegata.apdu.scp import recognise
from tegata.applets.security_domain import Load, LoadState, SecurityDomain, loading
from tegata.provisioning.keyring import FileKeyRing
from tegata.simulators.card import MemoryStore, PowerCut, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.link import Phase, SimulatedLink
from tegata.simulators.presets import memory, with_quirks

from ...foreign.gpp.cap import build_cap, read_cap
from .conftest import key_set

PHASES: tuple[Phase, ...] = get_args(Phase)
SCP03_CARD, SCP02_CARD = "gp-card", "gp-scp02"
PACKAGE, MODULE = bytes.fromhex("D2760000854701"), bytes.fromhex("D276000085470101")
INSTANCE, SSD = bytes.fromhex("D27600008547010101"), bytes.fromhex("D27600008553")
SEED = 20261126
CODE = read_cap(build_cap(PACKAGE, MODULE, 700)).code
INITIALIZE_UPDATE = 0x50
NOT_FOUND = 0x6A88


class NoKeys(Exception):
    """No candidate is what the card holds: a case for the quarantine."""


class Taken(SimulatedLink):
    """Keeps the instructions that it passed. When ``desk`` has no exchange ``left``, the card is gone."""

    def __init__(self, card: SimulatedCard, desk: Desk) -> None:
        super().__init__(card)
        self._desk = desk
        self.sent: list[int] = []

    def transmit(self, command: bytes) -> bytes:
        if self._desk.left == 0:
            self.card.power_down()
            raise CardRemoved(what="APDU")
        if self._desk.left is not None:
            self._desk.left -= 1
        self._desk.exchanges += 1
        self.sent.append(command[1])
        return super().transmit(command)


@dataclass
class Desk:
    """Who holds the keys, and works at which level."""

    ring: FileKeyRing
    factory: KeySet
    company: KeySet
    domain_keys: KeySet
    level: int
    left: int | None = None
    exchanges: int = 0
    link: Taken = field(init=False)

    def contact(self, card: SimulatedCard, *candidates: KeySet, aid: bytes | None = None) -> SecurityDomain:
        """The card put on a reader (again) and a channel to it, with the first candidate that it proves to
        hold. Raises NoKeys when it is none of them; nothing but INITIALIZE UPDATE was sent then."""
        card.power_down()
        self.link = Taken(card, self)
        domain = SecurityDomain(Card(self.link), aid)
        domain.select()
        known = candidates or (self.factory,)
        for version in dict.fromkeys(keys.version for keys in known):
            try:
                handshake = domain.initialize_update(version)
            except StatusError as error:
                if error.sw != NOT_FOUND:
                    raise
                continue
            of_version = [keys for keys in known if keys.version == version]
            if keys := recognise(handshake, self.ring, of_version, domain.aid):
                domain.authenticate(handshake, self.ring, keys, self.level)
                return domain
        raise NoKeys


def load_it(desk: Desk, card: SimulatedCard) -> None:
    domain = desk.contact(card)
    what = Load.of(CODE)
    loading.cleanup(domain, what)
    if loading.load_state(domain, what) is not LoadState.COMPLETE:
        domain.load(what)


def install_it(desk: Desk, card: SimulatedCard) -> None:
    domain = desk.contact(card)
    if domain.find(INSTANCE) is None:
        domain.install(PACKAGE, MODULE, INSTANCE)


def create_domain(desk: Desk, card: SimulatedCard) -> None:
    domain = desk.contact(card)
    if domain.find(SSD) is None:
        domain.create_domain(SSD)


def personalise_it(desk: Desk, card: SimulatedCard) -> None:
    """A supplementary domain gets its keys, whole or not at all: anybody may read whether it has them."""
    domain = desk.contact(card)
    own = SecurityDomain(domain.card, SSD)
    own.select()
    if not own.key_versions():
        domain = desk.contact(card)
        domain.install_for_personalization(SSD)
        domain.store_data(domain.key_set_groupings(desk.ring, desk.domain_keys))
    desk.contact(card, desk.domain_keys, aid=SSD)


def put_keys(desk: Desk, card: SimulatedCard) -> None:
    """New keys under a version of their own; the old ones go after the new ones have opened a channel."""
    domain = desk.contact(card, desk.company, desk.factory)
    if desk.company.version not in domain.key_versions():
        domain.put_key_set(desk.ring, desk.company)
        domain = desk.contact(card, desk.company)
    if desk.factory.version in domain.key_versions():
        domain.delete_key_set(desk.factory.version)


def replace_keys(desk: Desk, card: SimulatedCard) -> None:
    """New keys in the place of the old ones, in one command."""
    domain = desk.contact(card, desk.company, desk.factory)
    if desk.company.version not in domain.key_versions():
        domain.put_key_set(desk.ring, desk.company, replace=desk.factory.version)


def delete_it(desk: Desk, card: SimulatedCard) -> None:
    domain = desk.contact(card)
    if domain.find(PACKAGE) is not None:
        domain.delete(PACKAGE, related=True)
    assert domain.find(INSTANCE) is None


Operation = Callable[[Desk, SimulatedCard], None]


@dataclass(frozen=True)
class Sweep:
    """``before`` happens on the same card first; ``quirks`` are the card's."""

    name: str
    operation: Operation
    before: tuple[Operation, ...] = ()
    quirks: dict[str, bool | int] = field(default_factory=dict)
    preset: str = SCP03_CARD


SWEEPS = (
    Sweep("load", load_it),
    Sweep("load on a card that keeps pieces", load_it, quirks={"load_leaves_garbage": True}),
    Sweep("install", install_it, before=(load_it,)),
    Sweep("personalise", personalise_it, before=(create_domain,)),
    Sweep("PUT KEY, new version", put_keys),
    Sweep("PUT KEY, replacing", replace_keys),
    Sweep("PUT KEY, new version, 3DES", put_keys, preset=SCP02_CARD),
    Sweep("PUT KEY, replacing, 3DES", replace_keys, preset=SCP02_CARD),
    Sweep("delete", delete_it, before=(load_it, install_it)),
)


def desk_for(ring: FileKeyRing, preset: str) -> Desk:
    """The keys for a card of this preset."""
    kind = "3des" if preset == SCP02_CARD else "aes"
    return Desk(
        ring,
        factory=key_set(ring, "gp-default", 0xFF, scheme="fixed", algorithm=kind),
        company=key_set(ring, "badges", 0x30, algorithm=kind),
        domain_keys=key_set(ring, "badges", 0x20, algorithm=kind),
        level=0x03 if preset == SCP02_CARD else 0x33,
    )


def card_of(content: dict[str, bytes], cut: PowerCut | None = None) -> SimulatedCard:
    return SimulatedCard(MemoryStore(content), entropy=seeded(b"sweep"), contactless=False, cut=cut)


def comparable(card: SimulatedCard) -> dict[str, bytes]:
    """The memory without what counts sessions."""
    return {name: value for name, value in card.store.content.items() if "/sequence/" not in name}


def torn(desk: Desk, operation: Operation, card: SimulatedCard, point: PowerCut | int) -> bool:
    """Begin ``operation`` and tear it at a write or after so many exchanges; whether that was reached."""
    if isinstance(point, int):
        desk.left, card.cut = point, None
    else:
        desk.left, card.cut, card.writes_done = None, point, 0
    try:
        operation(desk, card)
    except CardRemoved:
        return True
    finally:
        desk.left, card.cut = None, None
    return False


class Course:
    """The card before the operation, what it holds after an untorn one, and every point of tearing it."""

    def __init__(self, ring: FileKeyRing, sweep: Sweep) -> None:
        self.desk = desk_for(ring, sweep.preset)
        self.operation = sweep.operation
        prepared = card_of(with_quirks(memory(sweep.preset, 7), sweep.quirks))
        for step in sweep.before:
            step(self.desk, prepared)
        self.content = prepared.store.content
        untorn, self.desk.exchanges = card_of(self.content), 0
        self.operation(self.desk, untorn)
        self.expected, self.writes, self.exchanges = (
            comparable(untorn),
            untorn.writes_done,
            self.desk.exchanges,
        )
        cuts = [PowerCut(write, phase) for write in range(self.writes) for phase in PHASES]
        self.points: list[PowerCut | int] = [*cuts, *range(self.exchanges)]

    def run(self, first: PowerCut | int, second: PowerCut | int | None = None) -> bool:
        """Tear at ``first``, perhaps the recovery at ``second``, then finish; whether it was torn twice."""
        card = card_of(self.content)
        assert torn(self.desk, self.operation, card, first), f"{first} was never reached"
        again = second is not None and torn(self.desk, self.operation, card, second)
        self.operation(self.desk, card)
        assert comparable(card) == self.expected, f"another card after {first} and {second}"
        return again


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.name)
def test_every_tear_is_recovered(
    ring: FileKeyRing, sweep: Sweep, record_property: Callable[[str, object], None]
) -> None:
    course = Course(ring, sweep)
    chance = random.Random(SEED)  # noqa: S311 - a repeatable choice, not a secret
    again = 0
    for point in course.points:
        again += course.run(point, chance.choice(course.points) if chance.random() < 0.2 else None)
    assert course.writes >= 3
    record_property(
        "figure",
        f"tear sweep, {sweep.name}: {len(course.points)} points ({course.writes} writes before, inside and "
        f"after; {course.exchanges} APDUs), {again} torn twice; every card finished",
    )


@pytest.mark.campaign
@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.name)
def test_every_pair_of_tears_is_recovered(
    ring: FileKeyRing, sweep: Sweep, record_property: Callable[[str, object], None]
) -> None:
    course = Course(ring, sweep)
    pairs = sum(course.run(first, second) for first in course.points for second in course.points)
    assert pairs >= len(course.points)
    record_property("figure", f"tear sweep, {sweep.name}: {pairs} pairs of tears; every card finished")


@pytest.mark.parametrize("preset", [SCP03_CARD, SCP02_CARD])
def test_a_mixed_key_set_is_seen_before_anything_is_sent(ring: FileKeyRing, preset: str) -> None:
    """Quirk put_key_torn_set: PUT KEY writes key by key. While ENC alone is new, one set proves the
    cryptogram and the other foretells the challenge: neither is taken, no EXTERNAL AUTHENTICATE is sent."""
    desk = desk_for(ring, preset)
    prepared = card_of(with_quirks(memory(preset, 7), {"put_key_torn_set": True}))
    put_keys(desk, prepared)
    content = prepared.store.content
    kind = desk.company.enc.algorithm
    known = key_set(ring, "gp-default", desk.company.version, scheme="fixed", algorithm=kind)

    def work(desk: Desk, card: SimulatedCard) -> None:
        domain = desk.contact(card, desk.company)
        domain.put_key_set(desk.ring, known, replace=known.version)

    untorn = card_of(content)
    work(desk, untorn)
    mixed = 0
    for point in (PowerCut(write, phase) for write in range(untorn.writes_done) for phase in PHASES):
        card = card_of(content)
        assert torn(desk, work, card, point)
        try:
            desk.contact(card, known, desk.company)
        except NoKeys:
            mixed += 1
            assert desk.link.sent == [0xA4, INITIALIZE_UPDATE]
    assert mixed >= 2


@pytest.mark.parametrize("preset", [SCP03_CARD, SCP02_CARD])
def test_wrong_keys_send_nothing_either(ring: FileKeyRing, preset: str) -> None:
    """Whoever authenticates all the same is stopped by the cryptogram."""
    desk = desk_for(ring, preset)
    card = card_of(memory(preset, 7))
    link = Taken(card, desk)
    domain = SecurityDomain(Card(link))
    domain.select()
    handshake = domain.initialize_update()
    with pytest.raises(CardError) as refused:
        domain.authenticate(handshake, desk.ring, desk.company, desk.level)
    assert refused.value.code == "gp.cryptogram"
    assert link.sent == [0xA4, INITIALIZE_UPDATE]
