"""A blank company card behind a link that counts, and a key ring that knows its keys."""

from collections.abc import Iterator

import pytest

from tegata.apdu import Secret
from tegata.apdu.card import Card
from tegata.apdu.ports import KeySet
from tegata.applets.security_domain.host import SecurityDomain
from tegata.provisioning.keyring import FileKeyRing
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.link import SimulatedLink
from tegata.simulators.presets import memory


class CountingLink(SimulatedLink):
    """Keeps what it transmits, so that a test can say what was not sent."""

    def __init__(self, card: SimulatedCard) -> None:
        super().__init__(card)
        self.sent: list[bytes] = []
        self.answers: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        self.answers.append(super().transmit(command))
        return self.answers[-1]


@pytest.fixture
def simulated() -> SimulatedCard:
    return SimulatedCard(MemoryStore(memory("company-card", 7)), entropy=seeded(b"host"), contactless=False)


@pytest.fixture
def link(simulated: SimulatedCard) -> CountingLink:
    return CountingLink(simulated)


@pytest.fixture
def domain(link: CountingLink) -> SecurityDomain:
    domain = SecurityDomain(Card(link))
    domain.select()
    return domain


@pytest.fixture(scope="session")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileKeyRing]:
    path = tmp_path_factory.mktemp("ring") / "keys.json"
    ring = FileKeyRing.create(path, Secret(b"correct horse battery"), name="desk")
    ring.import_master("badges", Secret(bytes(range(32))))
    ring.import_default()
    yield ring
    ring.close()


def key_set(
    ring: FileKeyRing,
    master: str,
    version: int,
    length: int = 16,
    scheme: str = "sp800-108-cmac",
    algorithm: str = "aes",
) -> KeySet:
    """References of one key set."""
    return KeySet(
        version,
        *(
            ring.refer(
                master,
                scheme=scheme,
                diversification=b"CARD",
                version=version,
                usage=usage,
                length=length,
                algorithm=algorithm,
            )
            for usage in ("enc", "mac", "dek")
        ),
    )


@pytest.fixture
def factory(ring: FileKeyRing) -> KeySet:
    return key_set(ring, "gp-default", 0xFF, scheme="fixed")
