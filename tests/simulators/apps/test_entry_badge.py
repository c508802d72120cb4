"""The simulated entry badge seen by an attacker: one answer to all that is wrong, nothing to follow."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tegata.applets.entry_badge import model
from tegata.simulators.card import LifeCycle, MemoryStore, RegistryEntry, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.card.registry import Kind, entry_key
from tegata.simulators.presets import memory

AID = model.INSTANCE_AID
BADGE_KEY = bytes.fromhex("a5f9ea91ef1134c4582560c90563b5a0")
PRIVACY_KEY = bytes.fromhex("d2f8e00b385f082a11d02b3e803ba572")
DIVERSIFIER = bytes(range(0xD0, 0xE0))
RECORD = bytes.fromhex(
    "8009422d3030313233343581040000000782080000000069cc60008308000000006bad9380840400010020"
)
SELECT = bytes.fromhex("00A404000AF0544547415441010101" + "00")
DOOR_CHALLENGE = bytes(range(0xE0, 0xF0))


@pytest.fixture
def card() -> SimulatedCard:
    return make_card(LifeCycle.PERSONALIZED)


def make_card(life_cycle: int, seed: bytes = b"badge") -> SimulatedCard:
    content = memory("company-card", seed=3)
    entry = RegistryEntry(AID, Kind.APPLICATION, life_cycle, model="entry-badge", order=50)
    content[entry_key(AID)] = entry.to_bytes()
    own = {
        "diversifier": DIVERSIFIER,
        "record/01": RECORD,
        "badge/0101": BADGE_KEY,
        "privacy/0101": PRIVACY_KEY,
    }
    content |= {f"app/{AID.hex()}/{name}": value for name, value in own.items()}
    made = SimulatedCard(MemoryStore(content), entropy=seeded(seed))
    made.power_up()
    return made


def select(card: SimulatedCard) -> bytes:
    answer = card.transmit(SELECT)
    assert answer[-2:] == b"\x90\x00"
    return answer[:-2]


def proof(fci: bytes, key: bytes = BADGE_KEY) -> tuple[bytes, model.SessionKeys]:
    slot, version = 1, 1
    challenge = model.Fci.parse(fci).challenge
    keys = model.session_keys(key, slot, version, fci, challenge, DOOR_CHALLENGE, AID)
    data = DOOR_CHALLENGE + model.door_mac(keys, slot, version, DOOR_CHALLENGE)
    return bytes((0x80, 0x82, slot, version, 0x20)) + data + b"\x60", keys


def test_the_vectors_of_the_document_on_the_card(card: SimulatedCard) -> None:
    random = iter([bytes(range(0xC0, 0xD0)), bytes(range(0x20, 0x30))])
    card.entropy = lambda count: next(random)
    fci = "6f51840af0544547415441010101a543800101810201018210c0c1c2c3c4c5c6c7c8c9cacbcccdcecf8328"
    fci += "2328bf8935e8b31ef6482821efefbd32ea12d74d7b4a83341ecac2f5b95d9713d796e4c376d9bf78"
    assert card.transmit(SELECT).hex() == fci + "9000"
    command = "8082010120e0e1e2e3e4e5e6e7e8e9eaebecedeeefd4739bb6e17d192612138e866ed0b25860"
    answer = (
        "75e61a640494b8a85de632ab5bbe2eaaf973ad2e90a011b3d56b9f3b4db79af99870102abb6f4f3ba748e0e2eeafeaf5"
        "0283791da2d54e63ef311f672ba1610d3d92f38a63297d6ff40a56614c80f7d78d94c64dd2dabe741688c863f7eff74f"
    )
    assert card.transmit(bytes.fromhex(command)).hex() == answer + "9000"


def test_nothing_of_two_answers_is_the_same_but_what_all_badges_share(card: SimulatedCard) -> None:
    first, second = select(card), select(card)
    one, two = model.Fci.parse(first), model.Fci.parse(second)
    assert (one.pairs, one.aid, one.protocol) == (two.pairs, two.aid, two.protocol)
    assert len(first) == len(second)
    assert one.challenge != two.challenge
    pieces = {token[at : at + 8] for token in (*one.tokens, *two.tokens) for at in range(0, 40, 8)}
    assert len(pieces) == 10
    assert DIVERSIFIER not in first


Spoil = Callable[[bytes], bytes]
SPOILED: dict[str, Spoil] = {
    "mac": lambda command: command[:-2] + bytes((command[-2] ^ 1,)) + command[-1:],
    "challenge": lambda command: command[:5] + b"\x00" + command[6:],
    "slot": lambda command: command[:2] + b"\x02" + command[3:],
    "version": lambda command: command[:3] + b"\x02" + command[4:],
    "version zero": lambda command: command[:3] + b"\x00" + command[4:],
    "short": lambda command: command[:4] + b"\x10" + command[5:21] + b"\x60",
    "empty": lambda command: command[:4],
    "long": lambda command: command[:4] + b"\x21" + command[5:-1] + b"\x00\x60",
    "no mac": lambda command: command[:4] + b"\x01\x00",
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_one_answer_to_everything_wrong_and_the_challenge_is_gone(card: SimulatedCard, spoil: Spoil) -> None:
    command, _ = proof(select(card))
    assert card.transmit(spoil(command)) == b"\x69\x82"
    assert card.transmit(command) == b"\x69\x82"


def test_a_challenge_is_good_once(card: SimulatedCard) -> None:
    command, keys = proof(select(card))
    answer = card.transmit(command)
    assert model.open_record(keys, answer[:-2]) == RECORD
    assert card.transmit(command) == b"\x69\x82"


@pytest.mark.parametrize(
    "between",
    [
        "00A40400",
        "00A4040005A000000999",
        "00A4041008F054454741544101",
        "00A4040008F054454741544101",
        "00A40000023F00",
        "00CA9F7F00",
        "80CA0042",
    ],
)
def test_a_challenge_dies_on_any_select_and_any_other_command(card: SimulatedCard, between: str) -> None:
    command, _ = proof(select(card))
    card.transmit(bytes.fromhex(between))
    refusal = card.transmit(command)
    # The bare SELECT leads to the security domain, to which this is a MAC that it does not know.
    assert refusal == b"\x69\x82" or (between == "00A40400" and len(refusal) == 2)


def test_a_challenge_dies_with_the_field(card: SimulatedCard) -> None:
    command, _ = proof(select(card))
    card.power_up()
    card.transmit(bytes.fromhex("00A4040005F054454741"))
    assert card.transmit(command) == b"\x69\x82"


def test_a_changed_fci_is_noticed_by_the_badge(card: SimulatedCard) -> None:
    """Downgrade: an attacker takes a version out of the FCI on its way to the door."""
    fci = bytearray(select(card))
    fci[fci.index(bytes.fromhex("81020101")) + 3] = 0x02
    command, _ = proof(bytes(fci))
    assert card.transmit(command) == b"\x69\x82"


def test_thousand_wrong_doors_lock_nobody_out(card: SimulatedCard) -> None:
    for _ in range(1000):
        command, _ = proof(select(card), key=bytes(16))
        assert card.transmit(command) == b"\x69\x82"
    command, keys = proof(select(card))
    assert model.open_record(keys, card.transmit(command)[:-2]) == RECORD


def test_until_personalised_the_form_is_the_same_and_authentication_refuses() -> None:
    card = make_card(LifeCycle.SELECTABLE)
    fci = select(card)
    assert model.Fci.parse(fci).pairs == ()
    command, _ = proof(fci)
    assert card.transmit(command) == b"\x69\x82"


def test_other_instructions_and_classes(card: SimulatedCard) -> None:
    select(card)
    assert card.transmit(bytes.fromhex("80CA0000")) == b"\x6d\x00"
    assert card.transmit(bytes.fromhex("00820101")) == b"\x6e\x00"
