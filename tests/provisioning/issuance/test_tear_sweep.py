"""The power is cut before, inside and after every write of an issuance; every badge is finished."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tegata.apdu import CardRemoved, Secret
from tegata.apdu.ports import KeyRef
from tegata.apdu.scp03 import key_check_value
from tegata.provisioning.issuance import Desk, Outcome, apply, begin_work
from tegata.provisioning.ledger import Ledger
from tegata.simulators.apps.security_domain.keystore import read_record
from tegata.simulators.card import MemoryStore, PowerCut, SimulatedCard

from .conftest import EMPLOYEE, BadgeDesk, link

PHASES = ("before", "inside", "after")
SEED = 20261123
DOMAIN, PIV, BADGE = "app/a000000151000000/", "app/a000000308000010000100/", "app/f0544547415441010101/"
# What differs between two issues of the same line on the same card: counters, the key made on the card, and
# the certificate for it.
MAY_DIFFER = {DOMAIN + "sequence/01", DOMAIN + "sequence/ff", PIV + "key/9A", PIV + "object/5FC105"}


@dataclass
class Run:
    """One issuance that is cut at ``first``, and perhaps again at ``second`` of its recovery."""

    desk: Desk
    card: SimulatedCard
    cuts: int = 0

    def issue(self, *cuts: PowerCut) -> None:
        """Contacts, each ended by its cut, then as many as it takes (one) to finish."""
        for cut in cuts:
            self.card.writes_done, self.card.cut = 0, cut
            try:
                self._contact()
            except CardRemoved:
                self.cuts += 1
                self.check_keys_are_known()
        self.card.cut = None
        self._contact()
        self.check_keys_are_known()

    def _contact(self) -> Outcome:
        work = begin_work(self.desk, link(self.card), employee=EMPLOYEE)
        return apply(work)

    def check_keys_are_known(self) -> None:
        """For every key on the card now, the ledger has a reference from which the ring makes it again."""
        self.card.store.recover()
        with self.desk.ledger.read() as books:
            card = books.cards()[0] if books.cards() else None
            known = [(key.domain.lower(), key.ref) for key in books.keys(card.id)] if card else []
        for holder, usage, value in keys_on(self.card.store.content):
            if card is None and usage in ("enc", "mac", "dek"):
                continue  # untouched: the maker's keys, which the profile names
            assert any(
                where == holder and ref.usage == usage and self._makes(ref, value) for where, ref in known
            ), f"nobody knows the {usage} key of {holder}"

    def _makes(self, ref: KeyRef, value: bytes) -> bool:
        if usage_is_pin(ref.usage):
            return self.desk.ring.reveal_pin(ref).reveal() == value.rstrip(b"\xff")
        return self.desk.ring.kcv(ref) == key_check_value(Secret(value))


def usage_is_pin(usage: str) -> bool:
    return usage in ("piv-pin", "piv-puk")


def keys_on(content: dict[str, bytes]) -> Iterator[tuple[str, str, bytes]]:
    """Holder, usage and value of every secret in the simulated card's memory."""
    for name, value in content.items():
        if name.startswith(DOMAIN + "key/"):
            keys = {key.kid: key.secret.reveal() for key in read_record(value, int(name[-2:], 16))}
            for kid, usage in enumerate(("enc", "mac", "dek"), start=1):
                yield "a000000151000000", usage, keys[kid]
        elif name == PIV + "9b":
            yield "a000000308000010000100", "piv-9b", value[1:]
        elif name in (PIV + "pin", PIV + "puk"):
            yield "a000000308000010000100", f"piv-{name[-3:]}", value
        elif name.startswith((BADGE + "badge/", BADGE + "privacy/")):
            yield "f0544547415441010101", name.removeprefix(BADGE).partition("/")[0], value


def comparable(content: dict[str, bytes]) -> dict[str, bytes]:
    return {name: value for name, value in content.items() if name not in MAY_DIFFER}


def check_ledger(desk: Desk) -> None:
    """One badge of each kind, one delivered certificate, every other one revoked, nothing left open."""
    with desk.ledger.read() as books:
        card = books.cards()[0]
        assert card.state == "active"
        assert books.intents(card.id) == []
        assert [badge.state for badge in books.badges(employee=EMPLOYEE)] == ["live", "live"]
        states = [certificate.state for certificate in books.certificates(employee=EMPLOYEE)]
        assert states.count("delivered") == 1
        assert set(states) <= {"delivered", "orphaned"}
        assert {key.state for key in books.keys(card.id)} == {"live"}
    assert desk.ledger.verify_audit() is None


@pytest.fixture(scope="module")
def baseline(badge_desk: BadgeDesk) -> tuple[dict[str, bytes], int, range]:
    """An issuance without a cut: its card, the number of its writes, and which of them belong to PUT KEY."""
    desk = badge_desk.open("baseline")
    card = fresh_card()
    marks: list[tuple[str, int]] = []
    work = begin_work(desk, link(card), employee=EMPLOYEE)
    apply(work, lambda done, total, what: marks.append((what, card.writes_done)))
    check_ledger(desk)
    desk.ledger.close()
    put_key = next(at for what, at in marks if what.startswith("put the company"))
    after = next(at for what, at in marks if what.startswith("delete the maker"))
    return comparable(card.store.content), card.writes_done, range(put_key, after)


def fresh_card() -> SimulatedCard:
    from tegata.simulators.card.device import seeded
    from tegata.simulators.presets import memory

    return SimulatedCard(MemoryStore(memory("company-card", 1)), entropy=seeded(b"sweep"))


@pytest.mark.slow
def test_every_cut_is_recovered(
    badge_desk: BadgeDesk,
    baseline: tuple[dict[str, bytes], int, range],
    record_property: Callable[[str, object], None],
) -> None:
    expected, writes, put_key = baseline
    chance = random.Random(SEED)  # noqa: S311 - a repeatable choice, not a secret
    points = [PowerCut(write, phase) for write in range(writes) for phase in PHASES]  # type: ignore[arg-type]
    twice = 0
    for number, point in enumerate(points):
        cuts = [point]
        if point.write in put_key or chance.random() < 0.1:
            cuts.append(chance.choice(points))
            twice += 1
        desk = badge_desk.open(f"sweep-{number}")
        run = Run(desk, fresh_card())
        run.issue(*cuts)
        assert run.cuts >= 1, f"the cut at {point} was never reached"
        assert comparable(run.card.store.content) == expected, f"another card after {cuts}"
        check_ledger(desk)
        desk.ledger.close()
        forget(badge_desk, desk.ledger, f"sweep-{number}")
    assert len(put_key) >= 1
    record_property(
        "figure",
        f"tear sweep: {writes} writes, {len(points)} points (before, inside, after each), "
        f"{twice} of them cut twice; every card finished, every key known",
    )


def forget(badge_desk: BadgeDesk, ledger: Ledger, name: str) -> None:
    for path in badge_desk.folder.glob(f"{name}.db*"):
        path.unlink()
