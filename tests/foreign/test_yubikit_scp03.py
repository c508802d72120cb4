"""yubikit, Yubico's library, as an independent SCP03 host of the simulated security domain (level 33)."""

from collections.abc import Iterator

import pytest
from yubikit.core import TRANSPORT
from yubikit.core.smartcard import SW, ApduError, SmartCardConnection
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, StaticKeys
from yubikit.securitydomain import SecurityDomainSession

from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.link import SimulatedLink
from tegata.simulators.presets import memory

pytestmark = pytest.mark.foreign

NEW = StaticKeys(b"\x11" * 16, b"\x22" * 16, b"\x33" * 16)
OTHER = StaticKeys(b"\x44" * 16, b"\x55" * 16, b"\x66" * 16)
SCP03 = 0x01


class LinkConnection(SmartCardConnection):
    """yubikit's connection over a Link. Over USB it sends everything in the extended form, over NFC short."""

    def __init__(self, link: SimulatedLink, transport: TRANSPORT) -> None:
        self._link = link
        self._transport = transport
        self.sent: list[bytes] = []

    @property
    def transport(self) -> TRANSPORT:
        return self._transport

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        self.sent.append(apdu)
        answer = self._link.transmit(apdu)
        return answer[:-2], int.from_bytes(answer[-2:], "big")

    def close(self) -> None:
        self._link.close()


@pytest.fixture(params=[TRANSPORT.USB, TRANSPORT.NFC], ids=["extended", "short"])
def connection(request: pytest.FixtureRequest) -> Iterator[LinkConnection]:
    card = SimulatedCard(
        MemoryStore(memory("company-card", 7)), entropy=seeded(b"yubikit"), contactless=False
    )
    connection = LinkConnection(SimulatedLink(card), request.param)
    yield connection
    connection.close()


def session(
    connection: LinkConnection, keys: StaticKeys | None = None, version: int = 0
) -> SecurityDomainSession:
    opened = SecurityDomainSession(connection)
    opened.authenticate(Scp03KeyParams(KeyRef(SCP03, version), keys or StaticKeys.default()))
    return opened


def test_key_information_and_card_data_inside_the_channel(connection: LinkConnection) -> None:
    opened = session(connection)
    assert opened.get_key_information() == {KeyRef(kid, 0xFF): {0x88: 16} for kid in (1, 2, 3)}
    assert opened.get_card_recognition_data().hex().endswith("2a864886fc6b040370")
    assert opened.get_supported_ca_identifiers() == {}
    assert connection.sent[-1][0] == 0x04


def test_new_keys_work_and_the_old_ones_go(connection: LinkConnection) -> None:
    opened = session(connection)
    opened.put_key(KeyRef(SCP03, 0x01), NEW)
    assert KeyRef(3, 0x01) in opened.get_key_information()
    fresh = session(connection, NEW, 0x01)
    fresh.delete_key(kvn=0xFF)
    assert set(fresh.get_key_information()) == {KeyRef(kid, 0x01) for kid in (1, 2, 3)}
    with pytest.raises(ApduError) as refused:
        fresh.delete_key(kvn=0x01)
    assert refused.value.sw == SW.CONDITIONS_NOT_SATISFIED
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        session(connection, version=0xFF)
    again = session(connection, NEW)
    again.put_key(KeyRef(SCP03, 0x02), OTHER, replace_kvn=0x01)
    assert session(connection, OTHER).get_key_information().keys() == {KeyRef(kid, 2) for kid in (1, 2, 3)}


def test_wrong_keys_are_noticed_before_the_host_proves_anything(connection: LinkConnection) -> None:
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        session(connection, OTHER)
    assert [apdu[1] for apdu in connection.sent] == [0xA4, 0x50]
    session(connection)


def test_data_is_stored_and_read(connection: LinkConnection) -> None:
    opened = session(connection)
    opened.store_data(bytes.fromhex("420312345F4504CAFE0001"))
    assert opened.get_data(0x42) == bytes.fromhex("12345F")
    assert SecurityDomainSession(connection).get_data(0x45) == bytes.fromhex("CAFE0001")


def test_nothing_is_stored_without_a_channel(connection: LinkConnection) -> None:
    plain = SecurityDomainSession(connection)
    with pytest.raises(ApduError) as refused:
        plain.store_data(bytes.fromhex("420312345F"))
    assert refused.value.sw == SW.SECURITY_CONDITION_NOT_SATISFIED
    with pytest.raises(ApduError) as refused:
        plain.delete_key(kvn=0xFF, delete_last=True)
    assert refused.value.sw == SW.SECURITY_CONDITION_NOT_SATISFIED
