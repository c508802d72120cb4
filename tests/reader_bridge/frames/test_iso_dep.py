"""ISO 14443-4: blocks as captured, dialogues with a card that errs, and a line that loses any block."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.reader_bridge.frames.iso_dep import (
    Block,
    IsoDepError,
    Kind,
    Lost,
    Pcd,
    Script,
    Violation,
)
from tegata.reader_bridge.frames.pn532 import Frame

VECTORS = [
    ("0200A4040C", Block(Kind.I, 0, bytes.fromhex("00A4040C"))),
    ("03", Block(Kind.I, 1)),
    ("129000", Block(Kind.I, 0, b"\x90\x00", chaining=True)),
    ("0A019000", Block(Kind.I, 0, b"\x90\x00", cid=1)),
    ("0F01029000", Block(Kind.I, 1, b"\x90\x00", cid=1, nad=2)),
    ("A2", Block(Kind.ACK, 0)),
    ("A3", Block(Kind.ACK, 1)),
    ("B2", Block(Kind.NAK, 0)),
    ("BA01", Block(Kind.NAK, 0, cid=1)),
    ("C2", Block(Kind.DESELECT)),
    ("CA01", Block(Kind.DESELECT, cid=1)),
    ("F201", Block(Kind.WTX, data=b"\x01")),
]


@pytest.mark.parametrize(("raw", "block"), VECTORS)
def test_blocks_both_ways(raw: str, block: Block) -> None:
    assert Block.parse(bytes.fromhex(raw)) == block
    assert bytes(block) == bytes.fromhex(raw)


@pytest.mark.parametrize(
    "raw", ["", "00", "E2", "82", "A200", "A6", "C200", "F2", "F20102", "0A", "0701"[:2], "4200", "D2"]
)
def test_what_is_no_block_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Block.parse(bytes.fromhex(raw))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_block_or_refused(raw: bytes) -> None:
    try:
        block = Block.parse(raw)
    except ValueError:
        return
    assert Block.parse(bytes(block)) == block


def play(script: Script, dialogue: list[tuple[str, str | None]]) -> bytes:
    """Run a script against a written dialogue: what must be sent, and what comes back."""
    lines = iter(dialogue)
    try:
        step = next(script)
        while True:
            wanted, back = next(lines)
            assert step.frame.hex().upper() == wanted
            step = script.send(None if back is None else bytes.fromhex(back))
    except StopIteration as end:
        assert list(lines) == []
        result: bytes = end.value
        return result


def test_a_short_exchange_toggles_the_number() -> None:
    pcd = Pcd(256, 0.1)
    assert play(pcd.exchange(b"\x00\xb0"), [("0200B0", "029000")]) == b"\x90\x00"
    assert play(pcd.exchange(b"\x00\xb0"), [("0300B0", "039000")]) == b"\x90\x00"
    assert play(pcd.present(), [("B2", "A3")]) == b"\xa3"


def test_chaining_both_ways() -> None:
    dialogue: list[tuple[str, str | None]] = [
        ("1201020304050607080910111213", "A2"),
        ("03141516", "13AABB"),
        ("A2", "12CCDD"),
        ("A3", "039000"),
    ]
    command = bytes.fromhex("01020304050607080910111213141516")
    assert play(Pcd(16, 0.1).exchange(command), dialogue) == bytes.fromhex("AABBCCDD9000")


def test_cid_is_in_every_block() -> None:
    dialogue: list[tuple[str, str | None]] = [("0A0100B0", "FA0103"), ("FA0103", "0A019000")]
    pcd = Pcd(64, 0.1, cid=1)
    assert play(pcd.exchange(b"\x00\xb0"), dialogue) == b"\x90\x00"
    assert play(pcd.deselect(), [("CA01", "CA01")]) == b"\xca\x01"


def test_more_time_is_granted_for_one_block() -> None:
    script = Pcd(256, 0.1).exchange(b"\x00\x20")
    assert next(script).timeout == 0.1
    step = script.send(b"\xf2\x05")
    assert step.frame == b"\xf2\x05"
    assert step.timeout == pytest.approx(0.5)
    step = script.send(None)
    assert (step.frame, step.timeout) == (b"\xb2", 0.1)
    assert script.send(b"\xf2\x02").frame == b"\xf2\x02"
    with pytest.raises(StopIteration) as end:
        script.send(b"\x02\x90\x00")
    assert end.value.value == b"\x90\x00"


def test_a_lost_answer_is_asked_for_and_the_command_not_repeated() -> None:
    """The rules that keep a VERIFY from being executed twice."""
    asked: list[tuple[str, str | None]] = [("02AA", None), ("B2", "02BB")]
    assert play(Pcd(256, 0.1).exchange(b"\xaa"), asked) == b"\xbb"
    # The card says by its number that it has not had the command: only then it goes again.
    again: list[tuple[str, str | None]] = [("02AA", None), ("B2", "A3"), ("02AA", "02BB")]
    assert play(Pcd(256, 0.1).exchange(b"\xaa"), again) == b"\xbb"
    chained: list[tuple[str, str | None]] = [("02AA", "12BB"), ("A3", None), ("A3", "03CC")]
    assert play(Pcd(256, 0.1).exchange(b"\xaa"), chained) == b"\xbb\xcc"


@pytest.mark.parametrize("stray", ["03BB", "E2", "", "0A0190", "0600BB", "C2", "B2"])
def test_a_stray_block_is_as_good_as_none(stray: str) -> None:
    dialogue: list[tuple[str, str | None]] = [("02AA", stray), ("B2", "02BB")]
    assert play(Pcd(256, 0.1).exchange(b"\xaa"), dialogue) == b"\xbb"


def tell(script: Script, answers: list[bytes | None]) -> None:
    """Give a script these answers, one after the other."""
    for answer in answers:
        script.send(answer)


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([None] * 9, Lost),
        (["A3"] * 9, Violation),
        (["A2"], Violation),
        (["F200"], Violation),
        (["F23C"], Violation),
        (["F201"] * 5000, Violation),
        (["12"], Violation),
        (["12AA", "A3"], Violation),
    ],
)
def test_a_lying_card_comes_to_an_end(answers: list[str | None], error: type[IsoDepError]) -> None:
    script = Pcd(256, 0.1).exchange(b"\xaa")
    next(script)
    with pytest.raises(error):
        tell(script, [None if answer is None else bytes.fromhex(answer) for answer in answers])


def test_an_answer_without_end_is_cut_off() -> None:
    script = Pcd(256, 0.1).exchange(b"\xaa")
    next(script)
    with pytest.raises(Violation):
        tell(script, [bytes((0x12 | turn & 1,)) + bytes(250) for turn in range(300)])


def test_a_card_that_answers_a_part_of_a_command_breaks_the_protocol() -> None:
    script = Pcd(16, 0.1).exchange(bytes(20))
    next(script)
    with pytest.raises(Violation):
        script.send(b"\x02\x90\x00")


def test_the_card_may_be_gone() -> None:
    for script in (Pcd(256, 0.1).present(), Pcd(256, 0.1).deselect()):
        next(script)
        with pytest.raises(Lost):
            tell(script, [None] * 9)


class Picc:
    """The card's side by the PICC rules, written from the standard for this test: it counts what it
    executes."""

    def __init__(self, answer: bytes, room: int) -> None:
        self._pieces = [answer[at : at + room] for at in range(0, len(answer), room)]
        self._left: list[bytes] = []
        self._number = 1  # rule C
        self._command = b""
        self._last = b""
        self.executed: list[bytes] = []

    def receive(self, frame: bytes) -> bytes:
        pcb = frame[0]
        if pcb & 0xE2 == 0x02:
            self._number ^= 1  # rule D
            self._command += frame[1:]
            if pcb & 0x10:
                return self._send(bytes((0xA2 | self._number,)))
            self.executed.append(self._command)
            self._command, self._left = b"", list(self._pieces)
            return self._next()
        if pcb & 1 == self._number:
            return self._last  # rule 11
        if pcb & 0x10:
            return self._send(bytes((0xA2 | self._number,)))  # rule 12
        self._number ^= 1  # rule E
        return self._next()

    def _next(self) -> bytes:
        piece = self._left.pop(0)
        return self._send(bytes((0x02 | self._number | (0x10 if self._left else 0),)) + piece)

    def _send(self, block: bytes) -> bytes:
        self._last = block
        return block


@given(
    st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=3),
    st.binary(min_size=1, max_size=60),
    st.sets(st.integers(0, 60), max_size=4),
)
def test_whatever_is_lost_each_command_is_executed_at_most_once(
    commands: list[bytes], answer: bytes, lost: set[int]
) -> None:
    pcd, picc, count = Pcd(16, 0.1, retries=5), Picc(answer, 13), 0
    for done, command in enumerate(commands):
        result, count = talk(pcd.exchange(command), picc, lost, count)
        assert result == answer
        assert picc.executed == commands[: done + 1]


def talk(script: Script, picc: Picc, lost: set[int], count: int) -> tuple[bytes, int]:
    """Run a script with a card; what is lost is said by the numbers of the frames, from ``count`` on."""
    step = next(script)
    while True:
        back = None if count in lost else picc.receive(step.frame)
        try:
            step = script.send(None if count + 1 in lost else back)
        except StopIteration as end:
            return end.value, count + 2
        count += 2


def test_what_carries_a_pin_does_not_show_it() -> None:
    verify = bytes.fromhex("002000800431323334")
    step = next(Pcd(256, 0.1).exchange(verify))
    assert step.frame.endswith(verify)
    for shown in (repr(step), repr(Block.parse(step.frame)), repr(Frame(0xD4, b"\x42" + step.frame))):
        assert "1234" not in shown
        assert "31323334" not in shown
