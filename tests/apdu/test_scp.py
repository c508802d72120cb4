"""One INITIALIZE UPDATE for all protocols: recognition, refusals, and channels to simulated cards."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tegata.apdu import Card, CardError, Command, MalformedResponse, Response, Secret, StatusError, Tlv
from tegata.apdu.ports import KeyRing, KeySet
from tegata.apdu.scp import COUNTS_DATA_ONLY, HostChannel, initialize_update
from tegata.apdu.scp02 import begin_r_mac_session, end_r_mac_session, open_implicitly
from tegata.apdu.scp02.options import DOCUMENTED
from tegata.apdu.scp03 import VARIANTS
from tegata.applets.security_domain import model
from tegata.provisioning.keyring import StaticKeyRing
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.card.policy import CardPolicy
from tegata.simulators.link import SimulatedLink
from tegata.simulators.presets.gp_card import gp_card, gp_scp02

VECTORS = Path(__file__).parent / "vectors"
KEYS02 = tomllib.loads((VECTORS / "scp02.toml").read_text(encoding="utf-8"))
GP = "404142434445464748494A4B4C4D4E4F"
KVN = model.FACTORY_KVN
GET_ISD = Command(0x80, 0xF2, 0x80, 0x02, b"\x4f\x00", le=256)
GET_DATA = Command(0x80, 0xCA, 0x00, 0x66, le=256)
NO_SUCH = Command(0x80, 0xCA, 0x5F, 0x00, le=256)


def ring_of(enc: str = GP, mac: str = GP, dek: str = GP) -> StaticKeyRing:
    keys = {place: Secret(bytes.fromhex(key)) for place, key in (("enc", enc), ("mac", mac), ("dek", dek))}
    return StaticKeyRing("test", keys)


def key_set(ring: KeyRing, algorithm: str, version: int = KVN, length: int = 16) -> KeySet:
    enc, mac, dek = (
        ring.refer(
            "test",
            scheme="fixed",
            diversification=b"",
            version=version,
            usage=usage,
            length=length,
            algorithm=algorithm,
        )
        for usage in ("enc", "mac", "dek")
    )
    return KeySet(version, enc, mac, dek)


RING = ring_of()
DES, AES = key_set(RING, "3des"), key_set(RING, "aes")


def card_with(memory: dict[str, bytes], **quirks: bool | int) -> Card:
    policy = CardPolicy.from_bytes(memory["card/policy"]).with_quirks(quirks)
    content = {**memory, "card/policy": policy.to_bytes()}
    card = Card(SimulatedLink(SimulatedCard(MemoryStore(content), contactless=False)))
    card.select(model.AID)
    return card


def scp02_card(i: int, **quirks: bool | int) -> Card:
    return card_with(gp_scp02(seeded(b"scp"), i), **quirks)


def scp03_card(i: int, **quirks: bool | int) -> Card:
    return card_with(gp_card(seeded(b"scp"), i), **quirks)


def in_use(card: Card, channel: HostChannel) -> None:
    """Commands with and without data, an error, and again: all verified by both sides."""
    card.secure(channel)
    for _ in range(2):
        assert model.AID in card.send(GET_ISD).data
        assert card.send(NO_SUCH).sw == 0x6A88
        assert card.send(GET_DATA).ok


@pytest.mark.parametrize("i", sorted(i | r for i in DOCUMENTED if i & 0x04 for r in (0x00, 0x20)))
def test_scp02_on_a_simulated_card(i: int) -> None:
    card = scp02_card(i)
    for level in (0x00, 0x01, 0x03, *((0x10, 0x11, 0x13) if i & 0x20 else ())):
        card.unsecure()
        handshake = initialize_update(card.send, scp02_i=i)
        assert (handshake.protocol, handshake.version, handshake.i) == (2, KVN, i)
        assert handshake.matches(RING, DES)
        assert handshake.foretold(RING, DES, model.AID) is bool(i & 0x40)
        channel = handshake.authenticate(RING, DES, level)
        assert (channel.protocol, channel.level, channel.version) == (2, level, KVN)
        assert (channel.dek.static, channel.dek.cbc) == (DES.dek if i & 0x01 else DES.enc, False)
        in_use(card, channel)


@pytest.mark.parametrize("i", sorted(VARIANTS))
def test_scp03_on_a_simulated_card(i: int) -> None:
    card = scp03_card(i)
    for level in (0x00, 0x01, 0x03, *((0x11, 0x13) if i & 0x20 else ()), *((0x33,) if i & 0x40 else ())):
        card.unsecure()
        handshake = initialize_update(card.send, s16=bool(i & 0x01))
        assert (handshake.protocol, handshake.version, handshake.i) == (3, KVN, i)
        assert handshake.matches(RING, AES)
        assert handshake.foretold(RING, AES, model.AID) is bool(i & 0x10)
        channel = handshake.authenticate(RING, AES, level)
        assert (channel.protocol, channel.level, channel.version) == (3, level, KVN)
        assert channel.dek.static == AES.dek
        in_use(card, channel)


@pytest.mark.parametrize("make", [scp02_card, scp03_card])
def test_keys_that_the_card_does_not_have(make: Callable[[int], Card]) -> None:
    card = make(0x10 if make is scp03_card else 0x15)
    right, other = (AES, DES) if make is scp03_card else (DES, AES)
    wrong_ring = ring_of("00" * 16, "11" * 16, "22" * 16)
    wrong = key_set(wrong_ring, right.enc.algorithm)
    sent: list[Command] = []

    def send(command: Command) -> Response:
        sent.append(command)
        return card.send(command)

    handshake = initialize_update(send)
    for ring, keys in ((wrong_ring, wrong), (RING, other)):
        assert not handshake.matches(ring, keys)
        assert not handshake.foretold(ring, keys, model.AID)
        with pytest.raises(CardError) as caught:
            handshake.authenticate(ring, keys, 0x01)
        assert caught.value.code == "gp.cryptogram"
    assert len(sent) == 1
    in_use(card, handshake.authenticate(RING, right, 0x01))


def test_levels_that_the_card_does_not_offer() -> None:
    asked = ((scp02_card(0x15), DES, 0x11), (scp02_card(0x75), DES, 0x33), (scp03_card(0x20), AES, 0x33))
    for card, keys, level in asked:
        with pytest.raises(CardError) as caught:
            initialize_update(card.send).authenticate(RING, keys, level)
        assert caught.value.code == "gp.level"


def test_a_card_that_refuses_the_host() -> None:
    card = scp02_card(0x15)
    handshake = initialize_update(card.send)
    card.select(model.AID)
    with pytest.raises(StatusError) as caught:
        handshake.authenticate(RING, DES, 0x01)
    assert caught.value.sw == 0x6985


def test_s16_is_asked_for_only_when_a_caller_says_so() -> None:
    card = scp03_card(0x71)
    with pytest.raises(StatusError) as caught:
        initialize_update(card.send)
    assert caught.value.sw == 0x6700
    in_use(card, initialize_update(card.send, s16="auto").authenticate(RING, AES, 0x33))
    # A card that takes eight bytes is asked once.
    assert initialize_update(scp03_card(0x70).send, s16="auto").i == 0x70


@pytest.mark.parametrize("vector", KEYS02["scp01"], ids=[vector["source"] for vector in KEYS02["scp01"]])
def test_scp01_is_refused_in_one_sentence(vector: dict[str, Any]) -> None:
    with pytest.raises(CardError) as caught:
        initialize_update(lambda command: Response(bytes.fromhex(vector["answer"])))
    assert caught.value.code == "gp.scp01"


@pytest.mark.parametrize("length", [0, 11, 12, 27, 29])
@pytest.mark.parametrize("protocol", [0x00, 0x02, 0x03, 0x04, 0x10])
def test_answers_that_no_protocol_has(protocol: int, length: int) -> None:
    answer = (bytes(11) + bytes((protocol,)) + bytes(20))[:length]
    if (protocol, length) == (0x03, 29):  # i = 00, S8, a random challenge: just right
        assert initialize_update(lambda command: Response(answer)).protocol == 3
        return
    with pytest.raises(MalformedResponse):
        initialize_update(lambda command: Response(answer))


def test_a_card_that_answers_with_other_keys() -> None:
    answer = Response(bytes.fromhex(KEYS02["session"][0]["answer"]))
    with pytest.raises(CardError) as caught:
        initialize_update(lambda command: answer, version=0x20)
    assert caught.value.code == "gp.key_version"
    with pytest.raises(MalformedResponse):
        initialize_update(lambda command: Response(bytes(11) + b"\x03" + bytes(17)), s16=True)
    with pytest.raises(StatusError):
        initialize_update(lambda command: Response(sw=0x6A88))
    for i in (0x1A, 0x00):
        with pytest.raises(ValueError):
            initialize_update(lambda command: answer, scp02_i=i)


def test_a_recorded_host_of_scp02_again() -> None:
    """With the challenge of kaoh's host ours sends the same bytes to the end of the session."""
    vector = next(vector for vector in KEYS02["session"] if "install_mac_enc" in vector["source"])
    answers = {
        vector["initialize_update"]: Response(bytes.fromhex(vector["answer"])),
        vector["external_authenticate"]: Response(),
        **{wrapped: Response() for _, wrapped in vector["exchanges"]},
    }

    def send(command: Command) -> Response:
        return answers.pop(bytes(command).hex().upper())

    challenge = Command.parse(bytes.fromhex(vector["initialize_update"])).data
    channel = initialize_update(send, host_challenge=challenge).authenticate(RING, DES, 0x03)
    for plain, _ in vector["exchanges"]:
        assert channel.exchange(Command.parse(bytes.fromhex(plain)), send).ok
    assert answers == {}


