"""Packages from CAP files: loaded, installed, replaced, torn, refused with a reason a person understands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tegata.cli import main
from tegata.simulators import presets

from .conftest import Gp, content

GONE = 12
PACKAGE, APPLET = "F0000000010001", "F000000001000101"


@pytest.fixture(params=["gp-card", "gp-scp02"])
def gp(gp: Gp, request: pytest.FixtureRequest) -> Gp:
    """An empty card with room, of either secure channel protocol."""
    gp.card.unlink()
    presets.write(gp.card, presets.memory(request.param, 7))
    return gp


def cap(folder: Path, *options: str, name: str = "own.cap", aid: str = PACKAGE) -> Path:
    path = folder / name
    assert main(["sim", "cap", aid, str(path), *(options or ("--applet", APPLET))]) == 0
    return path


def aids(gp: Gp) -> set[str]:
    return {line["aid"] for line in gp.verb("list")["registry"]}


def test_load_install_and_again(gp: Gp) -> None:
    file = cap(gp.folder)
    found = gp.verb("install", file)
    assert [(step["step"], step["state"]) for step in found["steps"]] == [
        ("load", "done"),
        ("install", "done"),
    ]
    assert found["steps"][0]["version"] == "1.0"
    assert aids(gp) >= {PACKAGE, APPLET}
    assert not gp.verb("install", file)["changed"]


def test_load_alone_then_an_applet_by_another_name(gp: Gp) -> None:
    gp("load", cap(gp.folder), "--hash", "sha256")
    gp("install", PACKAGE, "--module", APPLET, "--instance", APPLET + "FF", "--parameters", "0102")
    assert aids(gp) >= {PACKAGE, APPLET + "FF"}


def test_another_version_is_loaded_only_in_place_of_the_old(gp: Gp) -> None:
    gp("install", cap(gp.folder))
    newer = cap(gp.folder, "--applet", APPLET, "--version", "1.1", name="newer.cap")
    _, err = gp("load", newer, code=159)
    assert "version 1.0 instead of 1.1" in err
    gp("install", newer, "--replace", code=96)
    gp("--yes", "install", newer, "--replace")
    line = next(line for line in gp.verb("list")["registry"] if line["aid"] == PACKAGE)
    assert line["version"] == "1.1"


def test_several_applets(gp: Gp) -> None:
    file = cap(gp.folder, "--applet", APPLET, "--applet", APPLET + "02")
    _, err = gp("install", file, "--parameters", "01", code=98)
    assert APPLET + "02" in err
    gp("install", file)
    assert aids(gp) >= {APPLET, APPLET + "02"}


def test_a_file_that_is_none_never_reaches_the_card(gp: Gp) -> None:
    before = content(gp.card)
    broken = gp.folder / "broken.cap"
    broken.write_bytes(cap(gp.folder).read_bytes()[:-40])
    gp("load", broken, code=48)
    gp("load", gp.folder / "absent.cap", code=48)
    gp("install", PACKAGE, code=2)
    assert content(gp.card) == before


def test_a_dry_run_of_all_of_it(gp: Gp) -> None:
    before = content(gp.card)
    found = gp.json("--dry-run", "install", cap(gp.folder), "then", "delete", PACKAGE, "--with-dependents")
    states = [step["state"] for verb in found["verbs"] for step in verb["steps"]]
    assert states == ["planned"] * 3
    after = content(gp.card)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert all("sequence" in name for name in changed), changed


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_torn_load_is_cleaned_up_by_the_next_run(gp: Gp, phase: str) -> None:
    file = cap(gp.folder, "--applet", APPLET, "--size", "900")
    whole = content(gp.card)
    points = 0
    for write in range(1, 60):
        gp.card.unlink()
        presets.write(gp.card, presets.with_quirks(whole, {"load_leaves_garbage": True}))
        code = main(["gp", "--reader", f"sim:{gp.card}?cut={write}.{phase}", "install", str(file)])
        if code == 0:
            break
        assert code == GONE
        points += 1
        gp("install", file)
        assert aids(gp) >= {PACKAGE, APPLET}
    assert points >= 3


def test_the_card_says_why_in_plain_words(gp: Gp) -> None:
    for number in range(9):
        big = cap(gp.folder, "--library", "--size", "60000", name=f"{number}.cap", aid=PACKAGE + f"0{number}")
        if main(["gp", "--reader", f"sim:{gp.card}", "load", str(big)]):
            break
    _, err = gp("load", big, code=11)
    assert "not enough memory" in err
    assert "メモリー" in gp("load", big, code=11, lang="ja")[1]


def test_data_objects_of_the_domain(gp: Gp) -> None:
    gp("store-data", "4203112233")
    assert gp.verb("info")["iin"] == "112233"
    gp("store-data", code=2)
    path = gp.folder / "objects.hex"
    path.write_text("42 03 445566\n")
    found = gp.verb("store-data", "--file", path)
    assert found["steps"][0]["bytes"] == 5
    assert gp.verb("info")["iin"] == "445566"
