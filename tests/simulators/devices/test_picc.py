"""A card in a field: power, a slow card, a card that is lifted off in the middle of what it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.devices.picc import Picc
from tegata.simulators.devices.picc_activation import Modulation, TypeB, face_of
from tegata.simulators.link import SimulatedLink

from .tape import AnswerLink, Gate, echo

MY_NUMBER_ATR = bytes.fromhex("3B888001000041E0B381A1003B")
PUPI = bytes.fromhex("01020304")
JPKI = "00A4040C0AD392F000260100000001"
SELECT_PIN, TRIES = "00A4020C020018", "00200080"
SELECT_PASSWORD, VERIFY = "00A4020C02001B", "0020008006" + b"ABC123".hex()
SELECT_CERTIFICATE, READ = "00A4020C020001", "00B0000001"


@contextmanager
def held(answer: Callable[[bytes], bytes] = echo, fwi: int = 14) -> Iterator[tuple[Picc, AnswerLink]]:
    """A card of type B whose frame waiting time is 302 µs doubled ``fwi`` times, in the field."""
    link = AnswerLink(answer)

    def tear() -> None:
        link.powered = False

    picc = Picc(link, TypeB(bytes(4), bytes((0x00, 0x81, fwi << 4 | 1)), pupi=PUPI), tear=tear)
    picc.set_field(True)
    try:
        yield picc, link
    finally:
        picc.close()


def ask(picc: Picc, *frames: str) -> str | None:
    """The answer to the last frame."""
    answer: bytes | None = None
    for frame in frames:
        answer = picc.exchange(bytes.fromhex(frame), Modulation.B)
    return None if answer is None else answer.hex().upper()


def patiently(picc: Picc, *frames: str) -> str | None:
    """The same, and whenever the card asks for time it gets it."""
    for frame in frames:
        answer = ask(picc, frame)
        while answer is not None and answer.startswith("F2"):
            answer = ask(picc, answer)
    return answer


ACTIVATE = ("050000", "1D0102030400080100")


def test_no_field_no_answer_and_only_its_own_modulation() -> None:
    with held() as (picc, _):
        assert picc.exchange(bytes.fromhex("050000"), Modulation.A) is None
        assert picc.exchange(b"", Modulation.B) is None
        assert ask(picc, "050000") == "50010203040000000000" + "81E1"
        picc.set_field(False)
        assert ask(picc, "050000") is None


def test_apdus_go_through_and_deselection_halts() -> None:
    with held() as (picc, _):
        assert ask(picc, *ACTIVATE) == "00"
        assert ask(picc, "02AABB") == "02AABB9000"
        assert ask(picc, "C2") == "C2"
        assert ask(picc, "03AABB") is None
        assert ask(picc, "050000") is None
        assert ask(picc, "050008", "1D0102030400080100", "02AABB") == "02AABB9000"


@pytest.fixture
def on_antenna(my_number_memory: dict[str, bytes]) -> Iterator[Picc]:
    """A My Number Card with PUPI 01020304, in the field and activated."""
    card = SimulatedCard(MemoryStore(my_number_memory))
    picc = Picc(SimulatedLink(card), face_of(MY_NUMBER_ATR, identifier=PUPI), tear=card.tear)
    picc.set_field(True)
    ask(picc, *ACTIVATE)
    yield picc
    picc.close()


@pytest.mark.parametrize("how", ["field", "hand"])
def test_a_verified_password_is_forgotten_when_the_power_goes(on_antenna: Picc, how: str) -> None:
    patiently(on_antenna, "02" + JPKI, "03" + SELECT_PASSWORD)
    assert patiently(on_antenna, "02" + VERIFY) == "029000"
    assert patiently(on_antenna, "03" + SELECT_CERTIFICATE, "02" + READ) == "02309000"
    # Halted is not without power.
    assert (
        patiently(on_antenna, "C2", "050008", ACTIVATE[1], "02" + SELECT_CERTIFICATE, "03" + READ)
        == "03309000"
    )
    if how == "field":
        on_antenna.set_field(False)
        on_antenna.set_field(True)
    else:
        on_antenna.take_away()
        assert not on_antenna.present
        assert patiently(on_antenna, "050008") is None
        on_antenna.put_back()
    assert patiently(on_antenna, *ACTIVATE, "02" + JPKI, "03" + SELECT_CERTIFICATE, "02" + READ) == "026982"


def test_a_slow_card_asks_for_more_time() -> None:
    gate = Gate()
    with held(gate, fwi=6) as (picc, _):  # 19 ms
        assert ask(picc, *ACTIVATE, "02AA") == "F234"  # 52 times that
        assert ask(picc, "B2") == "F234"
        gate.open.set()
        assert ask(picc, "F234") == "02AA9000"
        assert ask(picc, "B3") == "A2"


def test_an_answer_that_comes_after_the_readers_patience_can_be_asked_for_again() -> None:
    gate = Gate()
    with held(gate) as (picc, link):
        ask(picc, *ACTIVATE)
        assert picc.exchange(bytes.fromhex("02AA"), Modulation.B, timeout=0.001) is None
        assert ask(picc, "B2") is None
        gate.open.set()
        until = time.monotonic() + 10
        while (answer := ask(picc, "B2")) is None and time.monotonic() < until:
            time.sleep(0.001)
        assert answer == "02AA9000"
        assert link.resets == 1


@pytest.mark.parametrize("how", ["hand", "field"])
def test_lifted_off_in_the_middle_of_a_command(how: str) -> None:
    gate = Gate()
    with held(gate) as (picc, link):
        ask(picc, *ACTIVATE)

        def lift() -> None:
            assert gate.entered.wait(10)
            if how == "hand":
                picc.take_away()
            else:
                picc.set_field(False)
            gate.open.set()

        thread = threading.Thread(target=lift)
        thread.start()
        assert ask(picc, "02AA") is None
        thread.join()
        assert ask(picc, "B2") is None
        picc.put_back()
        picc.set_field(True)
        assert ask(picc, *ACTIVATE, "02BB") == "02BB9000"
        assert link.resets == 2


def test_a_card_that_breaks_is_mute_until_the_field_comes_again() -> None:
    link_answers = iter([b"", b"\x90\x00"])
    with held(lambda _: next(link_answers)) as (picc, _):
        assert ask(picc, *ACTIVATE, "0200") is None
        picc.set_field(True)  # it was on: nothing happens
        assert ask(picc, "050008") is None
        picc.set_field(False)
        picc.set_field(True)
        assert ask(picc, *ACTIVATE, "0200") == "029000"
