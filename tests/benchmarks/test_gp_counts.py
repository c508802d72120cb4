"""What managing a GlobalPlatform card costs, counted by the card: tegata beside GlobalPlatformPro's dialogue.

Every job runs on a fresh copy of one card. GlobalPlatformPro is played by the independent host of
``tests/foreign/gpp``; ``make test-gpp`` counts the released program where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tegata.apdu import Secret
from tegata.apdu.card import Card
from tegata.apdu.ports import KeySet, Link, LinkInfo
from tegata.applets.security_domain import Load, LoadState, SecurityDomain, loading
from tegata.provisioning.keyring import FileKeyRing
from tegata.simulators.card import FileStore
from tegata.simulators.card.clock import cost_model
from tegata.simulators.presets import memory, with_quirks, write

from ..foreign.gpp.cap import build_cap, read_cap
from ..foreign.gpp.host import GpHost
from .measure import Cost, Meter, Row, table

MODEL = "contactless-424"
PRESET = "gp-card"
LIST, INSTALL, DELETE, KEYS = "list", "install a package of 20 KB", "delete it", "change the keys"
JOBS = (LIST, INSTALL, DELETE, KEYS)
MAC, EVERYTHING = 0x01, 0x33
EXTENDED = "tegata, C-MAC, blocks of 4096"
ANNOUNCED = 4096
TEGATA, TEGATA_ALL, DIALOGUE = "tegata, C-MAC", "tegata, level 33", "GlobalPlatformPro's dialogue, C-MAC"
PACKAGE, MODULE = bytes.fromhex("D2760000854701"), bytes.fromhex("D276000085470101")
CAP = build_cap(PACKAGE, MODULE, 20480)
GET_STATUS, LOAD = 0xF2, 0xE8
NEW = (b"\x11" * 16, b"\x22" * 16, b"\x33" * 16)


@dataclass
class Watched:
    """A link whose commands are kept."""

    link: Link
    sent: list[bytes] = field(default_factory=list)

    @property
    def atr(self) -> bytes:
        return self.link.atr

    @property
    def info(self) -> LinkInfo:
        return self.link.info

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        return self.link.transmit(command)

    def reset(self) -> None:
        self.link.reset()

    def close(self, reset: bool = True) -> None:
        self.link.close(reset)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        with self.link.exclusive():
            yield

    def of(self, ins: int) -> list[bytes]:
        """The commands of one instruction."""
        return [command for command in self.sent if command[1] == ins]


@dataclass(frozen=True)
class Tegata:
    """tegata's host. After a change it proves what it has done: that the new keys open a channel."""

    ring: FileKeyRing
    factory: KeySet
    company: KeySet
    level: int

    def open(self, link: Watched) -> SecurityDomain:
        domain = SecurityDomain(Card(link))
        domain.select()
        domain.open(self.ring, self.factory, version=0, level=self.level)
        return domain

    def job(self, name: str, link: Watched) -> None:
        domain = self.open(link)
        if name == LIST:
            assert len(domain.registry()) >= 2
        elif name == INSTALL:
            what = Load.of(read_cap(CAP).code)
            assert loading.load_state(domain, what) is LoadState.ABSENT
            domain.load(what)
            domain.install(PACKAGE, MODULE, MODULE)
        elif name == DELETE:
            domain.delete(PACKAGE, related=True)
        else:
            domain.put_key_set(self.ring, self.company, replace=self.factory.version)
            domain.open(self.ring, self.company, level=self.level)


def dialogue(name: str, link: Watched) -> None:
    """The same by GlobalPlatformPro, in its usual mode. It does not look whether the new keys work."""
    host = GpHost(link.transmit)
    host.select()
    host.open(MAC)
    if name == LIST:
        assert len(host.list()) >= 2
    elif name == INSTALL:
        host.install(read_cap(CAP))
    elif name == DELETE:
        host.delete(PACKAGE, dependents=True)
    else:
        host.lock(NEW)


@dataclass(frozen=True)
class Measured:
    """What the card counted, and the commands."""

    cost: Cost
    link: Watched

    @property
    def reads(self) -> int:
        """Commands that read the registry."""
        return len(self.link.of(GET_STATUS))


Table = dict[tuple[str, str], Measured]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Table:
    folder = tmp_path_factory.mktemp("cards")
    ring = FileKeyRing.create(folder / "keys.json", Secret(b"correct horse battery"), name="desk")
    ring.import_default()
    ring.import_master("company", Secret(bytes(range(32))))
    keys = (_keys(ring, "gp-default", "fixed", 0xFF), _keys(ring, "company", "sp800-108-cmac", 0x30))
    who: dict[str, Callable[[str, Watched], None]] = {
        TEGATA: Tegata(ring, *keys, MAC).job,
        TEGATA_ALL: Tegata(ring, *keys, EVERYTHING).job,
        DIALOGUE: dialogue,
    }
    found = {}
    for name, work in who.items():
        for job in JOBS:
            content = memory(PRESET, 7)
            if job == DELETE:
                content = _with_package(folder / f"{name} prepared", content)
            found[job, name] = _measure(folder / f"{name} {job}", content, job, work)
    longer = with_quirks(memory(PRESET, 7), {"max_command_data": ANNOUNCED})
    found[INSTALL, EXTENDED] = _measure(folder / EXTENDED, longer, INSTALL, who[TEGATA])
    return found