# What goes on inside a channel.


def counter(card: Card) -> bytes:
    return Tlv.parse(card.send(Command(0x80, 0xCA, 0x00, 0xC1, le=256)).data).value


@pytest.mark.parametrize("i", [0x0A, 0x0B, 0x1A, 0x1B, 0x3A])
def test_an_implicit_channel(i: int) -> None:
    card = scp02_card(i)
    for count in range(2):
        sequence = counter(card)
        assert sequence == count.to_bytes(2, "big")
        channel = open_implicitly(RING, DES, sequence=sequence, aid=model.AID, i=i)
        assert (channel.protocol, channel.level, channel.version) == (2, 0x01, KVN)
        assert (channel.dek.sequence, channel.dek.cbc) == ((count + 1).to_bytes(2, "big"), True)
        in_use(card, channel)
        card.unsecure()
        card.select(model.AID)


def test_an_implicit_channel_needs_a_counter_that_goes_on() -> None:
    with pytest.raises(CardError) as caught:
        open_implicitly(RING, DES, sequence=b"\xff\xff", aid=model.AID, i=0x1A)
    assert caught.value.code == "gp.counter_spent"


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("level", [0x00, 0x01, 0x03])
def test_an_r_mac_session_of_scp02(level: int, every: bool) -> None:
    card = scp02_card(0x35)
    card.secure(initialize_update(card.send, scp02_i=0x35).authenticate(RING, DES, level))
    for _ in range(2):
        assert card.send(begin_r_mac_session(b"once", every=every)).ok
        assert card.send(GET_DATA).ok
        assert card.send(NO_SUCH).sw == 0x6A88
        assert card.send(GET_DATA).ok
        current = card.send(end_r_mac_session(finish=False)).data
        assert len(current) == 8
        assert card.send(end_r_mac_session()).data == current
        assert card.send(GET_DATA).ok


