"""Many simulated readers: policy, and updates in waves that stop and go on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from .bench import OLD, Gate, Tegata
from .maker import Maker

NEW = "1.3.0"
POLICY = """
format = 1

[[require]]
model = "gate-reader"
at_least = "1.3.0"
image = "gate.bin"
"""


class Doors:
    """Twenty doors; some of their readers do not take the maker's firmware."""

    def __init__(self, gates: list[Gate], names: Path) -> None:
        self.gates = gates
        self.names = names

    @property
    def versions(self) -> list[str]:
        return [gate.version for gate in self.gates]


@pytest.fixture
def doors(maker: Maker, stranger: Maker, tmp_path: Path) -> Iterator[Doors]:
    """Doors 3 and 8 are in the hands of somebody else: their readers know another key."""
    with contextlib.ExitStack() as stack:
        gates = [
            stack.enter_context(Gate(stranger if number in (3, 8) else maker, tmp_path, f"door{number:02}"))
            for number in range(20)
        ]
        names = tmp_path / "doors.txt"
        names.write_text("".join(f"{gate.url}\n" for gate in gates))
        yield Doors(gates, names)


@pytest.fixture
def policy(maker: Maker, tmp_path: Path) -> Path:
    (tmp_path / "gate.bin").write_bytes(maker.image(NEW).read_bytes())
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


def test_twenty_devices_in_waves_stop_after_two_failures_and_go_on(
    doors: Doors, maker: Maker, policy: Path, tegata: Tegata
) -> None:
    given = ["--devices", doors.names, "--policy", policy, "--key", maker.key]
    code = tegata("fleet", "update", *given, "--waves", "1,4,15", "--stop-after", "2")
    assert code == 145
    assert "stopped with 2 failed; 7 of 20 devices are done" in tegata.err
    assert "wave 1: " in tegata.err and "wave 3: " in tegata.err
    assert doors.versions == [NEW] * 3 + [OLD] + [NEW] * 4 + [OLD] * 12

    assert tegata.error("fleet", "update", *given) == "firmware.other_rollout"
    assert tegata("fleet", "update", "--key", maker.key) == 145  # nobody has put the two doors right yet
    assert doors.versions.count(NEW) == 7

    for number in (3, 8):  # now their readers are exchanged
        doors.gates[number].close()
        doors.gates[number] = Gate(maker, doors.names.parent, f"door{number:02}")
    try:
        steps = doors.gates[0].flash.steps
        shown = tegata.json("fleet", "update", "--key", maker.key)
        assert doors.gates[0].flash.steps == steps  # what is done is left alone
    finally:
        for number in (3, 8):
            doors.gates[number].close()
    assert shown["finished"] is True
    assert [len(wave["devices"]) for wave in shown["waves"]] == [1, 4, 15]
    assert {device["state"] for wave in shown["waves"] for device in wave["devices"]} == {"done"}
    assert doors.versions == [NEW] * 20
    assert tegata.error("fleet", "update", "--key", maker.key) == "firmware.no_rollout"


def test_a_rollout_can_be_given_up(gate: Gate, maker: Maker, stranger: Maker, tegata: Tegata) -> None:
    wrong = stranger.image(NEW)
    given = ["--image", wrong, "--key", stranger.key, "--stop-after", "1"]
    assert tegata("fleet", "update", gate.url, *given) == 145
    assert tegata("fleet", "update", "--abandon") == 0
    assert tegata("fleet", "update", gate.url, "--image", maker.image(NEW), "--key", maker.key) == 0
    assert (gate.version, gate.confirmed) == (NEW, True)


def test_an_image_for_the_fleet_is_checked_before_the_first_device(
    gate: Gate, maker: Maker, stranger: Maker, tegata: Tegata
) -> None:
    code = tegata.error("fleet", "update", gate.url, "--image", stranger.image(NEW), "--key", maker.key)
    assert code == "firmware.signature"
    assert tegata.error("fleet", "update", "--image", maker.image(NEW), "--key", maker.key) in (
        "firmware.no_devices"
    )


def test_the_policy_is_checked(
    gate: Gate, maker: Maker, policy: Path, tegata: Tegata, tmp_path: Path
) -> None:
    with Gate(maker, tmp_path, "kiosk", model="kiosk-reader") as kiosk:
        urls = [gate.url, kiosk.url, "smp:/dev/nothing"]
        assert tegata("fleet", "check", *urls, "--policy", policy) == 145
        assert "2 of 3 devices" in tegata.err
        assert tegata.error("fleet", "check", *urls, "--policy", policy) == "firmware.policy"
        assert '"no-rule"' in tegata.out and '"unreachable"' in tegata.out and '"too-old"' in tegata.out

        shown = tegata("fleet", "update", gate.url, kiosk.url, "--policy", policy, "--key", maker.key)
        assert shown == 0
        assert (gate.version, kiosk.version) == (NEW, OLD)
    [judged] = tegata.json("fleet", "check", gate.url, "--policy", policy)
    assert (judged["meets"], judged["at_least"]) == ("yes", NEW)


