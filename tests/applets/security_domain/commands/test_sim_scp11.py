"""``tegata sim scp11``: a newcomer opens SCP11 with what it writes."""

from __future__ import annotations

import shlex
import stat
from pathlib import Path

import pytest

from tegata.apdu.scp11.objects import AUTHORITY_KIDS
from tegata.cli import main
from tegata.simulators import presets
from tegata.simulators.card import FileStore

from .conftest import Gp, content


def _full(gp: Gp) -> Path:
    path = gp.folder / "full.sim"
    presets.write(path, presets.memory("gp-full", 3))
    return path


def _run(gp: Gp, *words: object, code: int = 0) -> tuple[str, str]:
    found = main(["--lang", "en", "sim", "scp11", *map(str, words)])
    out, err = gp.capsys.readouterr()
    assert found == code, (out, err)
    return out, err


def test_the_commands_of_the_tutorial(gp: Gp, monkeypatch: pytest.MonkeyPatch) -> None:
    """As shown: new, scp11, and each line that it prints."""
    monkeypatch.chdir(gp.folder)
    assert main(["sim", "new", "gp-full", "full.sim"]) == 0
    gp.capsys.readouterr()
    lines = _run(gp, "full.sim", "host")[0].splitlines()
    shown = (
        "tegata gp --reader sim:full.sim --scp11 {} --scp11-anchor host/anchor.pem --scp11-key host/host.key "
    )
    shown += "--scp11-chain host/host.pem list"
    assert lines == [shown.format(letter) for letter in "ac"]
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0
        assert "A000000151000000" in gp.capsys.readouterr().out


def test_its_key_is_for_its_owner_alone(gp: Gp) -> None:
    _run(gp, _full(gp), gp.folder / "host")
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (gp.folder / "host").iterdir()}
    assert set(files) == {"anchor.pem", "host.key", "host.pem"}
    assert files["host.key"] == 0o600


def test_one_host_after_another_until_the_numbers_are_taken(gp: Gp) -> None:
    card = _full(gp)
    for number in range(len(AUTHORITY_KIDS)):
        _run(gp, card, gp.folder / f"host-{number}")
    before = content(card)
    _, err = _run(gp, card, gp.folder / "one-more", code=40)
    assert "17 authorities" in err
    assert content(card) == before
    assert not (gp.folder / "one-more").exists()
    for number in (0, len(AUTHORITY_KIDS) - 1):
        host = gp.folder / f"host-{number}"
        words = ["--scp11-anchor", host / "anchor.pem", "--scp11-key", host / "host.key"]
        gp("--scp11", "a", *words, "--scp11-chain", host / "host.pem", "list", reader=f"sim:{card}")


def test_what_it_refuses(gp: Gp) -> None:
    card, folder = _full(gp), gp.folder / "host"
    before = content(card), content(gp.card)
    _, err = _run(gp, gp.card, folder, code=25)
    assert "no key 11/01" in err
    assert not folder.exists()
    folder.mkdir()
    assert str(folder) in _run(gp, card, folder, code=43)[1]
    _run(gp, card, gp.folder / "nowhere" / "host", code=40)
    assert list(folder.iterdir()) == []
    assert (content(card), content(gp.card)) == before


def test_a_card_in_use_is_left_alone(gp: Gp) -> None:
    card = _full(gp)
    store = FileStore(card)
    try:
        _, err = _run(gp, card, gp.folder / "host", code=139)
    finally:
        store.close()
    assert err
    assert not (gp.folder / "host").exists()