@pytest.mark.parametrize(("level", "p1"), [(0x01, 0x10), (0x03, 0x10), (0x03, 0x30), (0x13, 0x30)])
def test_an_r_mac_session_of_scp03(level: int, p1: int) -> None:
    card = scp03_card(0x70)
    card.secure(initialize_update(card.send).authenticate(RING, AES, level))
    begin, end = Command(0x80, 0x7A, p1, 0x01, b"\x00"), Command(0x80, 0x78, 0x00, 0x03, le=256)
    assert card.send(end).sw == 0x6985
    assert card.send(begin).ok
    assert model.AID in card.send(GET_ISD).data
    assert card.send(begin).sw == 0x6985
    assert card.send(end) == Response()
    assert model.AID in card.send(GET_ISD).data


@pytest.mark.parametrize(
    ("i", "level", "p1", "sw"),
    [
        (0x70, 0x00, 0x10, 0x6985),  # no C-MAC
        (0x70, 0x01, 0x30, 0x6985),  # no C-DECRYPTION
        (0x70, 0x11, 0x10, 0x6985),  # has it
        (0x70, 0x33, 0x30, 0x6985),
        (0x00, 0x03, 0x10, 0x6985),  # the variant does not
        (0x20, 0x03, 0x30, 0x6985),
        (0x70, 0x03, 0x00, 0x6A86),
    ],
)
def test_where_scp03_begins_no_r_mac_session(i: int, level: int, p1: int, sw: int) -> None:
    card = scp03_card(i)
    card.secure(initialize_update(card.send).authenticate(RING, AES, level))
    assert card.send(Command(0x80, 0x7A, p1, 0x01, b"\x00")).sw == sw
    assert card.send(GET_DATA).ok


def test_a_card_that_does_not_count_commands_without_data() -> None:
    for quirks, sw in (((), 0x6982), ((COUNTS_DATA_ONLY,), 0x9000)):
        card = scp03_card(0x70, empty_data_is_counted=False)
        card.secure(initialize_update(card.send, quirks=quirks).authenticate(RING, AES, 0x03))
        assert card.send(GET_DATA).ok
        # The first command with data is where both sides part, or not.
        assert card.send(GET_ISD).sw == sw


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_changed_answer_kills_the_channel(protocol: int) -> None:
    card = scp02_card(0x35) if protocol == 2 else scp03_card(0x70)
    keys = DES if protocol == 2 else AES
    channel = initialize_update(card.send, scp02_i=0x35).authenticate(RING, keys, 0x11)

    def changed(command: Command) -> Response:
        answer = card.send(command)
        return Response(answer.data[:-1] + bytes((answer.data[-1] ^ 1,)), answer.sw)

    for _ in range(2):
        with pytest.raises(CardError) as caught:
            channel.exchange(GET_DATA, changed)
        assert caught.value.code == "gp.channel_dead"
        assert not channel.alive
