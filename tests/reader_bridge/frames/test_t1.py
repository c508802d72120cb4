"""T=1: blocks of ISO 7816-3 Annex A and of captured dialogues, both machines, a line that spoils blocks."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.reader_bridge.frames import t1_ifd
from tegata.reader_bridge.frames.t1 import Block, BlockError, Kind, RError, SType, epilogue
from tegata.reader_bridge.frames.t1_icc import COMMAND_MOST, Execute, Icc
from tegata.reader_bridge.frames.t1_ifd import Done, Failed, Ifd, Outcome, Send


def converse(
    ifd: Ifd, icc: Icc, first: Send, spoil: random.Random | None = None
) -> tuple[Done | Failed, list[bytes]]:
    """Both machines until the reader's is done; the card answers with the command reversed."""
    outcome: Outcome = first
    executed: list[bytes] = []
    while isinstance(outcome, Send):
        block: bytes = outcome.block
        if spoil and spoil.random() < 0.1:
            block = bytes([block[0] ^ 0x40]) + block[1:]
        answer = icc.received(block)
        if isinstance(answer, Execute):
            executed.append(answer.command)
            answer = icc.answer(answer.command[::-1])
        assert answer is not None
        outcome = ifd.nothing_came() if spoil and spoil.random() < 0.1 else ifd.received(answer)
    return outcome, executed


def test_captured_blocks() -> None:
    assert Ifd().negotiate_ifs().block.hex() == "00c101fe3e"
    assert Icc().received(bytes.fromhex("00c101fe3e")) == bytes.fromhex("00e101fe1e")
    assert Block.i(0, bytes.fromhex("00a40400")).encode().hex() == "00000400a40400a4"
    assert Block.r(1, RError.CHECK).encode().hex() == "00910091"
    assert Block.s(SType.WTX, b"\x05").encode().hex() == "00c30105c7"


def test_the_published_check_value_of_the_crc() -> None:
    # CRC-16/MCRF4XX of "123456789" is 6F91.
    assert epilogue(b"123456789", crc=True).hex() == "6f91"
    block = Block.i(1, b"abc", more=True)
    assert Block.parse(block.encode(crc=True), crc=True) == block


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ("", RError.OTHER),
        ("0000", RError.OTHER),
        ("00000100", RError.OTHER),
        ("00000001", RError.CHECK),
        ("0000ff" + "00" * 255 + "ff", RError.OTHER),
        ("00010001", RError.OTHER),  # a reserved bit of an I-block
        ("00a000a0", RError.OTHER),  # of an R-block
        ("0083010082", RError.OTHER),  # an R-block with data
        ("00c400c4", RError.OTHER),  # no such S-block
        ("00c10100c0", RError.OTHER),  # IFS 0
        ("00c00100c1", RError.OTHER),  # RESYNCH with data
    ],
)
def test_what_is_no_block(raw: str, error: RError) -> None:
    with pytest.raises(BlockError) as raised:
        Block.parse(bytes.fromhex(raw))
    assert raised.value.error is error


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 254, 255, 1000, 65538])
def test_lengths_go_through(size: int) -> None:
    ifd, icc = Ifd(ifsc=254), Icc()
    assert converse(ifd, icc, ifd.negotiate_ifs())[0] == Done(b"")
    command = bytes(index % 251 for index in range(size))
    for _ in range(2):
        assert converse(ifd, icc, ifd.begin(command)) == (Done(command[::-1]), [command])


def test_a_short_frame_of_the_standard() -> None:
    """Scenarios 1 to 4 of Annex A: I(0,0) I(0,0), a wait, a new IFSC."""
    ifd = Ifd()
    assert ifd.begin(b"\x01\x02").block.hex() == "000002010201"
    waiting = ifd.received(bytes.fromhex("00c30103c1"))
    assert waiting == Send(bytes.fromhex("00e30103e1"), waiting=3)
    assert ifd.received(bytes.fromhex("00c1014080")) == Send(bytes.fromhex("00e10140a0"))
    assert ifd.ifsc == 0x40
    assert ifd.received(bytes.fromhex("000002900092")) == Done(b"\x90\x00")
    # The next ones are I(1,0) both ways.
    assert ifd.begin(b"\x07").block.hex() == "0040010746"
    assert ifd.received(bytes.fromhex("0040029000d2")) == Done(b"\x90\x00")


