"""``tegata sim cap``: something to load, for those who have no converter."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tegata.apdu.errors import InputError
from tegata.applets.entry_badge import model as entry_badge
from tegata.applets.security_domain.model.cap import Kind, read_cap
from tegata.simulators.apps import package_models, packages
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.commands import sim
from tegata.simulators.presets import memory

from ..foreign.gpp import cap as independent
from .apps.gp_host import GpHost


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(sim, ["cap", *map(str, words)], standalone_mode=False)


def test_help_lists_the_packages_that_come_alive() -> None:
    shown = run("--help").output
    for name in ("security-domain", "piv", "entry-badge"):
        assert name in shown


@pytest.mark.parametrize("name", ["security-domain", "piv", "entry-badge", "global-pin"])
def test_a_package_by_name_has_the_modules_of_its_model(name: str, tmp_path: Path) -> None:
    path = tmp_path / "package.cap"
    assert run(name, path).output.strip() == str(path)
    cap = read_cap(path)
    models = package_models(cap.aid, bytes(cap.version))
    assert cap.applet_aids == tuple(models)
    assert set(models.values()) == {name}


def test_a_package_by_aid_is_as_large_as_asked(tmp_path: Path) -> None:
    path = tmp_path / "other.cap"
    applet = "F000000001000101"
    run("F0000000010001", path, "--size", "20480", "--applet", applet, "--version", "2.7", "--extended")
    cap = read_cap(path)
    assert len(cap.load_file()) == 20480
    assert (cap.aid.hex(), str(cap.version), cap.applet_aids) == (
        "f0000000010001",
        "2.7",
        (bytes.fromhex(applet),),
    )
    assert cap.contents.extended
    assert package_models(cap.aid, bytes(cap.version)) == {}


@pytest.mark.parametrize("aid", ["F000000001", "F0" * 16])
def test_the_first_applet_gets_an_aid(aid: str, tmp_path: Path) -> None:
    run(aid, tmp_path / "one.cap")
    cap = read_cap(tmp_path / "one.cap")
    assert len(cap.applet_aids) == 1
    assert cap.applet_aids[0] != cap.aid
    assert cap.applet_aids[0][:5] == cap.aid[:5]


def test_a_library_has_no_applet(tmp_path: Path) -> None:
    run("F000000001", tmp_path / "library.cap", "--library")
    assert not read_cap(tmp_path / "library.cap").contents.has(Kind.APPLET)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("badge",), "cap.package"),
        (("F0000000",), "cap.package"),
        (("F000000001", "--applet", "00"), "cap.package"),
        (("F000000001", "--size", "10"), "cap.draft"),
        (("F000000001", "--size", "100000"), "cap.draft"),
        (("F000000001", "--version", "1"), "cap.draft"),
        (("F000000001", "--version", "1.256"), "cap.draft"),
        (("F000000001", "--applet", "F00000000101", "--applet", "F00000000101"), "cap.draft"),
    ],
)
def test_what_cannot_be_made_is_said(words: tuple[str, ...], code: str, tmp_path: Path) -> None:
    error = run(words[0], tmp_path / "no.cap", *words[1:]).exception
    assert isinstance(error, InputError)
    assert error.code == code
    assert not (tmp_path / "no.cap").exists()


def test_options_that_contradict_each_other_are_wrong_usage(tmp_path: Path) -> None:
    for words in (["piv", "--library"], ["F000000001", "--library", "--applet", "F00000000101"]):
        assert "applets" in str(run(words[0], tmp_path / "no.cap", *words[1:]).exception)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "badge.cap"
    assert run("entry-badge", path).exit_code == 0
    error = run("entry-badge", path).exception
    assert isinstance(error, InputError) and error.code == "input.exists"
    elsewhere = run("entry-badge", tmp_path / "no" / "badge.cap").exception
    assert isinstance(elsewhere, InputError) and elsewhere.code == "input.file"


def test_every_model_that_can_be_loaded_has_one_name() -> None:
    names = [next(iter(modules.values())) for modules in packages().values()]
    assert len(set(names)) == len(names)
    assert entry_badge.PACKAGE_AID in packages()


@pytest.mark.parametrize(
    ("words", "alive"),
    [(("piv",), True), (("entry-badge",), True), (("F0000000010001", "--size", "20480"), False)],
    ids=["piv", "entry-badge", "placeholder"],
)
def test_what_is_written_is_loaded_and_answers(words: tuple[str, ...], alive: bool, tmp_path: Path) -> None:
    """By a host that shares no code with ours, with the hash of what it loads."""
    path = tmp_path / "package.cap"
    assert run(words[0], path, *words[1:]).exit_code == 0
    card = SimulatedCard(MemoryStore(memory("gp-card", 7)), entropy=seeded(b"cap"), contactless=False)
    card.power_up()
    host = GpHost(card.transmit)
    host.select()
    host.open(0x03)
    file = independent.read_cap(path.read_bytes())
    host.load(file, hash_name="sha256")
    (module,) = file.applets
    host.install_only(file.package, module)
    answer = card.transmit(bytes.fromhex("00A40400") + bytes((len(module),)) + module + b"\x00")
    assert answer[-2:].hex() == "9000"
    placeholder = bytes((0x6F, len(module) + 2, 0x84, len(module))) + module + b"\x90\x00"
    assert (answer != placeholder) is alive
