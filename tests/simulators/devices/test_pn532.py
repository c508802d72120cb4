"""The simulated PN532, byte for byte: start-up dialogues of stock programs, signals of the line, commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.devices.picc import Picc
from tegata.simulators.devices.picc_activation import Modulation, face_of
from tegata.simulators.devices.pn532 import Pn532
from tegata.simulators.link import SimulatedLink
from tegata.simulators.presets import memory

from .tape import AnswerLink, Early, echo, played

DIALOGUES = Path(__file__).parents[2] / "data" / "pn532"
ACK, NACK, ERROR = (bytes.fromhex(text) for text in ("0000FF00FF00", "0000FFFF0000", "0000FF01FF7F8100"))
AWAKE = bytes.fromhex("55550000000000")
UID_A, PUPI = "0411223344AABB", "01020304"
COMPANY_ATR, MY_NUMBER_ATR = "3B8580018073C821D3CD", "3B888001000041E0B381A1003B"


def framed(data: str) -> bytes:
    """A normal frame to the chip, by hand."""
    body = b"\xd4" + bytes.fromhex(data)
    return bytes((0, 0, 0xFF, len(body), -len(body) & 0xFF)) + body + bytes((-sum(body) & 0xFF, 0))


def unframed(frame: bytes) -> str:
    """The data of a normal frame of the chip."""
    assert frame[:3] == bytes.fromhex("0000FF")
    assert (frame[3] + frame[4]) & 0xFF == 0
    body = frame[5 : 5 + frame[3]]
    assert (sum(body) + frame[-2]) & 0xFF == 0
    assert body[0] == 0xD5
    return body[1:].hex().upper()


@contextmanager
def held(
    kind: str, answer: Callable[[bytes], bytes] = echo, atr: str | None = None
) -> Iterator[tuple[Pn532, Picc]]:
    link = AnswerLink(answer, atr or {"a": COMPANY_ATR, "b": MY_NUMBER_ATR}[kind])
    picc = Picc(link, face_of(link.atr, Modulation(kind), bytes.fromhex({"a": UID_A, "b": PUPI}[kind])))
    try:
        yield Pn532(picc), picc
    finally:
        picc.close()


def answers(firmware: Pn532, *commands: str | bytes) -> list[str]:
    """Data of the answers to commands; ERROR's bytes for the error frame. Each command is acknowledged."""
    pieces = [command if isinstance(command, bytes) else framed(command) for command in commands]
    written = played(firmware, AWAKE, *pieces)
    assert written[::2] == [ACK] * len(commands)
    return [ERROR.hex().upper() if frame == ERROR else unframed(frame) for frame in written[1::2]]


def answer(firmware: Pn532, *commands: str) -> str:
    return answers(firmware, *commands)[-1]


@pytest.mark.parametrize(
    ("name", "preset", "kind", "identifier"),
    [
        ("libnfc-a", "company-card", "a", UID_A),
        ("libnfc-b", "my-number-card", "b", PUPI),
        ("nfcpy-a", "company-card", "a", UID_A),
        ("nfcpy-b", "company-card", "b", PUPI),
    ],
)
def test_recorded_dialogues_of_stock_programs(
    name: str, preset: str, kind: str, identifier: str, installation: Path
) -> None:
    card = SimulatedCard(MemoryStore(memory(preset, seed=1)))
    picc = Picc(SimulatedLink(card), face_of(card.atr, Modulation(kind), bytes.fromhex(identifier)))
    lines = (DIALOGUES / f"{name}.txt").read_text(encoding="ascii").splitlines()
    sent = [bytes.fromhex(line[1:]) for line in lines if line.startswith(">")]
    expected = [bytes.fromhex(line[1:]) for line in lines if line.startswith("<")]
    try:
        assert played(Pn532(picc), *sent) == expected
    finally:
        picc.close()


