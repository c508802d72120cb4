"""Every variant of SCP03 on the simulated card, judged by the independent host."""

from __future__ import annotations

import pytest

from tegata.applets.security_domain import model
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.card.policy import CardPolicy
from tegata.simulators.presets.gp_card import gp_card

from ...foreign.gpp.channel import Scp03
from ...foreign.gpp.crypto import cmac
from .gp_host import DEFAULT

VARIANTS = [i | mode for i in (0x00, 0x10, 0x20, 0x30, 0x60, 0x70) for mode in (0x00, 0x01)]
GET_ISD, GET_DATA, NO_SUCH = (0x80, 0xF2, 0x80, 0x02), (0x80, 0xCA, 0x00, 0x66), (0x80, 0xCA, 0x5F, 0x00)
FIND_ALL = b"\x4f\x00"
KEYS = (DEFAULT, DEFAULT, DEFAULT)


def card_of(i: int, **quirks: bool | int) -> SimulatedCard:
    content = gp_card(seeded(b"scp03"), i)
    policy = CardPolicy.from_bytes(content["card/policy"]).with_quirks(quirks)
    card = SimulatedCard(MemoryStore({**content, "card/policy": policy.to_bytes()}), contactless=False)
    card.power_up()
    return card


def begin(card: SimulatedCard, size: int = 8) -> tuple[Scp03, bytes]:
    challenge = bytes(range(size))
    answer = card.transmit(bytes((0x80, 0x50, 0, 0, size)) + challenge + b"\0")
    assert answer[-2:].hex() == "9000"
    return Scp03(KEYS, challenge, answer[:-2]), answer[:-2]


def opened(card: SimulatedCard, level: int, size: int = 8) -> Scp03:
    host, _ = begin(card, size)
    assert host.proved
    assert card.transmit(host.authenticate(level)).hex() == "9000"
    return host


def levels(i: int) -> list[int]:
    return [0x00, 0x01, 0x03] + ([0x11, 0x13] if i & 0x20 else []) + ([0x33] if i & 0x40 else [])


@pytest.mark.parametrize("i", VARIANTS, ids=lambda i: f"{i:02X}")
def test_every_variant_at_every_level(i: int) -> None:
    card = card_of(i)
    for level in levels(i):
        host = opened(card, level, 16 if i & 0x01 else 8)
        assert host.i == i
        for _ in range(2):
            data, sw = host.unwrap(card.transmit(host.wrap(*GET_ISD, FIND_ALL)))
            assert (sw, model.AID in data) == (0x9000, True)
            assert host.unwrap(card.transmit(host.wrap(*NO_SUCH))) == (b"", 0x6A88)
            data, sw = host.unwrap(card.transmit(host.wrap(*GET_DATA)))
            assert sw == 0x9000
            assert bytes((0x04, 0x03, i)) in data


@pytest.mark.parametrize("i", VARIANTS, ids=lambda i: f"{i:02X}")
def test_levels_that_a_variant_does_not_have(i: int) -> None:
    card = card_of(i)
    for level in {0x02, 0x10, 0x11, 0x13, 0x30, 0x31, 0x33} - set(levels(i)):
        host, _ = begin(card, 16 if i & 0x01 else 8)
        assert card.transmit(host.authenticate(level)).hex() == "6a86"


@pytest.mark.parametrize("i", VARIANTS, ids=lambda i: f"{i:02X}")
def test_the_card_challenge(i: int) -> None:
    """With bit 10 it follows from K-ENC, counter and AID; else it is random and nothing is counted."""
    card = card_of(i)
    size, counters, challenges = 16 if i & 0x01 else 8, [], []
    for _ in range(2):
        host, answer = begin(card, size)
        assert len(answer) == 13 + 2 * size + (3 if i & 0x10 else 0)
        challenges.append(host.card_challenge)
        if i & 0x10:
            assert host.challenge_is(DEFAULT, model.AID, answer)
            counters.append(int.from_bytes(answer[-3:], "big"))
    assert counters == ([1, 2] if i & 0x10 else [])
    assert len(set(challenges)) == 2


@pytest.mark.parametrize(("i", "size"), [(0x70, 16), (0x71, 8), (0x70, 0), (0x71, 17)])
def test_the_challenge_has_the_length_of_the_mode(i: int, size: int) -> None:
    command = bytes((0x80, 0x50, 0, 0)) + (bytes((size,)) + bytes(size) if size else b"") + b"\0"
    assert card_of(i).transmit(command).hex() == "6700"


def test_a_card_of_s16_only() -> None:
    card = card_of(0x70, s16_only=True)
    assert card.transmit(bytes.fromhex("8050000008") + bytes(9)).hex() == "6700"
    host = opened(card, 0x33, 16)
    assert host.i == 0x71
    assert host.unwrap(card.transmit(host.wrap(*GET_ISD, FIND_ALL)))[1] == 0x9000


def test_cards_that_are_particular_about_secured_commands() -> None:
    for quirks, le, cla, sw in (
        ({"le_demanded": True}, False, 0x80, "6700"),
        ({"le_demanded": True}, True, 0x80, "9000"),
        ({"le_refused": True}, True, 0x80, "6700"),
        ({"le_refused": True}, False, 0x80, "9000"),
        ({"secured_class_04": False}, True, 0x00, "6e00"),
        ({"secured_class_04": True}, True, 0x00, "9000"),
    ):
        card = card_of(0x70, **quirks)
        host = opened(card, 0x01)
        answer = card.transmit(host.wrap(cla, *GET_DATA[1:], le=le))
        assert answer[-2:].hex() == sw


def test_a_card_that_does_not_count_commands_without_data() -> None:
    """GET DATA leaves its counter where it is, and the host's own has gone on."""
    card = card_of(0x70, empty_data_is_counted=False)
    host = opened(card, 0x03)
    assert card.transmit(host.wrap(*GET_DATA))[-2:].hex() == "9000"
    host.counter -= 1
    assert card.transmit(host.wrap(*GET_ISD, FIND_ALL))[-2:].hex() == "9000"
    card.transmit(host.wrap(*GET_DATA))
    assert card.transmit(host.wrap(*GET_ISD, FIND_ALL)).hex() == "6982"


def test_an_r_mac_session_by_hand() -> None:
    """Responses carry R-MACs between BEGIN and END R-MAC SESSION, and END's own is the last."""
    card = card_of(0x70)
    host = opened(card, 0x01)
    assert card.transmit(host.wrap(0x80, 0x7A, 0x10, 0x01, b"\x00")).hex() == "9000"
    for header, empty in ((GET_DATA, False), ((0x80, 0x78, 0x00, 0x03), True)):
        answer = card.transmit(host.wrap(*header))
        body, mac, sw = answer[:-10], answer[-10:-2], answer[-2:]
        assert mac == cmac(host.s_rmac, host.chain + body + sw)[:8]
        assert (body == b"") is empty
    answer = card.transmit(host.wrap(*GET_DATA))
    assert (answer[0], len(answer)) == (0x66, answer[1] + 4)