def _keys(ring: FileKeyRing, master: str, scheme: str, version: int) -> KeySet:
    refs = [
        ring.refer(master, scheme=scheme, diversification=b"CARD", version=version, usage=usage)
        for usage in ("enc", "mac", "dek")
    ]
    return KeySet(version, *refs)


def _measure(
    path: Path, content: dict[str, bytes], job: str, work: Callable[[str, Watched], None]
) -> Measured:
    write(path, content)
    meter = Meter(path, MODEL, contactless=False)
    links: list[Watched] = []

    def run(link: Link) -> None:
        links.append(Watched(link))
        work(job, links[0])

    cost = meter.job(run)
    meter.close()
    return Measured(cost, links[0])


def _with_package(path: Path, content: dict[str, bytes]) -> dict[str, bytes]:
    """The card's memory after the dialogue has installed the package."""
    write(path, content)
    meter = Meter(path, MODEL, contactless=False)
    meter.job(lambda link: dialogue(INSTALL, Watched(link)))
    meter.close()
    with closing(FileStore(path)) as store:
        return dict(store.content)


@pytest.mark.parametrize("who", [TEGATA, TEGATA_ALL])
def test_at_most_half_of_the_registry_reads(measured: Table, who: str) -> None:
    """What the dialogue shows: four to list, eight to install, four to delete."""
    assert [measured[job, DIALOGUE].reads for job in JOBS] == [4, 8, 4, 0]
    for job in (INSTALL, DELETE):
        assert 2 * measured[job, who].reads <= measured[job, DIALOGUE].reads
    ours = sum(measured[job, who].reads for job in JOBS)
    assert 2 * ours <= sum(measured[job, DIALOGUE].reads for job in JOBS)


@pytest.mark.parametrize(("who", "wrapped"), [(TEGATA, 255), (TEGATA_ALL, 248), (DIALOGUE, 255)])
def test_blocks_are_as_large_as_the_card_allows(measured: Table, who: str, wrapped: int) -> None:
    """255 bytes, its MAC among them, as the card's FCI says; encryption fills whole cipher blocks."""
    *full, last = measured[INSTALL, who].link.of(LOAD)
    assert {command[4] for command in full} == {wrapped}
    assert last[4] <= wrapped
    carried = len(read_cap(CAP).code) + 4
    room = 239 if who == TEGATA_ALL else 247
    assert len(full) + 1 == -(-carried // room)


def test_a_card_that_announces_more_is_loaded_in_extended_blocks(measured: Table) -> None:
    """5 commands carry what takes 83 in the short form; all else is the same."""
    short, extended = (measured[INSTALL, who] for who in (TEGATA, EXTENDED))
    assert len(short.link.of(LOAD)) == 83
    *full, last = extended.link.of(LOAD)
    assert {int.from_bytes(command[4:7], "big") for command in full} == {ANNOUNCED}
    assert last[4] == len(last) - 6 <= 255  # what is left fits the short form
    carried = len(read_cap(CAP).code) + 4
    assert len(full) + 1 == -(-carried // (ANNOUNCED - 8))
    assert short.cost.apdus - extended.cost.apdus == 83 - len(full) - 1
    assert extended.cost.to_card < short.cost.to_card


def test_fewer_commands_and_bytes(measured: Table) -> None:
    for job in (LIST, INSTALL, DELETE):
        ours, theirs = measured[job, TEGATA].cost, measured[job, DIALOGUE].cost
        assert ours.apdus < theirs.apdus
        assert ours.to_card < theirs.to_card
        assert ours.from_card < theirs.from_card


def test_changing_keys_costs_a_proof_more(measured: Table) -> None:
    """One INITIALIZE UPDATE and EXTERNAL AUTHENTICATE with the new keys; the dialogue sends a GET DATA."""
    ours, theirs = measured[KEYS, TEGATA].cost, measured[KEYS, DIALOGUE].cost
    assert (ours.apdus, theirs.apdus) == (6, 5)


@pytest.mark.bench
def test_table(measured: Table, record_property: Callable[[str, object], None]) -> None:
    rows = [Row(job, who, found.cost) for (job, who), found in measured.items()]
    rows.sort(key=lambda row: JOBS.index(row.job))
    reads = [f"  {job}: {_reads(measured, job)}" for job in JOBS]
    text = "\n".join([table(rows, cost_model(MODEL)), "registry reads:", *reads])
    record_property("figure", text)
    assert len(rows) == 3 * len(JOBS) + 1


def _reads(measured: Table, job: str) -> str:
    return ", ".join(f"{found.reads} ({who})" for (of, who), found in measured.items() if of == job)