FACTS = [
    # What libnfc begins with, and what it must hear.
    ("14 01", "15"),
    ("00 00 6C69626E6663", "01 00 6C69626E6663"),
    ("02", "03 32 01 06 07"),
    ("12 14", "13"),
    ("06 6302 6303 630D 6338 633D", "07 00 00 00 00 00"),
    ("32 01 00", "33"),
    ("32 05 FF FF FF", "33"),
    ("08 633C 10", "09"),
    ("16 F0", "17 00"),
    # nfcpy's.
    ("14 01 00 00", "15"),
    ("10 07", "11"),
    ("32 02 00 0B 0A", "33"),
    ("32 04 00", "33"),
    ("32 0A 59F43F114D85616F266287", "33"),
    ("32 0B 69FF3F114185616F", "33"),
    ("32 0C FF0485", "33"),
    ("32 0D 85158A8508B28501DA", "33"),
    ("16 B0 00", "17 00"),
    # Nothing over the antenna.
    ("04", "05 00 00 00 00"),
    ("00 01", "01 00"),
    ("00 02", "01 00"),
    ("00 04 01", "01 80"),
    ("00 06", "01 27"),
    ("00 07 A0", "01 00"),
    ("40 01 00", "41 27"),
    ("42 06 00", "43 01"),
    ("44 00", "45 00"),
    ("44 01", "45 27"),
    ("52 00", "53 00"),
    ("54 01", "55 27"),
    ("60 01 01 20 23", "61 00"),
    ("56 01 00 00", "57 01"),
    ("0C", "0D 3F 86 00"),
    ("0E 00 00", "0F"),
]


@pytest.mark.parametrize(("command", "expected"), FACTS)
def test_commands_without_a_card(command: str, expected: str) -> None:
    assert answer(Pn532(), command) == expected.replace(" ", "")


BAD = """
    FF / 8C / 00 / 00 63 / 00 01 00 / 06 / 06 63 / 08 / 08 6302 / 10 / 10 09 / 12 / 14 / 14 05 / 16 / 32
    32 03 00 / 32 05 00 / 40 / 44 / 44 00 00 / 4A / 4A 01 / 4A 00 00 / 4A 03 00 / 4A 01 05 / 4A 01 03
    4A 01 00 00 / 4A 01 01 / 60 / 60 00 01 00 / 60 01 00 00 / 60 01 10 00 / 60 01 01 / 60 01 01 77
"""


@pytest.mark.parametrize(
    "command", [word.strip() for line in BAD.split("\n") for word in line.split("/")][1:-1]
)
def test_unknown_commands_and_bad_syntax_get_the_error_frame(command: str) -> None:
    assert answers(Pn532(), command, "02") == [ERROR.hex().upper(), "0332010607"]


def test_the_extended_echo_of_262_bytes() -> None:
    data = bytes(index & 0xFF for index in range(262))
    body = b"\xd4\x00\x00" + data
    sent = bytes.fromhex("0000FFFFFF0109F6") + body + bytes((-sum(body) & 0xFF, 0))
    back = b"\xd5\x01\x00" + data
    expected = bytes.fromhex("0000FFFFFF0109F6") + back + bytes((-sum(back) & 0xFF, 0))
    assert played(Pn532(), AWAKE, sent) == [ACK, expected]


VERSION = bytes.fromhex("0000FF06FAD50332010607E800")


