"""Keys and versions that a person names, on a card of which the ledger knows others."""

from __future__ import annotations

import pytest

from tegata.apdu import Secret
from tegata.cli import main
from tegata.provisioning.keyring import FileKeyRing

from .conftest import CARD, OTHER_KEY, Gp
from .test_recovery import PHASES, torn

KEY_VERSION, SET_ASIDE, NO_MASTER = 92, 151, 110
PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def ring(gp: Gp, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a key ring with the masters ``cards`` and ``badges``."""
    path, typed = gp.folder / "keys.json", gp.folder / "passphrase"
    made = FileKeyRing.create(path, Secret(PASSPHRASE.encode()), "desk")
    made.import_master("cards", Secret(bytes(range(32))))
    made.import_master("badges", Secret(bytes(range(32, 64))))
    made.close()
    typed.write_text(PASSPHRASE)
    monkeypatch.setenv("TEGATA_KEYRING_PASSPHRASE_FILE", str(typed))
    return f"file:{path}"


def test_other_keys_than_the_named_ones_are_told(gp: Gp, ring: str) -> None:
    new, wrong = gp.key_file("new.toml"), gp.key_file("wrong.toml", OTHER_KEY)
    gp("keys", "put", "--new-keys", new, "--new-version", "01")
    for named in (["--keys", wrong], ["--key", OTHER_KEY], ["--keyring", ring, "--master", "cards"]):
        _, err = gp(*named, "list")
        (line,) = err.splitlines()
        assert "version FF, made from default of the key ring static" in line
        assert "台帳" in gp(*named, "list", lang="ja")[1]
        channel = gp.json(*named, "list")["channel"]
        assert (channel["named_keys"], channel["key_version"]) == (False, "FF")
    put = ("keys", "put", "--new-master", "badges", "--new-version", "02")
    gp("--keyring", ring, "--keys", new, *put)
    for right in (["--keys", new], ["--keyring", ring, "--master", "badges"]):
        assert gp(*right, "list")[1] == ""
        assert gp.json(*right, "list")["channel"]["named_keys"] is True
    assert gp.json("--keyring", ring, "list")["channel"]["named_keys"] is None


def test_a_master_that_is_not_there(gp: Gp, ring: str) -> None:
    gp("keys", "put", "--keyring", ring, "--new-master", "cards", "--new-version", "01")
    _, err = gp("--keyring", ring, "--master", "card", "list", code=NO_MASTER)
    assert "card" in err


def test_another_version_than_the_named_one_is_not_used(gp: Gp) -> None:
    new, trace = gp.key_file("new.toml"), gp.folder / "trace"
    gp("keys", "put", "--new-keys", new, "--new-version", "01")
    for version in ("01", "07"):  # there with other keys; not there
        _, err = gp("--trace", trace, "--key-version", version, "list", code=KEY_VERSION)
        assert f"key version FF, but {version} was asked for" in err
        assert "8482" not in {line[:4] for line in trace.read_text().splitlines()}
    assert gp.books()[0] == "stock"
    for version, keys in (("FF", "default"), ("01", new)):
        channel = gp.json("--keys", keys, "--key-version", version, "list")["channel"]
        assert (channel["named_keys"], channel["key_version"]) == (True, version)


@pytest.mark.parametrize("phase", PHASES)
def test_a_torn_change_is_finished_by_the_same_words_and_nobody_is_scared(gp: Gp, phase: str) -> None:
    named = ("--keys", "default", "--key-version", "FF")
    words = (*named, "keys", "rotate", "--new-keys", gp.key_file("new.toml"), "--new-version", "01")
    points = 0
    for _ in torn(gp, phase, *words):
        points += 1
        for _ in range(2):
            assert gp(*words)[1] == ""
        assert gp.books()[2] == {0xFF: "gone", 1: "live"}
    assert points >= 4


def test_keys_that_opened_a_readmitted_card_are_known_from_then_on(gp: Gp, ring: str) -> None:
    use = ("--keyring", ring)
    gp(*use, "keys", "rotate", "--new-master", "cards", "--new-version", "01")
    books = gp.ledger.read_bytes()
    gp(*use, "keys", "rotate", "--new-master", "badges", "--new-version", "02")
    gp.ledger.write_bytes(books)  # as on another desk
    readmit = ["badge", "readmit", "--card", CARD, "--because", "the other desk changed its keys"]
    gp(*use, "list", code=SET_ASIDE)
    assert main(readmit) == 0
    gp(*use, "--dry-run", "--master", "badges", "list")
    gp(*use, "list", code=SET_ASIDE)
    assert main(readmit) == 0
    assert gp(*use, "--master", "badges", "list")[1] == ""
    assert gp.json(*use, "list")["channel"]["key_version"] == "02"
