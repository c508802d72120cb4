"""SCP11 from the host of a security domain: keys of the ring under the session's DEK, and cards that lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tegata.apdu import CardError, Command, MalformedResponse
from tegata.apdu.card import Card
from tegata.apdu.scp11 import Anchor, CaIdentifier, Identity, KeyNumber, Trust, Variant
from tegata.applets.security_domain import SecurityDomain, scp11
from tegata.provisioning.keyring import FileKeyRing
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.presets import memory
from tegata.simulators.presets.scp11 import add_host_authority, add_scp11, maker_root

from ...apdu.scp11_authority import Authority, new_key
from ..lying import LyingLink
from .conftest import key_set

ROOT = Authority("host root")
HOST = new_key("host")
IDENTITY = Identity(HOST, (ROOT.leaf("host", HOST.public_key(), role=0),), KeyNumber(0x10, 1))
MAKER = Trust((Anchor.of_certificate(maker_root().der),))
Lie = Callable[[Command, bytes], bytes]


def domain_of(lie: Lie | None = None) -> SecurityDomain:
    content = add_scp11(memory("company-card", 7), seeded(b"scp11"), Variant)
    content = add_host_authority(content, ROOT.key.public_key(), ROOT.identifier)
    card = SimulatedCard(MemoryStore(content), entropy=seeded(b"host"), contactless=False)
    domain = SecurityDomain(Card(LyingLink(card, lie)))
    domain.select()
    return domain


def test_keys_of_the_ring_come_in_under_the_session(ring: FileKeyRing) -> None:
    domain = domain_of()
    scp11.open_channel(domain, Variant.A, MAKER, identity=IDENTITY)
    keys = key_set(ring, "badges", 0x01)
    domain.put_key_set(ring, keys)
    domain.delete_key_set(0xFF)
    domain.select()
    assert domain.open(ring, keys, version=0x01).version == 0x01


def test_a_public_key_of_an_authority_is_put_and_named() -> None:
    domain, other = domain_of(), Authority("second root")
    scp11.open_channel(domain, Variant.A, MAKER, identity=IDENTITY)
    number = KeyNumber(0x21, 0x05)
    domain.put_public_key(other.key.public_key(), number.version, number.kid)
    scp11.store_authority(domain, CaIdentifier(number, other.identifier))
    leaf = other.leaf("host", HOST.public_key())
    assert scp11.authority_of(domain, (leaf,)) == number
    domain.select()
    found = scp11.authority_of(domain, (leaf,))
    assert found is not None
    channel = scp11.open_channel(domain, Variant.C, MAKER, identity=Identity(HOST, (leaf,), found))
    assert channel.protocol == 0x11


def test_the_card_says_that_it_speaks_scp11() -> None:
    data = domain_of().card_data()
    assert data is not None
    assert [(protocol.number, protocol.i) for protocol in data.protocols] == [(3, 0x70), (0x11, 0x021B)]


def answering(ins: int, tag: int | None, answer: str) -> Lie:
    def lie(command: Command, true: bytes) -> bytes:
        here = command.ins == ins and (tag is None or command.p1 << 8 | command.p2 == tag)
        return bytes.fromhex(answer) if here else true

    return lie


@pytest.mark.parametrize("answer", ["FF33034201419000", "FF330442014183019000", "009000"])
def test_a_list_of_authorities_that_is_none(answer: str) -> None:
    with pytest.raises(MalformedResponse):
        scp11.authorities(domain_of(answering(0xCA, 0xFF33, answer)))


def test_key_information_without_a_key_for_it() -> None:
    with pytest.raises(CardError) as caught:
        scp11.open_channel(domain_of(answering(0xCA, 0xE0, "E0009000")), Variant.B, MAKER)
    assert caught.value.code == "scp11.key"


@pytest.mark.parametrize(
    "answer", ["", "B000", "B04104" + "00" * 64, "B1020102", "B04204" + "00" * 65, "30820000"]
)
def test_a_generated_key_that_is_none(ring: FileKeyRing, answer: str) -> None:
    """Over a channel without R-MAC, where whoever sits in between can say what he likes."""
    domain = domain_of(answering(0xF1, None, answer + "9000"))
    domain.open(ring, key_set(ring, "gp-default", 0xFF, scheme="fixed"), version=0xFF, level=0x01)
    with pytest.raises(MalformedResponse):
        scp11.generate_key(domain, KeyNumber(0x13, 2))


def test_a_changed_answer_opens_nothing() -> None:
    def lie(command: Command, true: bytes) -> bytes:
        return true[:-3] + bytes((true[-3] ^ 1,)) + true[-2:] if command.ins == 0x88 else true

    domain = domain_of(lie)
    with pytest.raises(CardError) as caught:
        scp11.open_channel(domain, Variant.B, MAKER)
    assert caught.value.code == "scp11.receipt"
    assert domain.card.secure_channel is None
    with pytest.raises(CardError) as caught:
        _ = domain.dek
    assert caught.value.code == "gp.no_channel"
