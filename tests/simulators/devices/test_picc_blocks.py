"""The card's side of ISO/IEC 14443-4, block by block: scenarios of its annex B, and frames of others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.simulators.devices.picc_blocks import LONGEST_COMMAND, PiccBlocks, What


def card(fsd: int = 256, fsc: int = 256, cid: int | None = 0) -> PiccBlocks:
    return PiccBlocks(fsd, fsc, cid)


def ask(blocks: PiccBlocks, block: str) -> str | What:
    """Hex of what is sent at once, or what else the card does."""
    turn = blocks.receive(bytes.fromhex(block))
    return turn.data.hex().upper() if turn.what is What.SEND else turn.what


def test_commands_and_answers_toggle_the_block_number() -> None:
    blocks = card()
    for number in ("02", "03", "02"):
        turn = blocks.receive(bytes.fromhex(number + "00A40400"))
        assert (turn.what, turn.data) == (What.COMPUTE, bytes.fromhex("00A40400"))
        assert blocks.answer(bytes.fromhex("9000")).hex() == number + "9000"


def test_a_chained_command_is_acknowledged_piece_by_piece() -> None:
    blocks = card()
    assert ask(blocks, "12 0102") == "A2"
    assert ask(blocks, "13 0304") == "A3"
    turn = blocks.receive(bytes.fromhex("02 05"))
    assert turn.data == bytes.fromhex("0102030405")
    assert blocks.answer(b"\x90\x00") == bytes.fromhex("029000")


def test_a_long_answer_is_chained_and_repeated_when_asked() -> None:
    blocks = card(fsd=16)  # thirteen bytes of data in each block
    blocks.receive(bytes.fromhex("02 00"))
    assert blocks.answer(bytes(range(30))).hex() == "12" + bytes(range(13)).hex()
    assert ask(blocks, "B2") == "12" + bytes(range(13)).hex().upper()  # rule 11: it was lost
    assert ask(blocks, "A3") == "13" + bytes(range(13, 26)).hex().upper()  # rules E, 13
    assert ask(blocks, "A3") == "13" + bytes(range(13, 26)).hex().upper()  # rule 11, by R(ACK)
    assert ask(blocks, "A2") == "02" + bytes(range(26, 30)).hex().upper()
    assert ask(blocks, "A3") is What.NOTHING  # the chain is over


def test_presence_is_asked_by_nak() -> None:
    blocks = card()
    assert ask(blocks, "B2") == "A3"  # rule 12, before the first block
    assert ask(blocks, "B2") == "A3"
    assert ask(blocks, "B3") is What.NOTHING  # nothing was sent that could be sent again
    blocks.receive(bytes.fromhex("02 00"))
    blocks.answer(b"\x90\x00")
    assert ask(blocks, "B3") == "A2"
    assert ask(blocks, "B2") == "029000"


def test_an_empty_command_is_answered_emptily() -> None:
    assert ask(card(), "02") == "02"


def test_a_card_that_computes_asks_for_time() -> None:
    blocks = card()
    blocks.receive(bytes.fromhex("02 00"))
    assert ask(blocks, "B2") is What.NOTHING  # it does not listen meanwhile
    assert ask(blocks, "C2") is What.NOTHING
    assert blocks.extend(3).hex() == "f203"
    assert ask(blocks, "B3") == "F203"  # S(WTX) was lost
    assert ask(blocks, "F204") is What.NOTHING  # not what was asked for
    assert ask(blocks, "F203") is What.WAIT
    assert ask(blocks, "F203") is What.NOTHING
    assert blocks.answer(b"\x90\x00").hex() == "029000"


def test_deselect_ends_it_even_between_wtx_and_its_answer() -> None:
    blocks = card()
    turn = blocks.receive(b"\xc2")
    assert (turn.what, turn.data) == (What.DESELECTED, b"\xc2")
    blocks = card()
    blocks.receive(bytes.fromhex("02 00"))
    blocks.extend(1)
    assert blocks.receive(b"\xc2").what is What.DESELECTED


@pytest.mark.parametrize(
    ("cid", "block", "answered"),
    [
        (0, "B2", True),
        (0, "BA00", True),
        (0, "BA01", False),
        (1, "BA01", True),
        (1, "BA41", True),  # power level bits are the reader's hint
        (1, "B2", False),
        (1, "BA02", False),
        (None, "B2", True),
        (None, "BA00", False),
    ],
)
def test_blocks_of_another_cid_are_not_answered(cid: int | None, block: str, answered: bool) -> None:
    blocks = card(cid=cid)
    reply = ask(blocks, block)
    assert (reply is not What.NOTHING) is answered
    if answered and len(block) == 4:
        assert reply == f"AB{cid:02X}"  # an answer carries the CID when the question did


@pytest.mark.parametrize(
    "frame",
    [
        "0600",
        "0A",
        "0C",
        "10",
        "010B3F80",
        "26",
        "52",
        "9320",
        "050008",
        "00",
        "E080",
        "D011",
        "FF",
        "F201",
        "B200",
    ],
)
def test_frames_of_other_cards_are_not_answered(frame: str) -> None:
    """ST SRx, iClass, CTx, B', REQA, WUPA, anticollision, REQB, RATS, PPS, and what is out of turn."""
    assert ask(card(), frame) is What.NOTHING


def test_a_frame_longer_than_the_card_takes_is_not_answered() -> None:
    blocks = card(fsc=32)
    assert ask(blocks, "02" + "00" * 30) is What.NOTHING
    assert blocks.receive(bytes.fromhex("02" + "00" * 29)).what is What.COMPUTE


def test_a_chain_without_end_is_not_kept() -> None:
    blocks = card(fsc=4096)
    pieces = 0
    while ask(blocks, ("12", "13")[pieces % 2] + "00" * 4000) is not What.NOTHING:
        pieces += 1
    assert pieces == LONGEST_COMMAND // 4000


@given(st.lists(st.binary(max_size=40), max_size=30), st.sampled_from([None, 0, 1, 14]))
def test_any_frames_leave_it_alive(frames: list[bytes], cid: int | None) -> None:
    blocks = card(32, 48, cid)
    for frame in frames:
        turn = blocks.receive(frame)
        assert len(turn.data) <= 30 or turn.what is What.COMPUTE
        if turn.what is What.COMPUTE:
            assert len(blocks.answer(turn.data)) <= 30
