"""PPS and T=0: literal bytes of the standard and of captured dialogues."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.reader_bridge.frames.pps import Pps
from tegata.reader_bridge.frames.t0 import Done, Exchange, Send, Tpdu, envelopes


def hexes(text: str) -> bytes:
    return bytes.fromhex(text)


def test_pps() -> None:
    assert bytes(Pps(1)).hex() == "ff01fe"
    assert bytes(Pps(0, 0x96)).hex() == "ff109679"
    assert Pps.parse(hexes("ff119678")) == Pps(1, 0x96)


@pytest.mark.parametrize("raw", ["", "ff01", "fe01ff", "ff01ff", "ff1196", "ff817e", "ff10967900"])
def test_no_pps(raw: str) -> None:
    with pytest.raises(ValueError):
        Pps.parse(hexes(raw))


@given(st.integers(0, 15), *[st.none() | st.integers(0, 255)] * 3)
def test_any_pps(protocol: int, one: int | None, two: int | None, three: int | None) -> None:
    pps = Pps(protocol, one, two, three)
    assert Pps.parse(bytes(pps)) == pps


def run(command: str, *dialogue: str) -> str:
    """Runs an exchange: the TPDUs it must send and the answers it gets, in turns."""
    exchange = Exchange(hexes(command))
    outcome: Send | Done = exchange.begin()
    for expected, answer in zip(dialogue[::2], dialogue[1::2], strict=True):
        assert outcome == Send(hexes(expected))
        outcome = exchange.received(hexes(answer))
    assert isinstance(outcome, Done)
    return outcome.response.hex()


def test_the_four_cases() -> None:
    assert run("00200080", "0020008000", "63c3") == "63c3"
    assert run("00b0000004", "00b0000004", "010203049000") == "010203049000"
    assert run("00b0000000", "00b0000000", "6c02", "00b0000002", "01029000") == "01029000"
    assert run("00d6000002aabb", "00d6000002aabb", "9000") == "9000"
    assert run("00a4040001aa00", "00a4040001aa", "6102", "00c0000002", "6f009000") == "6f009000"
    assert run("00a4040001aa00", "00a4040001aa", "9000") == "9000"


def test_long_answers_and_channels() -> None:
    pieces = ("02cb3fff01aa", "6100", "02c0000000", "11" * 256 + "6103", "02c0000003", "2222229000")
    assert run("02cb3fff01aa00", *pieces[:2], "02c0000000", "11" * 256 + "9000") == "11" * 256 + "9000"
    assert run("02cb3fff01aa00", *pieces[:3], "11" * 256 + "6103") == "11" * 256 + "6103"
    assert run("0088000001aa08", "0088000001aa", "6110", "00c0000008", "33" * 8 + "9000") == "33" * 8 + "9000"


def test_a_wrong_length_with_data_is_not_sent_again() -> None:
    assert run("00a4040001aa00", "00a4040001aa", "6c05") == "6c05"


def test_a_card_that_never_ends() -> None:
    exchange = Exchange(hexes("00b0000000"))
    for _ in range(300):
        exchange.received(hexes("6c01"))
    with pytest.raises(ValueError, match="more and more"):
        exchange.received(hexes("6c01"))
    with pytest.raises(ValueError, match="status word"):
        exchange.received(b"\x90")


@pytest.mark.parametrize("command", ["", "002000", "0020008002aa", "00a40400000001aa"])
def test_what_is_no_short_command(command: str) -> None:
    with pytest.raises(ValueError):
        Exchange(hexes(command))


def test_envelopes() -> None:
    assert [len(part) for part in envelopes(bytes(300))] == [260, 51]
    assert envelopes(b"\xaa", 0x01) == [hexes("01c2000001aa00")]


def test_tpdus() -> None:
    assert Tpdu.parse(hexes("00200080")) == Tpdu(hexes("00200080"), 0)
    assert Tpdu.parse(hexes("00d6000002aabb")) == Tpdu(hexes("00d60000"), 2, hexes("aabb"))
    for wrong in ("002000", "00d6000002aa", "00d6000002aabbcc"):
        with pytest.raises(ValueError):
            Tpdu.parse(hexes(wrong))
