"""smpmgr and imgtool, command by command, update the simulated reader: test, revert, confirm, refusals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .smp_programs import Maker, Smpmgr, digest, plugged

pytestmark = pytest.mark.foreign


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("imgtool"))


@pytest.fixture
def smpmgr(maker: Maker, request: pytest.FixtureRequest) -> Iterator[Smpmgr]:
    """smpmgr in front of a new reader with firmware 1.0.0."""
    flash = maker.reader(request.node.name, maker.image("1.0.0"))
    with plugged(flash) as (port, _):
        yield Smpmgr(port)
    flash.unlink()


def test_a_trial_its_end_and_a_confirmation(maker: Maker, smpmgr: Smpmgr) -> None:
    new = maker.image("1.1.0", counter=2)
    assert "r='hello'" in smpmgr("os", "echo", "hello").stdout
    assert smpmgr.images() == ["1.0.0 active confirmed"]
    assert smpmgr("image", "upload", new).returncode == 0
    assert smpmgr("image", "state-write", digest(new, maker)).returncode == 0
    assert smpmgr.images() == ["1.0.0 active confirmed", "1.1.0 pending"]
    smpmgr("os", "reset")
    assert smpmgr.images() == ["1.1.0 active", "1.0.0 confirmed"]
    smpmgr("os", "reset")
    assert smpmgr.images() == ["1.0.0 active confirmed", "1.1.0"]
    smpmgr("image", "state-write", digest(new, maker))
    smpmgr("os", "reset")
    smpmgr("image", "state-write", "--confirm")
    smpmgr("os", "reset")
    assert smpmgr.images() == ["1.1.0 active confirmed", "1.0.0"]


def test_an_upgrade_in_one_command(maker: Maker, smpmgr: Smpmgr) -> None:
    done = smpmgr("upgrade", "--confirm", maker.image("1.1.0", counter=2))
    assert "Upgrade complete" in done.stdout
    assert smpmgr.images() == ["1.1.0 active confirmed", "1.0.0"]
    assert smpmgr("image", "erase", "1").returncode == 0
    assert smpmgr.images() == ["1.1.0 active confirmed"]


def test_what_it_refuses_and_why(maker: Maker, smpmgr: Smpmgr) -> None:
    truncated = maker.folder / "truncated.bin"
    truncated.write_bytes(maker.image("1.1.0").read_bytes()[:-1])
    refused = {
        "wrong-key: the image is signed with a key": maker.image("1.1.0", key="thief"),
        "hardware-id: the image is for door-reader-2": maker.image("1.1.0", hardware="door-reader-2"),
        "security-counter: the image has the security counter 0": maker.image("1.1.0", counter=0),
        "form: the file ends inside the TLV area": truncated,
    }
    for reason, image in refused.items():
        done = smpmgr("image", "upload", "--format", "any", image)
        assert done.returncode != 0
        assert reason in " ".join((done.stdout + done.stderr).replace("│", " ").split())
    assert smpmgr.images() == ["1.0.0 active confirmed"]