def test_a_device_that_meets_the_policy_is_left_alone(
    maker: Maker, policy: Path, tegata: Tegata, tmp_path: Path
) -> None:
    with Gate(maker, tmp_path, old="1.5.0") as ahead:
        shown = tegata.json("fleet", "update", ahead.url, "--policy", policy, "--key", maker.key)
        assert shown["waves"][0]["devices"][0]["state"] == "already"
        assert ahead.version == "1.5.0"


def test_a_device_whose_security_counter_is_below_the_policy_is_updated(
    maker: Maker, tegata: Tegata, tmp_path: Path
) -> None:
    (tmp_path / "gate.bin").write_bytes(maker.image(NEW, counter=3).read_bytes())
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.replace("1.3.0", "1.2.0") + "security_counter = 3\n")
    with Gate(maker, tmp_path) as gate:
        assert tegata.error("fleet", "check", gate.url, "--policy", policy) == "firmware.policy"
        assert tegata("fleet", "update", gate.url, "--policy", policy, "--key", maker.key) == 0
        assert gate.version == NEW


def test_an_unfinished_update_is_finished_by_the_rollout(
    maker: Maker, policy: Path, tegata: Tegata, tmp_path: Path
) -> None:
    from tegata.simulators.devices.faults import Direction, Fault, FaultKind, Faults

    faults = Faults([Fault(Direction.TO_DEVICE, 700, FaultKind.UNPLUG)])
    with Gate(maker, tmp_path, faults=faults, timeout="0.1") as gate:
        given = ["--policy", policy, "--key", maker.key, "--wait", "1"]
        assert tegata("fleet", "update", gate.url, *given) == 145
        gate.line.replug()
        assert tegata("fleet", "update", "--key", maker.key) == 0
        assert (gate.version, gate.confirmed) == (NEW, True)
        assert len(tegata.json("log")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "format = 1",
        "format = 1\nrequire = []",
        'format = 1\n[[require]]\nmodel = "x"',
        'format = 1\n[[require]]\nmodel = "x"\nat_least = "new"',
        'format = 1\n[[require]]\nmodel = "x"\nat_least = "1"\nmore = 1',
        'format = 1\n[[require]]\nmodel = "x"\nat_least = 1.10',  # TOML: the number 1.1
        "[[",
    ],
)
def test_a_policy_that_is_not_right_is_refused(text: str, gate: Gate, tegata: Tegata, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    assert tegata.error("fleet", "check", gate.url, "--policy", path) == "firmware.policy_file"


@pytest.mark.parametrize("image", ["", "gate.bin"])
def test_a_policy_needs_images_that_meet_it(
    image: str, gate: Gate, maker: Maker, tegata: Tegata, tmp_path: Path
) -> None:
    (tmp_path / "gate.bin").write_bytes(maker.image("1.2.9").read_bytes())
    path = tmp_path / "policy.toml"
    path.write_text(POLICY.replace("gate.bin", image))
    code = tegata.error("fleet", "update", gate.url, "--policy", path, "--key", maker.key)
    assert code == "firmware.policy_file"


def test_a_rollout_does_not_go_on_without_its_key(
    gate: Gate, maker: Maker, stranger: Maker, tegata: Tegata
) -> None:
    given = ["--image", stranger.image(NEW), "--key", stranger.key, "--stop-after", "1"]
    assert tegata("fleet", "update", gate.url, *given) == 145
    assert tegata.error("fleet", "update") == "firmware.no_key"
    assert tegata.error("fleet", "update", "--key", maker.key) == "firmware.signature"


def test_what_goes_with_a_new_rollout_alone_is_a_usage_error(
    gate: Gate, maker: Maker, policy: Path, tegata: Tegata
) -> None:
    assert tegata("fleet", "update", gate.url) == 2
    assert tegata("fleet", "update", "--confirm") == 2
    assert tegata("fleet", "update", gate.url, "--policy", policy, "--image", maker.image(NEW)) == 2


@pytest.mark.parametrize("waves", ["", "0", "1,-1", "x", "1,,2"])
def test_waves_that_are_no_sizes_are_a_usage_error(waves: str, gate: Gate, tegata: Tegata) -> None:
    assert tegata("fleet", "update", gate.url, "--waves", waves) == 2