def test_a_damaged_answer_is_asked_for_again_not_the_command() -> None:
    ifd = Ifd()
    ifd.begin(b"\x01")
    assert ifd.received(bytes.fromhex("000002900093")) == Send(bytes.fromhex("00810081"))
    assert ifd.nothing_came() == Send(bytes.fromhex("00820082"))
    assert isinstance(ifd.nothing_came(), Failed)
    resynch = ifd.resynchronise()
    assert resynch.block.hex() == "00c000c0"
    assert ifd.received(bytes.fromhex("00e000e0")) == Done(b"")
    assert ifd.begin(b"\x01").block.hex() == "0000010100"


def test_a_card_asks_for_a_block_again() -> None:
    ifd = Ifd()
    first = ifd.begin(b"\x01")
    assert ifd.received(Block.r(0, RError.CHECK).encode()) == first
    assert ifd.received(Block.r(0, RError.CHECK).encode()) == first
    assert isinstance(ifd.received(Block.r(0, RError.CHECK).encode()), Failed)


def test_a_card_that_aborts() -> None:
    ifd = Ifd()
    ifd.begin(bytes(40))
    assert ifd.received(bytes.fromhex("00c200c2")) == Failed(
        "the card aborted the chain", bytes.fromhex("00e200e2")
    )


def test_a_card_that_never_ends() -> None:
    ifd = Ifd()
    outcome: Outcome = ifd.begin(b"\x01")
    for index in range(300):
        outcome = ifd.received(Block.i(index & 1, bytes(254), more=True).encode())
        if isinstance(outcome, Failed):
            break
    assert isinstance(outcome, Failed) and index == t1_ifd.RESPONSE_MOST // 254
    ifd = Ifd()
    ifd.begin(b"\x01")
    outcomes = [ifd.received(Block.i(0, b"", more=True).encode()) for _ in range(3)]
    assert isinstance(outcomes[-1], Failed)


def test_a_reader_that_never_ends_is_aborted() -> None:
    icc = Icc()
    answers = [icc.received(Block.i(index & 1, bytes(254), more=True).encode()) for index in range(260)]
    first = answers.index(bytes.fromhex("00c200c2"))
    assert first == COMMAND_MOST // 254
    assert icc.received(bytes.fromhex("00e200e2")) is not None


def test_a_pin_that_was_cancelled_leaves_the_numbers() -> None:
    ifd = Ifd()
    first = ifd.begin(b"\x01")
    ifd.retract()
    assert ifd.begin(b"\x01") == first


def test_a_card_that_needs_time() -> None:
    icc = Icc()
    assert icc.received(Block.i(0, b"\x01").encode()) == Execute(b"\x01")
    assert icc.ask_for_time(2).hex() == "00c30102c0"
    assert icc.received(bytes.fromhex("00e30102e1")) == bytes.fromhex("00c30102c0")  # damaged
    assert icc.received(bytes.fromhex("00e30102e0")) is None
    assert icc.answer(b"\x90\x00").hex() == "000002900092"
    assert icc.received(Block.r(0).encode()).hex() == "000002900092"  # type: ignore[union-attr]


def test_a_block_that_is_sent_twice_executes_once() -> None:
    icc = Icc()
    block = Block.i(0, b"\x01").encode()
    assert icc.received(block) == Execute(b"\x01")
    icc.answer(b"\x90\x00")
    again = icc.received(block)
    assert isinstance(again, bytes) and Block.parse(again).kind is Kind.READY


def test_node_addresses_are_swapped() -> None:
    icc = Icc()
    answer = icc.received(Block.s(SType.IFS, b"\xfe", nad=0x21).encode())
    assert isinstance(answer, bytes) and answer[0] == 0x12


@given(st.integers(), st.binary(min_size=1, max_size=700), st.integers(5, 254))
def test_over_a_bad_line_a_command_executes_at_most_once(seed: int, command: bytes, ifsc: int) -> None:
    ifd, icc = Ifd(ifsc=ifsc), Icc(ifsc=ifsc)
    outcome, executed = converse(ifd, icc, ifd.begin(command), random.Random(seed))  # noqa: S311
    assert executed in ([], [command])
    if isinstance(outcome, Done):
        assert outcome == Done(command[::-1])
        assert executed == [command]


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_any_bytes(pieces: list[bytes]) -> None:
    ifd, icc = Ifd(), Icc()
    ifd.begin(b"\x01")
    for piece in pieces:
        assert isinstance(ifd.received(piece), Send | Done | Failed)
        icc.received(piece)