class TestLine:
    """Signals, sleep, noise."""

    def test_a_sleeping_chip_loses_what_wakes_it(self) -> None:
        assert played(Pn532(), framed("02")) == []
        assert played(Pn532(), framed("02"), framed("02")) == [ACK, VERSION]
        assert played(Pn532(), AWAKE + framed("02")) == [ACK, VERSION]
        assert played(Pn532(), AWAKE, framed("16F0"), framed("02"), framed("02"))[2:] == [ACK, VERSION]

    def test_a_chip_that_the_uart_may_not_wake_sleeps_on(self) -> None:
        assert len(played(Pn532(), AWAKE, framed("1620"), AWAKE, framed("02"))) == 2

    def test_nack_brings_the_last_answer_again(self) -> None:
        assert played(Pn532(), AWAKE, NACK, framed("02"), NACK, NACK) == [ACK, VERSION, VERSION, VERSION]
        assert played(Pn532(), AWAKE, framed("FF"), NACK) == [ACK, ERROR, ERROR]

    def test_noise_and_broken_frames_are_passed_over(self) -> None:
        broken = framed("02")[:-2] + b"\x00\x00"
        to_host = bytes.fromhex("0000FF02FED5151600")
        noise = b"\x00\xff\x17" + broken + to_host + ERROR + ACK
        assert played(Pn532(), AWAKE, noise, framed("02")) == [ACK, VERSION]

    def test_a_frame_may_come_in_pieces_but_not_after_a_pause(self) -> None:
        frame = framed("02")
        assert played(Pn532(), AWAKE, *(Early(bytes((byte,))) for byte in frame)) == [ACK, VERSION]
        assert played(Pn532(), AWAKE, frame[:6], frame) == [ACK, VERSION]

    def test_without_preamble_and_postamble(self) -> None:
        assert played(Pn532(), AWAKE, framed("1240"), framed("02"), framed("1200"), framed("02"))[2:] == [
            ACK[1:-1],
            VERSION[1:-1],
            ACK[1:-1],
            bytes.fromhex("00FF02FED51318"),
            ACK,
            VERSION,
        ]

    def test_polling_without_end_is_aborted_by_ack_or_by_a_command(self) -> None:
        polling = framed("4A0100")
        assert played(Pn532(), AWAKE, polling, Early(ACK), framed("02")) == [ACK, ACK, VERSION]
        assert played(Pn532(), AWAKE, polling, Early(framed("02"))) == [ACK, ACK, VERSION]
        assert played(Pn532(), AWAKE, framed("60FF0120"), Early(b"\x00\xff"), Early(ACK), NACK) == [ACK]
        no_answer_time = framed("3202000B00")
        assert played(Pn532(), AWAKE, no_answer_time, framed("4200"), Early(ACK))[2:] == [ACK]

    def test_each_plugging_in_begins_anew(self) -> None:
        with held("b") as (chip, _):
            assert answer(chip, "320100", "08630230", "066302") == "0730"
            assert answer(chip, "066302") == "0700"
            assert answer(chip, "04") == "0500000000"


POLL_A, POLL_B = "4A0100", "4A010300"
FOUND_A = "4B01" + "01" + "0044" + "20" + "07" + UID_A + "0A7880A0028073C821D3"
FOUND_B = "4B01" + "01" + "50" + PUPI + "000041E0B381A1" + "01" + "01"


