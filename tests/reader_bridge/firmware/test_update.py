"""Updates of a simulated reader by the command line: the good cases, and every refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tegata.cli import main

from .bench import OLD, Gate, Tegata
from .maker import Maker

NEW = "1.3.0"


def test_an_image_is_started_and_then_confirmed(gate: Gate, maker: Maker, tegata: Tegata) -> None:
    [shown] = tegata.json("update", gate.url, maker.image(NEW), "--key", maker.key, "--confirm")
    assert (shown["runs"], shown["version"], shown["confirmed"]) == ("new", NEW, True)
    assert (gate.version, gate.confirmed) == (NEW, True)
    gate.reader.power_cycle()
    assert gate.version == NEW
    [job] = tegata.json("log")
    assert [event["what"] for event in job["history"]] == [
        "planned",
        "uploading",
        "marking",
        "restarting",
        "confirming",
        "done",
    ]


def test_an_image_on_trial_is_confirmed_later(gate: Gate, maker: Maker, tegata: Tegata) -> None:
    assert tegata("update", gate.url, maker.image(NEW), "--key", maker.key, "--test") == 0
    assert "tegata firmware confirm" in tegata.out
    assert (gate.version, gate.confirmed) == (NEW, False)
    [shown] = tegata.json("update")
    assert (shown["runs"], shown["stage"]) == ("new", "on-trial")
    assert tegata.json("confirm", gate.url) == {"url": gate.url, "version": NEW, "confirmed": True}
    gate.reader.power_cycle()
    assert gate.version == NEW
    assert tegata.error("confirm", gate.url) == "firmware.no_trial"


def test_an_image_on_trial_is_left_by_rollback(gate: Gate, maker: Maker, tegata: Tegata) -> None:
    assert tegata("update", gate.url, maker.image(NEW), "--key", maker.key, "--test") == 0
    assert tegata.json("rollback", gate.url)["version"] == OLD
    assert (gate.version, gate.confirmed) == (OLD, True)
    [job] = tegata.json("log", gate.url)
    assert job["stage"] == "rolled-back"


def test_a_device_that_left_the_trial_by_itself_is_told_truthfully(
    gate: Gate, maker: Maker, tegata: Tegata
) -> None:
    assert tegata("update", gate.url, maker.image(NEW), "--key", maker.key, "--test") == 0
    gate.reader.power_cycle()
    assert gate.version == OLD
    assert tegata("update") == 0
    assert "left 1.3.0 by itself" in tegata.out and f"old image runs now, {OLD}" in tegata.out
    assert tegata("update") == 0
    assert "No update is unfinished" in tegata.out


def test_confirm_says_when_the_device_left_the_trial_by_itself(
    gate: Gate, maker: Maker, tegata: Tegata
) -> None:
    assert tegata("update", gate.url, maker.image(NEW), "--key", maker.key, "--test") == 0
    gate.reader.power_cycle()
    assert tegata.error("confirm", gate.url) == "firmware.left"


def test_a_confirmed_image_is_left_for_the_one_before(gate: Gate, maker: Maker, tegata: Tegata) -> None:
    assert tegata("update", gate.url, maker.image(NEW), "--key", maker.key, "--confirm") == 0
    assert tegata.json("rollback", gate.url)["version"] == OLD
    assert (gate.version, gate.confirmed) == (OLD, True)


def test_rollback_says_when_there_is_nothing_to_go_back_to(gate: Gate, tegata: Tegata) -> None:
    assert tegata.error("rollback", gate.url) == "firmware.no_previous"


def test_rollback_does_not_pass_the_devices_own_protection(gate: Gate, maker: Maker, tegata: Tegata) -> None:
    newer = maker.image(NEW, counter=5)
    assert tegata("update", gate.url, newer, "--key", maker.key, "--confirm") == 0
    gate.reader.power_cycle()  # at a start, a confirmed image raises the counter
    assert tegata.error("rollback", gate.url) == "firmware.device"
    assert gate.version == NEW


def test_what_runs_already_is_not_sent_again(gate: Gate, maker: Maker, tegata: Tegata) -> None:
    steps = gate.flash.steps
    [shown] = tegata.json("update", gate.url, maker.image(OLD), "--key", maker.key, "--confirm")
    assert (shown["stage"], shown["runs"]) == ("done", "new")
    assert gate.flash.steps == steps


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("image", "code"),
    [
        ({"version": NEW, "hardware": "other-board"}, "firmware.wrong_hardware"),
        ({"version": NEW, "hardware": None}, "firmware.wrong_hardware"),
        ({"version": "1.1.9"}, "firmware.downgrade"),
        ({"version": NEW, "counter": 0}, "firmware.counter"),
        ({"version": NEW, "counter": None}, "firmware.counter"),
        ({"version": NEW, "size": 4000}, "firmware.too_large"),
        ({"version": NEW, "signed": False}, "firmware.signature"),
    ],
)
def test_what_does_not_suit_is_refused_before_a_byte_goes_out(
    image: dict[str, object], code: str, force: bool, gate: Gate, maker: Maker, tegata: Tegata
) -> None:
    gate.reader.power_cycle()  # the factory's image has the security counter 1
    steps = gate.flash.steps
    options = ["--confirm", "--force"] if force else ["--confirm"]
    path = maker.image(**image)
    assert tegata.error("update", gate.url, path, "--key", maker.key, *options) == code
    assert gate.flash.steps == steps
    assert tegata.json("log") == []
    assert tegata.json("update") == []


def test_a_wrong_key_is_refused_even_with_force(
    gate: Gate, maker: Maker, stranger: Maker, tegata: Tegata
) -> None:
    path = stranger.image(NEW)
    assert tegata.error("update", gate.url, path, "--key", maker.key, "--test", "--force") == (
        "firmware.signature"
    )
    assert tegata.json("log") == []


def test_the_device_refuses_by_itself_what_the_host_was_told_to_trust(
    gate: Gate, stranger: Maker, tegata: Tegata
) -> None:
    path = stranger.image(NEW)
    assert tegata("update", gate.url, path, "--key", stranger.key, "--confirm", "--force") == 254
    assert "its key did not sign this image" in tegata.err
    assert (gate.version, gate.confirmed) == (OLD, True)
    [job] = tegata.json("log")
    assert job["stage"] == "refused"
    assert tegata.json("update") == []


def test_a_truncated_file_is_refused(gate: Gate, maker: Maker, tegata: Tegata, tmp_path: Path) -> None:
    (tmp_path / "cut.bin").write_bytes(maker.image(NEW).read_bytes()[:-1])
    assert tegata.error("update", gate.url, tmp_path / "cut.bin", "--key", maker.key, "--confirm") == (
        "firmware.image"
    )


def test_an_image_is_not_put_over_one_on_trial(gate: Gate, maker: Maker, tegata: Tegata) -> None:
    assert tegata("update", gate.url, maker.image(NEW), "--key", maker.key, "--test") == 0
    assert tegata.error("update", gate.url, maker.image("1.4.0"), "--key", maker.key, "--test") == (
        "firmware.on_trial"
    )


def test_the_table_is_overridden_with_force_alone(
    gate: Gate, maker: Maker, tegata: Tegata, tmp_path: Path
) -> None:
    table = tmp_path / "table.toml"
    table.write_text(
        'format = 1\n[[rule]]\nmodel = "gate-reader"\nimage = "==1.3.0"\n'
        'reason.en = "1.3.0 was withdrawn"\nreason.ja = "1.3.0 は撤回されました"\n',
        encoding="utf-8",
    )
    given = ("update", gate.url, maker.image(NEW), "--key", maker.key, "--confirm", "--compatibility", table)
    assert tegata(*given) == 105
    assert "1.3.0 was withdrawn" in tegata.err and "--force" in tegata.err
    assert tegata(*given, "--force") == 0
    assert "Overridden with --force: 1.3.0 was withdrawn." in tegata.err
    assert gate.version == NEW


def test_it_speaks_japanese(gate: Gate, maker: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["update", gate.url, str(maker.image(NEW)), "--key", str(maker.key), "--test"]
    assert main(["--lang", "ja", "firmware", *given]) == 0
    assert "新しいイメージ 1.3.0 が動作中 (試用中)" in capsys.readouterr().out
    assert main(["--lang", "ja", "firmware", "update"]) == 0
    assert "次の再起動で元に戻ります" in capsys.readouterr().out
    assert main(["--lang", "ja", "firmware", "info", gate.url]) == 0
    assert "試用中" in capsys.readouterr().out
    assert main(["--lang", "ja", "firmware", "log"]) == 0
    shown = capsys.readouterr().out
    assert "試用の指定" in shown and "marking" not in shown


def test_the_goal_must_be_said(gate: Gate, maker: Maker, tegata: Tegata) -> None:
    assert tegata("update", gate.url, maker.image(NEW), "--key", maker.key) == 2
    assert tegata("update", "--confirm") == 2
