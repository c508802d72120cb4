"""yubikit opens an issued badge with the company's keys, which OpenSSL derived from the master.

Three programs agree: ours issued the badge, OpenSSL makes the keys (SP 800-108 as the documentation writes
it down), yubikit opens the security domain with them. A company is so never bound to this software.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from yubikit.core import TRANSPORT
from yubikit.core.smartcard import SmartCardConnection
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, StaticKeys
from yubikit.securitydomain import SecurityDomainSession

from tegata.apdu import Secret
from tegata.apdu.ports import Link
from tegata.provisioning.ca import CompanyCa
from tegata.provisioning.issuance import Desk, apply, begin_work
from tegata.provisioning.keyring import FileKeyRing
from tegata.provisioning.ledger import Ledger
from tegata.provisioning.orders import create_order
from tegata.provisioning.profile import load_profile
from tegata.provisioning.roster import read_roster
from tegata.simulators import presets
from tegata.simulators.link import open_reader

pytestmark = pytest.mark.foreign

EXAMPLES = Path(__file__).parents[2] / "examples"
MASTER = bytes(range(32))
EMPLOYEE = "000101"
SCP03 = 0x01
FACTORY, COMPANY = 0xFF, 0x01


class Connection(SmartCardConnection):
    """yubikit's connection over one of our links."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def transport(self) -> TRANSPORT:
        return TRANSPORT.USB

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        answer = self._link.transmit(apdu)
        return answer[:-2], int.from_bytes(answer[-2:], "big")

    def close(self) -> None:
        self._link.close()


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a badge whose master key the test knows."""
    folder = tmp_path_factory.mktemp("desk")
    passphrase = Secret(b"correct horse battery staple")
    ring = FileKeyRing.create(folder / "keys.json", passphrase, name="desk")
    ring.import_default()
    ring.import_master("badges", Secret(MASTER))
    ring.generate("doors")
    ca = CompanyCa.create(folder / "ca", passphrase, organization="Example", base_url="http://pki.example.jp")
    ledger = Ledger.open(folder / "ledger.db")
    create_order(ledger, read_roster(EXAMPLES / "roster.csv"), load_profile(EXAMPLES / "badge-profile.toml"))
    presets.create("company-card", folder / "card.sim")
    reader = open_reader(str(folder / "card.sim"))
    link = reader.wait_for_card(1)
    apply(begin_work(Desk(ledger, ring, ca), link, employee=EMPLOYEE))
    link.close(reset=True)
    reader.close()
    ledger.close()
    ring.close()
    return folder / "card.sim"


@pytest.fixture
def connection(issued: Path) -> Iterator[Connection]:
    reader = open_reader(str(issued))
    connection = Connection(reader.wait_for_card(1))
    yield connection
    connection.close()
    reader.close()


def derived(usage: str, card: bytes) -> bytes:
    """SP 800-108r1 counter mode with AES-256-CMAC: label = usage, context = card ‖ version ‖ length."""
    context = card + bytes([COMPANY, 16])
    options = ["mac:CMAC", "cipher:AES-256-CBC", "mode:COUNTER", f"hexkey:{MASTER.hex()}"]
    options += [f"salt:{usage}", f"hexinfo:{context.hex()}"]
    given = [word for option in options for word in ("-kdfopt", option)]
    command = ["openssl", "kdf", "-keylen", "16", *given, "-binary", "KBKDF"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def identity(connection: Connection) -> bytes:
    """Fabricator, type, batch and serial of the CPLC (GPC 2.3.1 §H.6): what tells one card from another."""
    cplc = SecurityDomainSession(connection).get_data(0x9F7F)
    return cplc[0:4] + cplc[10:18]


def opened(connection: Connection, keys: StaticKeys, version: int) -> SecurityDomainSession:
    session = SecurityDomainSession(connection)
    session.authenticate(Scp03KeyParams(KeyRef(SCP03, version), keys))
    return session


def test_the_companys_keys_open_the_domain(connection: Connection) -> None:
    card = identity(connection)
    keys = StaticKeys(*(derived(usage, card) for usage in ("enc", "mac", "dek")))
    session = opened(connection, keys, COMPANY)
    assert session.get_key_information().keys() == {KeyRef(kid, COMPANY) for kid in (1, 2, 3)}


@pytest.mark.parametrize("version", [FACTORY, COMPANY])
def test_the_makers_keys_open_nothing(connection: Connection, version: int) -> None:
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        opened(connection, StaticKeys.default(), version)


def test_another_cards_keys_open_nothing(connection: Connection) -> None:
    other = bytes(12)
    keys = StaticKeys(*(derived(usage, other) for usage in ("enc", "mac", "dek")))
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        opened(connection, keys, COMPANY)
