"""The OPEN: selection, logical channels, chaining, GET RESPONSE, and that a step changes nothing in place."""

import copy
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tegata.simulators.card import MemoryStore, PowerCut, PowerLost, SimulatedCard, power_up, step
from tegata.simulators.card.clock import VirtualClock, cost_model
from tegata.simulators.card.device import seeded
from tegata.simulators.presets import memory

JPKI = "00A4040C0AD392F000260100000001"


@cache
def company() -> dict[str, bytes]:
    return memory("company-card", 1)


@cache
def my_number() -> dict[str, bytes]:
    return memory("my-number-card", 1)


def card(content: dict[str, bytes], **options: object) -> SimulatedCard:
    made = SimulatedCard(MemoryStore(content), entropy=seeded(b"test"), **options)  # type: ignore[arg-type]
    made.power_up()
    return made


def ask(on: SimulatedCard, command: str) -> str:
    return on.transmit(bytes.fromhex(command)).hex().upper()


@settings(max_examples=80, deadline=None)
@given(
    commands=st.lists(
        st.one_of(
            st.binary(min_size=1, max_size=24),
            st.sampled_from(
                [
                    "00A4040000",
                    JPKI,
                    "00A4020C02000A",
                    "00B0000000",
                    "0020008004313233",
                    "0070000001",
                    "80CA9F7F00",
                ]
            ).map(bytes.fromhex),
        ),
        max_size=6,
    ),
    mine=st.booleans(),
)
def test_a_step_is_pure_and_never_fails(commands: list[bytes], mine: bool) -> None:
    content = my_number() if mine else company()
    ram, _ = power_up(content)
    for command in commands:
        nv_before, ram_before = dict(content), copy.deepcopy(ram)
        first = step(content, ram, command, seeded(b"x"))
        second = step(content, ram, command, seeded(b"x"))
        assert content == nv_before
        assert ram == ram_before
        assert (first.response, first.writes, first.ram) == (second.response, second.writes, second.ram)
        assert len(first.response) >= 2
        assert first.response[-2:] != b"\x6f\x00", "the card failed inside"
        ram = first.ram


def test_partial_name_selects_the_first_match_and_p2_02_the_next() -> None:
    on = card(my_number())
    assert ask(on, "00A4040C05D392F00026") == "9000"
    assert ask(on, "00A4040C03D39210") == "9000"
    seen = set()
    for _ in range(5):
        answer = ask(on, "00A4040E03D39210")
        if answer != "9000":
            break
        seen.add(on._ram.channels[0].selected if on._ram else b"")  # the test looks inside on purpose
    assert len(seen) >= 1
    assert answer == "6A82", "after the last match there is no next one"


def test_unknown_name_leaves_the_selected_application() -> None:
    on = card(my_number())
    assert ask(on, JPKI) == "9000"
    assert ask(on, "00A4040007A0000000041010") == "6A82"
    assert ask(on, "00A4020C02000A") == "9000", "JPKI is still selected"


def test_bare_select_differs_between_the_two_worlds() -> None:
    assert ask(card(my_number()), "00A4040000") == "6A86"
    answer = ask(card(company()), "00A4040000")
    assert answer.startswith("6F")
    assert "8408A000000151000000" in answer
    assert answer.endswith("9000")


def test_logical_channels() -> None:
    on = card(company())
    assert ask(on, "0070000001") == "019000"
    assert ask(on, "01A4040008A00000015100000000").endswith("9000")
    assert ask(on, "02A4040008A00000015100000000") == "6881", "channel 2 is not open"
    assert ask(on, "00708001") == "9000"
    assert ask(on, "01A4040008A00000015100000000") == "6881"
    assert ask(card(my_number()), "01A4040C0AD392F000260100000001") == "6881"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("00", "6700"),
        ("00A404000AD392", "6700"),
        ("FFA4040000", "6E00"),
        ("00C0000010", "6985"),
        ("0070010000", "6A86"),
    ],
)
def test_malformed_commands(command: str, answer: str) -> None:
    assert ask(card(company()), command) == answer


