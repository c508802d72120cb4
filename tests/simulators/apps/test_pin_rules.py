"""PINs of the simulated card against a small model of their rules: random walks with power cuts."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tegata.simulators.card import MemoryStore, PowerCut, PowerLost, SimulatedCard
from tegata.simulators.presets import memory

SELECT_JPKI = bytes.fromhex("00A4040C0AD392F000260100000001")
SELECT_TEXT = bytes.fromhex("00A4040C0AD3921000310001010408")
USES = {0x18: bytes.fromhex("802A009701AA00"), 0x1B: bytes.fromhex("802A009A01AA00")}
LIMITS = {0x18: 3, 0x1B: 5}
FIRST = {0x18: b"1234", 0x1B: b"ABC123"}
OTHERS = {0x18: [b"1234", b"5678", b"0000"], 0x1B: [b"ABC123", b"XYZ789", b"000000"]}

files = st.sampled_from(sorted(LIMITS))
choices = st.integers(0, 2)
_image: dict[str, bytes] = {}


class PinRules(RuleBasedStateMachine):
    """The model: a value, tries left and a verified flag for each PIN."""

    def __init__(self) -> None:
        super().__init__()
        self.value = dict(FIRST)
        self.tries = dict(LIMITS)
        self.verified: set[int] = set()

    @initialize()
    def insert(self) -> None:
        if not _image:
            _image.update(memory("my-number-card", seed=3))
        self.card = SimulatedCard(MemoryStore(_image))
        self.card.power_up()
        self._send(SELECT_JPKI)

    def _send(self, command: bytes) -> str:
        return self.card.transmit(command)[-2:].hex().upper()

    def _verify(self, pin: int, value: bytes) -> bytes:
        return bytes((0x00, 0x20, 0x00, 0x80 | pin, len(value))) + value

    @rule(pin=files, choice=choices)
    def verify(self, pin: int, choice: int) -> None:
        value = OTHERS[pin][choice]
        answer = self._send(self._verify(pin, value))
        if self.tries[pin] == 0:
            assert answer == "6984"
        elif value == self.value[pin]:
            assert answer == "9000"
            self.tries[pin] = LIMITS[pin]
            self.verified.add(pin)
        else:
            self.tries[pin] -= 1
            self.verified.discard(pin)
            assert answer == f"63C{self.tries[pin]}"

    @rule(
        pin=files,
        choice=choices,
        write=st.integers(0, 1),
        phase=st.sampled_from(["before", "inside", "after"]),
    )
    def verify_and_lose_power(self, pin: int, choice: int, write: int, phase: str) -> None:
        value = OTHERS[pin][choice]
        right = value == self.value[pin]
        if self.tries[pin] == 0 or (write == 1 and not right):
            return
        self.card.cut = PowerCut(self.card.writes_done + write, phase)  # type: ignore[arg-type] # from the list
        with pytest.raises(PowerLost):
            self._send(self._verify(pin, value))
        self.card.power_up()
        self._send(SELECT_JPKI)
        self.verified.clear()
        if write == 1 and phase == "after":
            self.tries[pin] = LIMITS[pin]
        elif write == 1 or phase == "after":
            self.tries[pin] -= 1

    @rule(pin=files, choice=choices)
    def change(self, pin: int, choice: int) -> None:
        value = OTHERS[pin][choice]
        answer = self._send(bytes((0x00, 0x24, 0x01, 0x80 | pin, len(value))) + value)
        if pin in self.verified:
            assert answer == "9000"
            self.value[pin] = value
        else:
            assert answer == "6982"

    @rule()
    def select_again(self) -> None:
        assert self._send(SELECT_JPKI) == "9000"

    @rule()
    def select_another(self) -> None:
        self._send(SELECT_TEXT)
        self._send(SELECT_JPKI)
        self.verified.clear()

    @rule()
    def reset(self) -> None:
        self.card.power_down()
        self.card.power_up()
        self._send(SELECT_JPKI)
        self.verified.clear()

    @invariant()
    def tries_and_keys_agree_with_the_model(self) -> None:
        if not hasattr(self, "card"):
            return
        for pin, use in USES.items():
            assert self._send(bytes((0x00, 0x20, 0x00, 0x80 | pin))) == f"63C{self.tries[pin]}"
            assert self._send(use) == ("9000" if pin in self.verified else "6982")


TestPinRules = PinRules.TestCase
TestPinRules.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
