"""The simulated card against an independent model of PIN and access rules, over all its applications.

Random walks: selections by name, by parts of names and of files, right and wrong PINs, changes, reading,
signing, records, resets, power cuts. Each command's status word must be the model's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tegata.simulators.card import MemoryStore, PowerCut, PowerLost, SimulatedCard
from tegata.simulators.presets import memory

from .reference_card import COMMON, INSTALLED, JPKI, JUKI, TEXT, VISUAL, ReferenceCard

WALKS, STEPS = 60, 60
CAMPAIGN_WALKS, CAMPAIGN_STEPS = 1500, 200

NOBODYS = "D3921000310001010409"
names = st.sampled_from(
    [
        *INSTALLED,
        JPKI,
        TEXT,
        VISUAL,
        "D392",
        "D392F0",
        "D39210003100010104",
        "A000000308",
        "D3921000310001010409",
    ]
)
short_ids = st.one_of(st.just(0), st.integers(1, 0x1E))
pin_ids = st.sampled_from([0x11, 0x12, 0x13, 0x14, 0x15, 0x18, 0x1B, 0x1C])
kinds = st.sampled_from(["right", "right", "right", "wrong", "wrong", "short", "long"])
TAGS = ["0042", "0045", "0066", "00F0", "00F2", "00F7", "00F8", "7F21", "5F51", "0044"]
_image: dict[str, bytes] = {}


class AccessRules(RuleBasedStateMachine):
    """Every rule sends its commands to both."""

    sent = 0

    @initialize()
    def insert(self) -> None:
        if not _image:
            _image.update(memory("my-number-card", seed=3))
        own = f"app/{TEXT.lower()}/pin/"
        self.model = ReferenceCard(_image[own + "0014"], _image[own + "0015"])
        self.card = SimulatedCard(MemoryStore(_image))
        self.card.power_up()

    def send(self, *parts: bytes | str | int) -> str:
        command = b"".join(
            bytes.fromhex(part)
            if isinstance(part, str)
            else bytes((part,))
            if isinstance(part, int)
            else part
            for part in parts
        )
        AccessRules.sent += 1
        return self.card.transmit(command)[-2:].hex().upper()

    def aim(self, place: int) -> int:
        """One of the PINs of the selected application; 0, the current file, where it has none."""
        pins = sorted(self.model.here.pins)
        return pins[place % len(pins)] if pins else 0

    def look(self) -> None:
        for short_id in self.model.here.files:
            assert self.send("00B0", 0x80 | short_id, "0010") == self.model.read(short_id), short_id

    def value(self, short_id: int, kind: str) -> bytes:
        """A value for the PIN that a command would meet: right or not, of a fitting length or not."""
        number = short_id or self.model.current
        pin = self.model.here.pins.get(number)
        right = pin.value if pin is not None and pin.value else b"1234"
        wrong = bytes(0x31 + (byte + 1) % 9 for byte in right)
        return {
            "right": right,
            "wrong": wrong if wrong != right else b"9" * len(right),
            "short": right[:3],
            "long": (right * 6)[:17],
        }[kind]

    @rule(name=names, following=st.sampled_from([False, False, True]), p2=st.sampled_from([0x00, 0x0C]))
    def select(self, name: str, following: bool, p2: int) -> None:
        answer = self.send("00A404", p2 | (0x02 if following else 0), len(name) // 2, name)
        assert answer == self.model.select(name, following)

    @rule()
    def select_again(self) -> None:
        """What is selected already: its verified PINs stay."""
        assert self.send("00A4040C", len(self.model.aid) // 2, self.model.aid) == "9000"
        assert self.model.select(self.model.aid) == "9000"
        self.look()

    @rule(name=st.sampled_from([JPKI, TEXT, VISUAL]), place=st.integers(0, 11), other=st.integers(0, 11))
    def enter_with_a_pin_and_fail_another(self, name: str, place: int, other: int) -> None:
        assert self.send("00A4040C0A", name) == self.model.select(name)
        self.verify(place, "right")
        self.verify(other, "wrong")
        self.look()

    @rule(place=st.integers(0, 11), kind=kinds)
    def verify(self, place: int, kind: str) -> None:
        short_id = self.aim(place)
        value = self.value(short_id, kind)
        expected = self.model.verify(short_id, value)
        assert self.send("002000", 0x80 | short_id, len(value), value) == expected

    @rule()
    def look_at_everything(self) -> None:
        """All files, keys and counters of the selected application, by short id."""
        here = self.model.here
        self.look()
        for short_id in here.keys:
            answer = self.send("802A00", 0x80 | short_id, "0411223344", "00")
            assert answer == self.model.sign(short_id), short_id
        for short_id in here.pins:
            assert self.send("002000", 0x80 | short_id) == self.model.query(short_id), short_id

    @rule(number=st.integers(0, 0x20))
    def select_file(self, number: int) -> None:
        assert self.send("00A4020C0200", number) == self.model.select_file(number)

    @rule(short_id=short_ids, extended=st.booleans())
    def read(self, short_id: int, extended: bool) -> None:
        place = f"{0x80 | short_id:02X}00" if short_id else "0000"
        expected = self.model.read(short_id)
        assert self.send("00B0", place, "000000" if extended else "10") == expected

    @rule(short_id=st.one_of(st.just(0), pin_ids, short_ids))
    def query(self, short_id: int) -> None:
        assert self.send("002000", 0x80 | short_id) == self.model.query(short_id)

    @rule(short_id=st.one_of(st.just(0), pin_ids), kind=kinds)
    def verify_what_may_not_be_there(self, short_id: int, kind: str) -> None:
        value = self.value(short_id, kind)
        expected = self.model.verify(short_id, value)
        assert self.send("002000", 0x80 | short_id, len(value), value) == expected

    @rule(
        place=st.integers(0, 11),
        kind=st.sampled_from(["right", "wrong", "short", "long"]),
        command=st.sampled_from(["0024", "8032"]),
    )
    def change(self, place: int, kind: str, command: str) -> None:
        short_id = self.aim(place)
        value = self.value(short_id, kind)
        expected = self.model.change(short_id, value, command)
        p1 = "01" if command == "0024" else "00"
        assert self.send(command, p1, 0x80 | short_id, len(value), value) == expected

    @rule(short_id=st.sampled_from([0, 0x13, 0x17, 0x17, 0x1A, 0x1A, 0x18, 0x02]), default=st.booleans())
    def sign(self, short_id: int, default: bool) -> None:
        expected = self.model.sign(short_id, default)
        assert self.send("802A00", 0x00 if default else 0x80 | short_id, "0411223344", "00") == expected

    @rule(
        short_id=st.sampled_from([0, 0x19, 0x19, 0x1C, 0x02, 0x07]),
        number=st.sampled_from([1, 1, 2]),
        records=st.sampled_from([0, 1, 1, 2]),
        rest=st.booleans(),
    )
    def authenticate_and_read_a_record(self, short_id: int, number: int, records: int, rest: bool) -> None:
        assert self.send("008800", 0x80 | short_id, "0411223344", "00") == self.model.authenticate(short_id)
        expected = self.model.record(number, records)
        assert self.send("00B2", number, records << 3 | (0x05 if rest else 0x04), "00") == expected

    @rule(tag=st.sampled_from(TAGS), ins=st.sampled_from(["B0", "20", "A4", "CA"]))
    def other_commands(self, tag: str, ins: str) -> None:
        assert self.send("00CA", tag, "000000") == self.model.data(tag)
        assert self.send("0C", ins, "000000") == self.model.secure()
        assert self.send("00EE000000") == "6D00"
        assert self.send("A0B0000000") == "6E00"
        assert self.send("01B0000000") == "6881"

    @rule()
    def reset(self) -> None:
        self.card.power_down()
        self.card.power_up()
        self.model.reset()

    @rule(
        name=st.sampled_from([JPKI, TEXT, VISUAL, JUKI]),
        kind=st.sampled_from(["right", "wrong"]),
        short_id=pin_ids,
        phase=st.sampled_from(["before", "inside", "after"]),
    )
    def verify_and_lose_power(self, name: str, kind: str, short_id: int, phase: str) -> None:
        """Cut at the first write, the counter's: spent before anything is compared, or not at all."""
        self.send("00A4040C0A", name)
        self.model.select(name)
        pin = self.model.here.pins.get(short_id)
        if pin is None or pin.left == 0:
            return
        value = self.value(short_id, kind)
        self.card.cut = PowerCut(self.card.writes_done, phase)  # type: ignore[arg-type] # from the list
        with pytest.raises(PowerLost):
            self.send("002000", 0x80 | short_id, len(value), value)
        self.card.power_up()
        self.model.reset()
        if phase == "after":
            pin.left -= 1


