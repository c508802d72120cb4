"""A My Number Card in a real pcscd, at the desk's commands that write: recognised, refused, untouched."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tegata.apdu.errors import TegataError
from tegata.cli import main
from tegata.simulators import presets

from .harness import TEGATA, Namespace

pytestmark = pytest.mark.foreign

EXAMPLES = Path(__file__).parents[2] / "examples"
SELECT = 0xA4


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Key ring, CA and an order, as environment variables."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "passphrase").write_text("a passphrase for tests\n")
    variables = {
        "TEGATA_HOME": str(folder / "home"),
        "TEGATA_DATABASE": str(folder / "ledger.db"),
        "TEGATA_KEYRING": f"file:{folder / 'keys.json'}",
        "TEGATA_CA": str(folder / "ca"),
        "TEGATA_KEYRING_PASSPHRASE_FILE": str(folder / "passphrase"),
    }
    order = ("--roster", str(EXAMPLES / "roster.csv"), "--profile", str(EXAMPLES / "badge-profile.toml"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        assert main(["keyring", "init", str(folder / "keys.json")]) == 0
        assert (
            main(["ca", "init", "--organization", "Example K.K.", "--base-url", "http://127.0.0.1:9/ca"]) == 0
        )
        assert main(["orders", "create", *order]) == 0
    return variables


@pytest.mark.parametrize("preset", ["my-number-card", "my-number-card-with-free-space"])
def test_the_desk_stops_at_a_my_number_card(
    ns: Namespace, desk: dict[str, str], tmp_path: Path, preset: str
) -> None:
    card, trace = tmp_path / "card.sim", tmp_path / "trace.txt"
    presets.create(preset, card)
    untouched, ledger = card.read_bytes(), rows(desk["TEGATA_DATABASE"])
    error = TegataError("badge.my_number_card")
    options = ("--reader", "pcsc:", "--employee", "000101")
    with ns.serve(card, "--trace", str(trace)):
        for lang in ("en", "ja"):
            done = ns.run([*TEGATA, "--lang", lang, "badge", "apply", *options], **desk)
            assert (done.returncode, done.stdout) == (176, "")
            assert done.stderr == f"{error.sentence(lang)}\n{error.next_step(lang)}\n"
        done = ns.run([*TEGATA, "badge", "plan", *options, "--json"], **desk)
        assert done.returncode == 176
        assert json.loads(done.stderr)["code"] == "badge.my_number_card"
    assert card.read_bytes() == untouched
    assert rows(desk["TEGATA_DATABASE"]) == ledger
    assert instructions(trace) == {SELECT}


def instructions(trace: Path) -> set[int]:
    """The instruction bytes of all commands that reached the card; each stands above its answer."""
    lines = [line for line in trace.read_text().splitlines() if not line.startswith("#")]
    return {bytes.fromhex(command)[1] for command in lines[::2]}


def rows(database: str) -> list[str]:
    """The ledger as SQL."""
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())