class TestCards:
    """What the chip does with a card."""

    def test_type_a_is_activated_unless_the_host_wants_to(self) -> None:
        with held("a") as (chip, _):
            assert answer(chip, POLL_A) == FOUND_A
            assert answer(chip, "1200", POLL_A) == FOUND_A[: FOUND_A.index("0A78")]
            patient = "3202000B10"  # 3.3 s for an answer
            assert answers(chip, patient, "1200", POLL_A, "42E080", "4202AA")[-2:] == [
                "43000A7880A0028073C821D3",
                "430002AA9000",
            ]
            assert answer(chip, "3205000000", POLL_B) == "4B00"

    def test_type_a_is_looked_for_by_its_uid(self) -> None:
        with held("a") as (chip, _):
            quick = "3205000000"
            assert answer(chip, quick, POLL_A + "88041122" + "3344AABB") == FOUND_A
            assert answer(chip, quick, POLL_A + "88041122" + "3344AABC") == "4B00"

    def test_type_b_is_attributed_with_a_cid(self) -> None:
        with held("b") as (chip, _):
            got = answers(chip, POLL_B, "42BA01", "42B2", "42CA01", "42050008", "421D" + PUPI + "00080100")
            assert got == [
                FOUND_B,
                "4300AB01",
                "4301",
                "4300CA01",
                "430050" + PUPI + "000041E0B381A1",
                "430000",
            ]

    def test_a_card_with_the_other_modulation_does_not_hear(self) -> None:
        with held("b") as (chip, _):
            assert answer(chip, "3205000000", POLL_A, "066339") == "0726"
            assert answers(chip, POLL_B, "08630280", "42BA01")[-1] == "4301"
            assert answers(chip, POLL_B, "08630293", "42BA01")[-1] == "4301"  # 212 kbit/s

    @pytest.mark.parametrize("kind", ["a", "b"])
    def test_exchange_of_a_long_answer_comes_in_pieces(self, kind: str) -> None:
        whole = bytes(index % 251 for index in range(600)) + b"\x90\x00"
        with held(kind, lambda _: whole) as (chip, _):
            poll = {"a": POLL_A, "b": POLL_B}[kind]
            pieces = played(chip, AWAKE, framed(poll), *[framed("4001AA")], *[framed("4001")] * 2)[3::2]
        assert pieces[0][:11].hex().upper() == "0000FFFFFF0109F6D54140"  # status 00 and more
        assert pieces[1][:11].hex().upper() == "0000FFFFFF0109F6D54140"
        got = b"".join(piece[11:-2] for piece in pieces[:2]) + bytes.fromhex(unframed(pieces[2]))[2:]
        assert unframed(pieces[2]).startswith("4100")
        assert got == whole

    def test_exchange_chains_what_is_longer_than_the_cards_frames(self) -> None:
        with held("b", lambda command: bytes((len(command) & 0xFF,)) + b"\x90\x00") as (chip, _):
            body = bytes.fromhex("D44001") + bytes(258)
            long = bytes.fromhex("0000FFFFFF0105FA") + body + bytes((-sum(body) & 0xFF, 0))
            assert answers(chip, POLL_B, long)[-1] == "4100029000"

    def test_the_list_of_targets(self) -> None:
        commands: list[str] = []
        with held("b") as (chip, _):
            for command, expected in (
                (POLL_B, FOUND_B),
                ("04", "05 00 01 01 01000000 00"),
                ("4401", "45 00"),
                ("4001AA", "41 27"),
                ("5401", "55 00"),
                ("4001AA", "41 00 AA9000"),
                ("0006", "01 00"),
                ("5200", "53 00"),
                ("4001AA", "41 27"),
                ("04", "05 27 01 00 00"),
            ):
                commands.append(command)
                assert answer(chip, *commands) == expected.replace(" ", "")

    def test_a_card_that_goes_is_missed_and_comes_back_as_another(self) -> None:
        with held("a") as (chip, picc):
            picc.take_away()
            assert answer(chip, "3205000001", POLL_A) == "4B00"
            picc.put_back()
            assert answer(chip, POLL_A) == FOUND_A

    def test_chaining_from_the_host_is_not_for_cards(self) -> None:
        with held("a") as (chip, _):
            assert answer(chip, POLL_A, "4041AA") == "4126"

    @pytest.mark.parametrize(
        ("kind", "types", "found"),
        [("a", "2003", "20"), ("a", "00", "00"), ("b", "2003", "03"), ("b", "23", "23"), ("a", "1011", None)],
    )
    def test_automatic_polling(self, kind: str, types: str, found: str | None) -> None:
        with held(kind) as (chip, _):
            target = {"a": FOUND_A, "b": FOUND_B}[kind][4:]
            expected = "6100" if found is None else f"6101{found}{len(target) // 2:02X}{target}"
            assert answer(chip, "600101" + types) == expected

    def test_the_field_goes_off_by_configuration_and_by_register(self) -> None:
        with held("b") as (chip, picc):
            assert answers(chip, POLL_B, "320100", "42BA01", "066304")[2:] == ["4301", "0780"]
            assert answers(chip, POLL_B, "08630480", "42BA01")[2] == "4301"
            assert answers(chip, "08630483", "066304", "04")[1:] == ["0783", "0500010000"]
            assert picc.present


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.builds(Early, st.binary(max_size=40)),
            st.builds(
                lambda code, data: framed((bytes((code,)) + data).hex()),
                st.sampled_from([0x00, 0x06, 0x08, 0x12, 0x32, 0x40, 0x42, 0x44, 0x4A, 0x52, 0x54, 0x60]),
                st.binary(max_size=12),
            ),
        ),
        max_size=30,
    ),
    st.sampled_from(["a", "b"]),
)
def test_any_bytes_leave_it_alive(pieces: list[bytes], kind: str) -> None:
    """Whatever comes, the chip then answers to who asks it properly."""
    with held(kind) as (chip, _):
        quick = [framed("3205000000"), framed("3202000B0A")]
        rest = [AWAKE + bytes(300), ACK, framed("02"), framed("1200"), framed("02")]
        written = played(chip, AWAKE, *quick, *pieces, *rest)
    assert written[-1] == VERSION
