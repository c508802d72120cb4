"""STORE DATA as a person types it: every form, values encrypted on the way, answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tegata.apdu import des
from tegata.apdu.scp03.crypto import key_check_value
from tegata.apdu.secret import Secret
from tegata.simulators import presets

from ...mynumber_commands.conftest import at_terminal
from .conftest import KEY, Gp, content

SSD = "F0746567617461AA"
VERSION = "20"


def key_groupings(*, aes: bool) -> str:
    """A key set as GPC 2.3.1 §11.11.4 has it, the keys themselves still in the clear."""
    kcv = (key_check_value if aes else des.key_check_value)(Secret(bytes.fromhex(KEY))).hex()
    kind = "88" if aes else "80"
    described = "".join(
        f"B914 9501{usage} 8001{kind} 810110 8201{kid} 8301{VERSION} 8403{kcv}"
        for kid, usage in (("01", "38"), ("02", "34"), ("03", "48"))
    )
    described = bytes.fromhex(described).hex()
    return f"00B9{len(described) // 2:02X}{described}" + f"811310{KEY}" * 3


@pytest.fixture(params=["gp-card", "gp-scp02"])
def gp(gp: Gp, request: pytest.FixtureRequest) -> Gp:
    """A card of either secure channel protocol, with a domain that has no keys."""
    gp.card.unlink()
    presets.write(gp.card, presets.memory(request.param, 7))
    gp("domain", "create", SSD)
    return gp


@pytest.fixture
def secret(gp: Gp, request: pytest.FixtureRequest) -> Path:
    path = gp.folder / "keys.dgi"
    path.write_text(key_groupings(aes=request.node.callspec.params["gp"] == "gp-card"))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("level", ["mac", "enc"])
def test_the_card_decrypts_what_was_encrypted_on_the_way(gp: Gp, secret: Path, level: str) -> None:
    """The keys open a channel afterwards: they went under the DEK of the protocol, SCP03 or SCP02."""
    trace = gp.folder / "trace"
    words = ["store-data", "--to", SSD, "--form", "dgi", "--file", secret, "--encrypt", "8113"]
    found = gp.verb("--level", level, "--trace", trace, *words)
    assert found["steps"][0]["encrypted"]
    assert KEY not in trace.read_text()
    assert (
        gp.json("--domain", SSD, "--keys", gp.key_file("own.toml"), "list")["channel"]["key_version"]
        == VERSION
    )


def test_in_the_clear_they_are_refused(gp: Gp, secret: Path) -> None:
    """The card decrypts whatever comes: the check values of keys that were not encrypted are wrong."""
    gp("store-data", "--to", SSD, "--form", "dgi", "--file", secret, "--already-encrypted", code=11)


def test_secrets_are_not_taken_from_a_command_line(gp: Gp, secret: Path) -> None:
    words = ["--encrypted", "--form", "raw", "00" * 16]
    _, err = gp("store-data", *words, code=100, reader="pcsc:no such reader")
    assert "00" * 16 not in err
    secret.chmod(0o644)
    _, err = gp("store-data", "--file", secret, "--encrypt", "8113", "--form", "dgi", code=52)
    assert "others can read" in err
    _, err = gp("store-data", "--ask", code=52)
    assert "terminal" in err


@pytest.mark.parametrize(
    "words",
    [
        ["--encrypted", "--form", "raw", "--encrypt", "42", "00"],
        ["--encrypted", "--already-encrypted", "4203112233"],
        ["--pad", "always", "4203112233"],
        ["--ask", "4203112233"],
        ["--encrypt", "4", "4203112233"],
    ],
    ids=" ".join,
)
def test_what_contradicts_itself(gp: Gp, words: list[str]) -> None:
    gp("store-data", *words, code=2)


@pytest.mark.parametrize(
    "words",
    [
        ["--encrypt", "45", "4203112233"],
        ["--encrypted", "42031122"],
        ["--encrypted", "--form", "dgi", "00700511"],
        ["--encrypt", "42", "--form", "raw", "00" * 16],
        ["--encrypted", "4203112233"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_encrypted_changes_nothing(gp: Gp, words: list[str]) -> None:
    before = content(gp.card)
    gp("store-data", *words, code=52)
    after = content(gp.card)
    assert all("sequence" in name for name in before if before[name] != after[name])


def test_typed_at_a_terminal_and_not_shown(gp: Gp) -> None:
    words = ["gp", "--reader", f"sim:{gp.card}", "--ledger", "none", "store-data", "--ask"]
    code, shown = at_terminal(words, [("Data (hex)", "4203778899")])
    assert code == 0
    assert "778899" not in shown
    assert gp.verb("info")["iin"] == "778899"


def test_objects_inside_data_groupings(gp: Gp) -> None:
    gp("store-data", "--form", "dgi", "0070054203445566")
    assert gp.verb("info")["iin"] == "445566"