def _settings(walks: int, steps: int, **options: Any) -> settings:
    return settings(
        max_examples=walks,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **options,
    )


def test_access_rules(installation: object, record_property: Callable[[str, object], None]) -> None:
    """A slice that is the same each time: thousands of steps."""
    before = AccessRules.sent
    run_state_machine_as_test(AccessRules, settings=_settings(WALKS, STEPS, derandomize=True, database=None))
    steps = AccessRules.sent - before
    record_property("figure", f"PIN and access rules against the reference model: {steps} commands")
    assert steps > 5000


@pytest.mark.parametrize("name", [JPKI, TEXT, VISUAL, JUKI, COMMON])
def test_whole_access_matrix(installation: object, name: str) -> None:
    """Each application with each set of its PINs verified: every file, key and counter."""
    walk = AccessRules()
    walk.insert()
    pins = [number for number, pin in walk.model.applications[name].pins.items() if pin.limit]
    for chosen in itertools.product([False, True], repeat=len(pins)):
        walk.reset()
        walk.select(name, False, 0x0C)
        for number, wanted in zip(pins, chosen, strict=True):
            if wanted:
                assert walk.send("002000", 0x80 | number, *_template(walk, number)) == "9000"
                walk.model.verify(number, walk.value(number, "right"))
        walk.look_at_everything()
        walk.select_again()


def _template(walk: AccessRules, number: int) -> tuple[int, bytes]:
    value = walk.value(number, "right")
    return len(value), value


@pytest.mark.campaign
def test_access_rules_for_long(installation: object) -> None:
    """Hundreds of thousands of steps, others each time."""
    run_state_machine_as_test(AccessRules, settings=_settings(CAMPAIGN_WALKS, CAMPAIGN_STEPS))
