"""Recordings: what is secret does not get in, and what is recorded can be played again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import Card, CardError, CardRemoved, Command, InputError, Response
from tegata.apdu.masking import SECRET_DATA, Masking
from tegata.apdu.ports import Link, LinkInfo, TransmissionProtocol
from tegata.apdu.trace import Dump, RecordingLink, ReplayLink, Trace

TEXT_AP = "D3921000310001010408"
JPKI = "D392F000260100000001"
PIV = "A000000308000010000100"


class AnsweringLink:
    """A Link that answers from a table of hex, 9000 for everything else."""

    atr = bytes.fromhex("3B80800101")
    info = LinkInfo("test", TransmissionProtocol.T1)

    def __init__(self, table: dict[str, str]) -> None:
        self.table = table

    def transmit(self, command: bytes) -> bytes:
        return bytes.fromhex(self.table.get(command.hex().upper(), "9000"))

    def reset(self) -> None:
        pass

    def close(self, reset: bool = True) -> None:
        pass

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        yield


def recorded(commands: list[str], table: dict[str, str] | None = None) -> list[str]:
    """The lines of a byte-level recording, without its head."""
    stream = StringIO()
    link = RecordingLink(AnsweringLink(table or {}), stream)
    for command in commands:
        if command == "reset":
            link.reset()
        else:
            link.transmit(bytes.fromhex(command))
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["# ATR: 3B80800101", "# PROTOCOL: T=1"]
    return lines[2:]


def test_the_recorder_is_a_link() -> None:
    assert isinstance(RecordingLink(AnsweringLink({}), StringIO()), Link)
    assert isinstance(ReplayLink(Dump(b"", TransmissionProtocol.T1, ())), Link)


@pytest.mark.parametrize("ins", ["20", "24", "2C", "D8", "E2", "87", "82"])
@pytest.mark.parametrize("cla", ["00", "80", "84", "10", "01", "41"])
def test_commands_are_masked_by_instruction(cla: str, ins: str) -> None:
    (command, answer) = recorded([f"{cla}{ins}00800431323334"])
    assert command == f"{cla}{ins}008004********"
    assert answer == "9000"


def test_the_form_of_a_masked_command_stays() -> None:
    assert recorded(["002000800000043132333400" + "10"])[0] == "00200080000004********0010"
    assert recorded(["0020008000"])[0] == "0020008000"


def test_what_is_no_apdu_is_hidden_whole() -> None:
    assert recorded(["0020008009313233"])[0] == "00200080********"
    assert recorded(["00B0000004"], {"00B0000004": "90"})[1] == "**"


def test_answers_of_personal_applications_are_masked() -> None:
    select = f"00A4040C0A{TEXT_AP}"
    read = "00B0000004"
    table = {read: "4142434461" + "08", "00C0000008": "45464748494A4B4C9000"}
    assert recorded([read, select, read, "00C0000008"], table)[1::2] == [
        "414243446108",
        "9000",
        "********6108",
        "*" * 16 + "9000",
    ]
    # A failed SELECT leaves the application selected, a reset and a SELECT of another one do not.
    other = f"00A4040C0B{PIV}"
    assert recorded([select, other, read], {read: "419000", other: "6A82"})[-1] == "**9000"
    assert recorded([select, other, read], {read: "419000"})[-1] == "419000"
    assert recorded([select, "reset", read], {read: "419000"})[-1] == "419000"
    # On another logical channel nothing personal is selected.
    assert recorded([select, "01B0000004"], {"01B0000004": "419000"})[-1] == "419000"


def test_the_signature_certificate_is_personal_and_the_other_one_is_not() -> None:
    select = f"00A4040C0A{JPKI}"
    read = "00B0000004"
    for file, shown in (("0001", "**9000"), ("000A", "419000")):
        assert recorded([select, f"00A4020C02{file}", read], {read: "419000"})[-1] == shown
    assert recorded([select, "00B0810004"], {"00B0810004": "419000"})[-1] == "**9000"


def test_personal_piv_objects_and_deciphered_data() -> None:
    for tag, shown in (("5FC109", "**9000"), ("5FC102", "419000")):
        command = f"00CB3FFF055C03{tag}00"
        assert recorded([command], {command: "419000"})[-1] == shown
    assert recorded(["002A808601AA00"], {"002A808601AA00": "419000"})[-1] == "**9000"


def test_a_right_truncated_aid_hides_what_the_whole_one_does() -> None:
    """A card that takes it selects the first application that fits, or with P2 = 02 the next."""
    read = "00B0000004"
    for aid in (JPKI[:2], JPKI[:12], JPKI[:18]):
        select = f"00A4040C{len(aid) // 2:02X}{aid}"
        assert recorded([select, "00A4020C020001", read], {read: "419000"})[-1] == "**9000"
    assert recorded(["00A4040E03D39210", read], {read: "419000"})[-1] == "**9000"
    assert recorded([f"00A4040C0A{JPKI}", "00A4020C02000A", read], {read: "419000"})[-1] == "419000"


def test_a_refused_read_by_short_id_may_have_moved_the_file_or_not() -> None:
    select, read = f"00A4040C0A{JPKI}", "00B0000004"
    first, second = "00A4020C020001", "00A4020C02000A"
    for before, tried in ((first, "00B08A0004"), (second, "00B0810004")):
        assert recorded([select, before, tried, read], {tried: "6982", read: "419000"})[-1] == "**9000"
    assert recorded([select, first, "00B08A0004", read], {read: "419000"})[-1] == "419000"


def test_personal_piv_objects_are_hidden_when_they_are_written_too() -> None:
    printed, certificate = "5C035FC1095303010141", "5C035FC1055303700141"
    assert recorded([f"00DB3FFF0A{printed}"])[0] == "00DB3FFF0A" + "**" * 10
    assert recorded([f"00DB3FFF0A{certificate}"])[0] == f"00DB3FFF0A{certificate}"
    pieces = [f"10DB3FFF0A{printed}", "00DB3FFF02" + "4242"]
    assert recorded(pieces)[2] == "00DB3FFF02****"
    assert recorded([*pieces, f"00DB3FFF0A{certificate}"])[4].endswith(certificate)
    assert recorded([pieces[0], "00CA004200", pieces[1]])[4] == "00DB3FFF024242"


def test_marks_of_the_applet_are_kept_through_chaining_and_get_response() -> None:
    stream = StringIO()
    link = AnsweringLink({"00DB3FFF0358595A00": "31326102", "00C0000002": "33349000"})
    card = Card(link, recorder=Trace(stream, link))
    data = bytes(300) + b"\x01" * 10
    card.send(Command(0x00, 0xDB, 0x3F, 0xFF, data, extended=True, secret=((300, None),)))
    card.send(Command(0x00, 0xDB, 0x3F, 0xFF, b"XYZ", le=256, secret=((1, 2),), secret_answer=((1, 3),)))
    lines = stream.getvalue().splitlines()[2:]
    assert lines[0] == "10DB3FFFFF" + "00" * 255
    assert lines[2] == "00DB3FFF37" + "00" * 45 + "**" * 10
    assert lines[4:] == ["00DB3FFF0358**5A00", "31**6102", "00C0000002", "**349000"]


def test_masks_of_both_kinds_add_up() -> None:
    stream = StringIO()
    Trace(stream).record(Command(0x00, 0x20, data=b"1234"), Response(sw=0x63C2))
    assert stream.getvalue().splitlines() == ["0020000004********", "63C2"]


def test_a_torn_exchange_is_a_comment() -> None:
    class Torn(AnsweringLink):
        def transmit(self, command: bytes) -> bytes:
            raise CardRemoved(what="VERIFY")

    stream = StringIO()
    with pytest.raises(CardRemoved):
        RecordingLink(Torn({}), stream).transmit(bytes.fromhex("002000800431323334"))
    assert stream.getvalue().splitlines()[2:] == ["# NO ANSWER: 00200080"]


def test_replay() -> None:
    text = "# a comment\n" + "\n".join(
        [
            "# ATR: 3B80800101",
            "# PROTOCOL: T=CL",
            "",
            "00 a4 04 0c 0a D392F000260100000001",
            "9000",
            "# RESET",
            "0020008004********",
            "63C2",
            "00B0000002",
            "41**9000",
        ]
    )
    link = ReplayLink(Dump.parse(text))
    assert (link.atr.hex(), link.info.protocol) == ("3b80800101", TransmissionProtocol.TCL)
    card = Card(link)
    card.select(bytes.fromhex(JPKI), p2=0x0C)
    with pytest.raises(CardError) as caught:
        card.send(Command(0x00, 0x20, 0x00, 0x81, b"1234"))
    assert caught.value.code == "card.replay"
    assert "31323334" not in str(caught.value)
    assert card.send(Command(0x00, 0x20, 0x00, 0x80, b"1234")).sw == 0x63C2
    assert card.send(Command(0x00, 0xB0, le=2)).data == b"\x41\x00"
    assert link.finished
    with pytest.raises(CardError):
        card.send(Command(0x00, 0xB0, le=2))


exchanges = st.lists(
    st.tuples(
        st.builds(Command, st.just(0), st.just(0xB0), st.integers(0, 127), data=st.binary(max_size=9)),
        st.builds(Response, st.binary(max_size=9), st.integers(0x9000, 0x90FF)),
    ),
    max_size=5,
)


@given(exchanges)
def test_what_was_recorded_plays(pairs: list[tuple[Command, Response]]) -> None:
    stream = StringIO()
    trace = Trace(stream, AnsweringLink({}))
    trace.comment("several\nlines\tin one")
    for command, response in pairs:
        trace.record(command, response)
    link = ReplayLink(Dump.parse(stream.getvalue()))
    for command, response in pairs:
        assert link.transmit(bytes(command)) == bytes(response)
    assert link.finished


@pytest.mark.parametrize("text", ["00A4", "00A4zz\n9000", "# ATR: XY", "# PROTOCOL: T=9", "00A40\n9000"])
def test_what_is_no_dump(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Dump.parse(text)
    assert caught.value.code == "input.trace"


@given(st.binary(min_size=4, max_size=20), st.binary(min_size=2, max_size=20))
def test_masking_takes_any_bytes(command: bytes, answer: bytes) -> None:
    try:
        parsed = Command.parse(command)
    except ValueError:
        return
    data, _ = Masking().spans(parsed, Response.parse(answer))
    assert bool(data) is (parsed.ins in SECRET_DATA)
