"""A whole badge desk in a folder: key ring, CA, one order in a real ledger, simulated cards."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tegata.apdu import Secret
from tegata.provisioning.ca import CompanyCa
from tegata.provisioning.issuance import Desk
from tegata.provisioning.keyring import FileKeyRing
from tegata.provisioning.ledger import Ledger
from tegata.provisioning.orders import create_order
from tegata.provisioning.profile import Profile, load_profile
from tegata.provisioning.roster import read_roster
from tegata.simulators.card import MemoryStore, PowerCut, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.link import SimulatedLink
from tegata.simulators.presets import memory

ROOT = Path(__file__).parents[3]
EMPLOYEE = "000101"


@dataclass
class BadgeDesk:
    """Copies of one ledger, so that every test begins with the same order."""

    folder: Path
    ring: FileKeyRing
    ca: CompanyCa
    profile: Profile

    def open(self, name: str) -> Desk:
        """A desk with a fresh copy of the ledger."""
        path = self.folder / f"{name}.db"
        shutil.copyfile(self.folder / "template.db", path)
        return Desk(Ledger.open(path), self.ring, self.ca)


@pytest.fixture(scope="session")
def badge_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BadgeDesk]:
    folder = tmp_path_factory.mktemp("desk")
    passphrase = Secret(b"correct horse battery staple")
    ring = FileKeyRing.create(folder / "keys.json", passphrase, name="desk")
    ring.import_default()
    ring.generate("badges")
    ring.generate("doors")
    ca = CompanyCa.create(
        folder / "ca", passphrase, organization="Example K.K.", base_url="http://127.0.0.1:9/ca"
    )
    profile = load_profile(ROOT / "examples" / "badge-profile.toml")
    ledger = Ledger.open(folder / "template.db")
    create_order(ledger, read_roster(ROOT / "examples" / "roster.csv"), profile)
    ledger.close()
    yield BadgeDesk(folder, ring, ca, profile)
    ring.close()


@pytest.fixture
def desk(badge_desk: BadgeDesk, request: pytest.FixtureRequest) -> Iterator[Desk]:
    opened = badge_desk.open(f"test-{abs(hash(request.node.nodeid))}")
    yield opened
    opened.ledger.close()


@pytest.fixture
def new_card() -> Callable[..., SimulatedCard]:
    """Makes a blank company card; the same ``number`` is the same card."""

    def make(number: int = 1, cut: PowerCut | None = None) -> SimulatedCard:
        content = memory("company-card", number)
        return SimulatedCard(MemoryStore(content), entropy=seeded(b"card %d" % number), cut=cut)

    return make


def link(card: SimulatedCard) -> SimulatedLink:
    """The card put on a reader (again)."""
    card.power_down()
    return SimulatedLink(card)
