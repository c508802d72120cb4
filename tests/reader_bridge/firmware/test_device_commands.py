"""``tegata firmware list``, ``info``, ``selftest``, ``find-me``, ``config``, with a simulated reader."""

from __future__ import annotations

import json
import stat
import sys
import threading
from pathlib import Path

import pytest

from tegata.reader_bridge.firmware.command_options import Place
from tegata.reader_bridge.firmware.device_commands import list_devices
from tegata.reader_bridge.share.line import PtyLine, TcpLine
from tegata.reader_bridge.share.wire import Wire

from .bench import OLD, Gate, Tegata, digest_of
from .maker import HARDWARE, Maker


class Mute:
    """A firmware that never answers."""

    def run(self, wire: Wire) -> None:
        while True:
            wire.read()


class Liar:
    """A firmware that answers every line with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def run(self, wire: Wire) -> None:
        while True:
            if b"\n" in wire.read():
                wire.write(self._answer)


def test_info_says_who_it_is_and_what_runs(gate: Gate, maker: Maker, tegata: Tegata) -> None:
    shown = tegata.json("info", gate.url)
    assert shown["model"] == "gate-reader" and shown["serial"] == "gate"
    assert shown["hardware_id"] == HARDWARE and shown["firmware"] == OLD
    assert shown["slot_size"] > 0 and shown["updatable"] is True
    [image] = shown["images"]
    assert image["digest"] == digest_of(maker.image(OLD)).hex()
    assert (image["active"], image["confirmed"], image["pending"]) == (True, True, False)
    assert tegata("info", gate.url) == 0
    assert OLD in tegata.out and "runs, confirmed" in " ".join(tegata.out.split())


def test_the_same_device_answers_over_tcp(gate: Gate, tegata: Tegata) -> None:
    with TcpLine(gate.reader) as line:
        assert tegata.json("info", f"smp:{line.url}")["serial"] == "gate"


def test_list_shows_those_that_answer_and_why_others_do_not(
    gate: Gate, tegata: Tegata, tmp_path: Path
) -> None:
    names = tmp_path / "doors.txt"
    names.write_text(f"# doors\n{gate.url}   # north\n\nsmp:/dev/nothing\nvoice:x\n{gate.url}\n")
    found = tegata.json("list", "--devices", names)
    assert [entry["url"] for entry in found] == [gate.url, "smp:/dev/nothing", "voice:x"]
    assert found[0]["firmware"] == OLD
    assert [entry["error"]["code"] for entry in found[1:]] == ["line.open", "device.scheme"]
    assert tegata("list", gate.url) == 0
    assert "gate-reader" in tegata.out
    assert tegata.json("list", gate.url)[0]["url"] == gate.url


def test_a_machine_without_devices_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = Place(tmp_path, list)
    list_devices.main([], obj=nobody, standalone_mode=False)
    out, err = capsys.readouterr()
    assert out == "" and "tegata readers doctor" in err
    list_devices.main(["--json"], obj=nobody, standalone_mode=False)
    assert json.loads(capsys.readouterr().out) == []


def test_fleet_inventory_is_the_same_as_json(gate: Gate, tegata: Tegata) -> None:
    assert tegata("fleet", "inventory", gate.url) == 0
    assert json.loads(tegata.out)[0]["serial"] == "gate"


def test_the_selftest_is_the_devices_own_and_an_echo(gate: Gate, tegata: Tegata) -> None:
    found = tegata.json("selftest", gate.url)
    assert {"name": "echo", "verdict": "passed", "sentence": "what was sent came back"} in found
    assert {item["name"] for item in found} == {"echo", "image", "slot", "settings"}
    assert tegata("--help") == 0


def test_a_selftest_that_fails_ends_with_its_code(gate: Gate, tegata: Tegata) -> None:
    gate.flash._put(100, b"\0")  # a cell of the running image that lost its content
    assert tegata.error("selftest", gate.url) == "device.selftest"
    assert '"failed"' in tegata.out


def test_find_me_lights_the_lamp(gate: Gate, tegata: Tegata) -> None:
    assert not gate.reader.board.lamp
    assert tegata("find-me", gate.url, "--seconds", "30") == 0
    assert tegata.out == f"{gate.url} shows itself for 30 seconds: look and listen.\n"
    assert gate.reader.board.lamp


def test_settings_are_backed_up_compared_and_put_back(gate: Gate, tegata: Tegata, tmp_path: Path) -> None:
    file = tmp_path / "gate.json"
    assert tegata("config", "backup", gate.url, file) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert tegata.json("config", "diff", gate.url, file) == []

    before = dict(gate.reader.board.settings.read())
    name = next(name for name, value in before.items() if type(value) is int)
    gate.reader.board.settings.write({name: before[name] + 1})
    [change] = tegata.json("config", "diff", gate.url, file)
    assert change == {"name": name, "device": before[name] + 1, "file": before[name]}
    assert tegata("config", "diff", gate.url, file) == 0
    assert name in tegata.out
    assert tegata.json("config", "restore", gate.url, file) == [change]
    assert gate.reader.board.settings.read() == before
    assert tegata.json("config", "restore", gate.url, file) == []


@pytest.mark.parametrize("value", [{"surprise": 1}, {"*": "text"}, {"*": [1, 2]}])
def test_a_setting_that_the_device_does_not_take_is_refused_whole(
    value: dict[str, object], gate: Gate, tegata: Tegata, tmp_path: Path
) -> None:
    file = tmp_path / "gate.json"
    assert tegata("config", "backup", gate.url, file) == 0
    before = dict(gate.reader.board.settings.read())
    number = next(name for name, found in before.items() if type(found) is int)
    kept = json.loads(file.read_text())
    kept["settings"] |= {number if name == "*" else name: new for name, new in value.items()}
    kept["settings"][next(name for name, found in before.items() if type(found) is bool)] ^= True
    file.write_text(json.dumps(kept))
    assert tegata.error("config", "restore", gate.url, file) == "device.setting"
    assert gate.reader.board.settings.read() == before


def test_a_backup_of_another_model_is_refused(
    gate: Gate, maker: Maker, tegata: Tegata, tmp_path: Path
) -> None:
    file = tmp_path / "gate.json"
    assert tegata("config", "backup", gate.url, file) == 0
    with Gate(maker, tmp_path, "kiosk", model="kiosk-reader") as other:
        assert tegata.error("config", "restore", other.url, file) == "firmware.settings_model"
    for content in (b"", b"[]", b'{"format": "other"}', b"\xff"):
        file.write_bytes(content)
        assert tegata.error("config", "diff", gate.url, file) == "firmware.settings_file"


def test_a_line_has_one_owner(gate: Gate, tegata: Tegata) -> None:
    from tegata.apdu.devices import open_device

    holder = open_device(gate.url)
    try:
        assert tegata.error("info", gate.url) == "line.busy"
    finally:
        holder.close()
    assert tegata.json("info", gate.url)["serial"] == "gate"


def test_a_mute_device_is_a_sentence(tegata: Tegata, tmp_path: Path) -> None:
    with PtyLine(Mute(), tmp_path / "mute") as line:
        assert tegata.error("info", f"smp:{line.path}?timeout=0.05") == "line.silent"


@pytest.mark.parametrize(
    "answer",
    [
        b"\x06\x09AAoJAAAAAAAAAAAAAAA=\n",
        b"\x06\x09" + b"A" * 4000 + b"\n",
        b"\xff" * 20000,
        b"login: \n",
        bytes(range(256)) * 4,
    ],
)
def test_a_device_that_talks_nonsense_is_a_sentence(answer: bytes, tegata: Tegata, tmp_path: Path) -> None:
    with PtyLine(Liar(answer), tmp_path / "liar") as line:
        assert tegata.error("info", f"smp:{line.path}?timeout=0.05") in ("line.silent", "smp.malformed")


@pytest.mark.parametrize("text", ["[/red]", "\x1b[2J", "a\nb", "]8;;x"])
def test_what_a_device_says_of_itself_tells_the_terminal_nothing(
    text: str, maker: Maker, tegata: Tegata, tmp_path: Path
) -> None:
    with Gate(maker, tmp_path) as gate:
        object.__setattr__(gate.reader.board.fuses, "serial", text)
        assert tegata("info", gate.url) == 0
        assert tegata("list", gate.url) == 0
        assert "\x1b[2J" not in tegata.out
        shown = tegata.json("info", gate.url)["serial"]
        assert shown.isprintable() and len(shown) == len(text)


@pytest.mark.parametrize("rest", ["", "?baud=1", "x?baud=0", "x?speed=9", "x?baud", "x?timeout=never"])
def test_a_url_that_is_not_written_rightly(rest: str, tegata: Tegata) -> None:
    assert tegata.error("info", f"smp:{rest}") in ("smp.option", "device.scheme")


def test_without_smpclient_the_sentence_says_what_to_install(
    gate: Gate, tegata: Tegata, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("tegata.reader_bridge.readers.smp.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "smpclient", None)
    assert tegata.error("info", gate.url) == "reader.driver"
    assert "'.[firmware]'" in tegata.err


def test_the_driver_leaves_no_thread_behind(gate: Gate, tegata: Tegata) -> None:
    before = threading.active_count()
    assert tegata.json("info", gate.url)
    assert threading.active_count() == before