def test_pieces_of_a_chain_are_put_together() -> None:
    on = card(company())
    whole = ask(on, "00A4040008A00000015100000000")
    assert ask(on, "10A4040004A0000001") == "9000"
    assert ask(on, "00A40400045100000000") == whole


def test_another_command_in_between_discards_a_chain() -> None:
    on = card(company())
    assert ask(on, "10A4040004D392F000") == "9000"
    assert ask(on, "80CA9F7F00").endswith("9000")
    assert ask(on, "00A40400045100000000") == "6A82"


def test_an_answer_longer_than_asked_for_waits_for_get_response() -> None:
    on = card(company())
    whole = ask(on, "80CA9F7F00")
    head = ask(on, "80CA9F7F08")
    assert head.endswith(f"61{len(whole) // 2 - 2 - 8:02X}")
    rest = ask(on, f"00C00000{head[-2:]}")
    assert head[:-4] + rest == whole
    assert ask(on, "00C0000000") == "6985", "nothing is left"


WRONG_PIN = ("00A4020C020018", "002000800439393939")


@pytest.mark.parametrize(("phase", "tries"), [("before", "63C3"), ("inside", "63C3"), ("after", "63C2")])
def test_power_cut_at_the_try_counter(phase: str, tries: str) -> None:
    on = card(my_number(), cut=PowerCut(0, phase))  # type: ignore[arg-type]
    assert ask(on, JPKI) == "9000"
    assert ask(on, WRONG_PIN[0]) == "9000"
    with pytest.raises(PowerLost):
        ask(on, WRONG_PIN[1])
    with pytest.raises(PowerLost):
        ask(on, JPKI)
    on.power_up()
    ask(on, JPKI)
    ask(on, WRONG_PIN[0])
    assert ask(on, "00200080") == tries


def test_a_tear_never_gives_a_try_back() -> None:
    """The counter is written before the comparison: cutting after it costs a try, whatever the PIN was."""
    content = dict(my_number())
    for left in (2, 1, 0):
        on = card(content, cut=PowerCut(0, "after"))
        ask(on, JPKI)
        ask(on, WRONG_PIN[0])
        with pytest.raises(PowerLost):
            ask(on, "002000800431323334")
        on.power_up()
        ask(on, JPKI)
        ask(on, WRONG_PIN[0])
        assert ask(on, "00200080") == f"63C{left}"
        content = dict(on.store.content)
    assert ask(on, "002000800431323334") == "6984"


def test_the_clock_counts_exactly_and_prices_by_a_named_model() -> None:
    clock = VirtualClock()
    on = SimulatedCard(MemoryStore(my_number()), clock=clock)
    on.power_up()
    ask(on, JPKI)
    ask(on, "00A4020C020006")
    ask(on, "00B0000020")
    assert clock.apdus == 3
    assert clock.bytes_in == 15 + 7 + 5
    assert clock.bytes_out == 2 + 2 + 34
    model = cost_model()
    expected = 6 * model.link_frame + (27 + 38) * model.link_byte
    assert clock.link == pytest.approx(expected)
    assert clock.total == pytest.approx(clock.link + clock.crypto + clock.write)


def test_a_long_apdu_pays_for_every_frame_that_carries_it() -> None:
    """One extended READ BINARY is one APDU and seven frames: counts of APDUs alone would flatter it."""
    model = cost_model()
    assert model.link(253) == pytest.approx(model.link_frame + 253 * model.link_byte)
    assert model.link(1588) == pytest.approx(7 * model.link_frame + 1588 * model.link_byte)
    clock = VirtualClock()
    clock.exchange(7, 1588, {})
    assert clock.link == pytest.approx(8 * model.link_frame + 1595 * model.link_byte)


@pytest.mark.parametrize("name", ["contactless-424", "contactless-106", "contact-t1"])
def test_every_price_names_its_source(name: str) -> None:
    model = cost_model(name)
    assert set(model.operations) <= set(model.sources)
    assert all(len(source) > 10 for source in model.sources.values())
    assert {"link_frame", "link_byte"} <= set(model.sources)
