"""Keys: changed, recorded before they are sent, told to nobody, and never guessed."""

from __future__ import annotations

import pytest

from tegata.apdu import Secret
from tegata.provisioning.keyring import FileKeyRing

from .conftest import CARD, KEY, OTHER_KEY, Gp, content

PASSPHRASE = "correct horse battery staple"
DEFAULT_KEY = "404142434445464748494A4B4C4D4E4F"


@pytest.fixture
def ring(gp: Gp, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a key ring with the masters ``cards`` and ``gp-default``."""
    path, typed = gp.folder / "keys.json", gp.folder / "passphrase"
    made = FileKeyRing.create(path, Secret(PASSPHRASE.encode()), "desk")
    made.import_master("cards", Secret(bytes(range(32))))
    made.import_default()
    made.close()
    typed.write_text(PASSPHRASE)
    monkeypatch.setenv("TEGATA_KEYRING_PASSPHRASE_FILE", str(typed))
    return f"file:{path}"


def everything_written(gp: Gp) -> str:
    """All files of the test but the card and what holds keys on purpose, as hex and as text."""
    kept = ("card.sim", ".toml", "keys.json", "passphrase")
    files = [path for path in gp.folder.rglob("*") if path.is_file() and not path.name.endswith(kept)]
    assert any(path.name == "ledger.db" for path in files)
    raw = b"".join(path.read_bytes() for path in files)
    return raw.decode("latin-1").upper() + raw.hex().upper()


def test_keys_from_a_file(gp: Gp) -> None:
    new, trace = gp.key_file("new.toml"), gp.folder / "trace"
    out, _ = gp("--trace", trace, "keys", "rotate", "--new-keys", new, "--new-version", "01")
    assert out.splitlines() == [
        "put a key set as version 01: done",
        "delete the keys of version FF: done",
    ]
    assert {key["version"] for key in gp.verb("keys", "list")["keys"]} == {"01"}
    assert gp.json("--keys", new, "list")["channel"]["key_version"] == "01"
    assert gp.books() == (
        "stock",
        [("gp:put-keys", "done"), ("gp:delete-keys", "done")],
        {0xFF: "gone", 0x01: "live"},
    )
    for secret in (KEY, DEFAULT_KEY):
        assert secret not in everything_written(gp)
        assert secret not in out


def test_again_changes_nothing(gp: Gp) -> None:
    new = gp.key_file("new.toml")
    words = ("keys", "rotate", "--new-keys", new, "--new-version", "01")
    gp(*words)
    assert [step["state"] for step in gp.verb(*words)["steps"]] == ["found"]
    assert len(gp.books()[1]) == 2


def test_from_a_key_ring_and_on_to_the_next_version(gp: Gp, ring: str) -> None:
    gp(
        "--keyring",
        ring,
        "--keys",
        "default",
        "keys",
        "rotate",
        "--new-master",
        "cards",
        "--new-version",
        "01",
    )
    value = gp.json("--keyring", ring, "--master", "cards", "list")
    assert value["channel"]["key_version"] == "01"
    gp("--keyring", ring, "--master", "cards", "keys", "rotate", "--new-version", "02", "--new-length", "32")
    found = gp.verb("keys", "list")["keys"]
    assert {(key["version"], key["length"]) for key in found} == {("02", 32)}
    assert gp.books()[2] == {0xFF: "gone", 1: "gone", 2: "live"}
    # The ledger knows which keys the card has: nobody needs to say it again.
    assert gp.json("--keyring", ring, "list")["channel"]["key_version"] == "02"


def test_a_rotation_that_changes_no_key_is_refused(gp: Gp, ring: str) -> None:
    same = ("--new-master", "cards", "--new-scheme", "kdf3")
    gp("--keyring", ring, "keys", "rotate", *same, "--new-version", "01")
    opened = ("--keyring", ring, "--master", "cards", "--scheme", "kdf3")
    _, err = gp(*opened, "keys", "rotate", "--new-version", "02", code=53)
    assert "the same keys as version 01" in err
    assert {key["version"] for key in gp.verb("keys", "list")["keys"]} == {"01"}
    gp(*opened, "keys", "rotate", *same, "--new-length", "32", "--new-version", "02")


@pytest.mark.parametrize("length", ["16", "24"])
def test_from_a_key_ring_back_to_known_keys(gp: Gp, ring: str, length: str) -> None:
    away = ("keys", "rotate", "--new-master", "cards", "--new-version", "01", "--new-length", length)
    gp("--keyring", ring, "--keys", "default", *away)
    gp("--keyring", ring, "keys", "rotate", "--new-keys", "default", "--new-version", "02")
    assert gp.json("list")["channel"]["key_version"] == "02"
    gp("--keyring", ring, "keys", "rotate", "--new-master", "cards", "--new-version", "03")
    long = gp.key_file("long.toml", KEY + KEY[:16])
    gp("--keyring", ring, "keys", "rotate", "--new-keys", long, "--new-version", "04")
    found = gp.verb("--keys", long, "keys", "list")["keys"]
    assert {(key["version"], key["length"]) for key in found} == {("04", 24)}


def test_put_beside_and_in_place(gp: Gp) -> None:
    first, second = gp.key_file("one.toml"), gp.key_file("two.toml", OTHER_KEY)
    gp("keys", "put", "--new-keys", first, "--new-version", "05")
    assert {key["version"] for key in gp.verb("keys", "list")["keys"]} == {"05", "FF"}
    gp("--keys", first, "keys", "put", "--new-keys", second, "--new-version", "05", code=153)
    gp("--keys", first, "keys", "put", "--replace", "--new-keys", second, "--new-version", "05")
    assert gp.json("--keys", second, "list")["channel"]["key_version"] == "05"
    gp("--keys", second, "keys", "delete", "FF")
    assert {key["version"] for key in gp.verb("keys", "list")["keys"]} == {"05"}


def test_the_last_set_goes_only_by_name(gp: Gp) -> None:
    _, err = gp("keys", "delete", "FF", code=96)
    assert "only key set" in err
    assert "--yes --card ID" in err
    _, err = gp("keys", "delete", "FF", code=96, lang="ja")
    assert "唯一の鍵" in err
    gp("keys", "delete", "FF", "--yes", "--card", CARD)
    assert gp.verb("keys", "list")["keys"] == []


def test_wrong_keys_are_one_sentence_and_nothing_is_sent(gp: Gp) -> None:
    trace = gp.folder / "trace"
    _, err = gp("--keys", gp.key_file("wrong.toml"), "--trace", trace, "list", code=90)
    assert "no try was spent" in err.splitlines()[0]
    sent = [line[:4] for line in trace.read_text().splitlines() if not line.startswith("#")][::2]
    assert sent.count("8050") == 1
    assert "8482" not in sent
    assert not gp.ledger.exists()


def test_keys_of_another_ring_are_named(gp: Gp) -> None:
    new = gp.key_file("new.toml")
    gp("keys", "rotate", "--new-keys", new, "--new-version", "01")
    _, err = gp("list", code=99)
    assert f"Card {CARD} has keys made from new of the key ring static" in err
    assert gp.books()[0] == "stock"
    assert "static" in gp("list", code=99, lang="ja")[1]


def test_what_is_no_key_file(gp: Gp) -> None:
    path = gp.key_file("new.toml")
    path.chmod(0o644)
    assert "others can read it" in gp("--keys", path, "list", code=215)[1]
    path.chmod(0o600)
    for text in (
        'key = "00"',
        'enc = "' + KEY + '"',
        "not toml",
        f'key = "{KEY}"\nalgorithm = "rot13"',
        'key = "' + "zz" * 16 + '"',
    ):
        path.write_text(text)
        _, err = gp("--keys", path, "list", code=215)
        assert KEY not in err
    gp("--keys", gp.folder / "absent.toml", "list", code=215)


def test_a_key_on_the_command_line_is_for_simulated_cards(gp: Gp) -> None:
    gp("--key", DEFAULT_KEY, "list")
    gp("--key", DEFAULT_KEY, "list", reader="pcsc:any", code=100)


def test_versions_that_no_card_takes(gp: Gp) -> None:
    new = gp.key_file("new.toml")
    gp("keys", "put", "--new-keys", new, "--new-version", "80", code=157)
    gp("keys", "put", "--new-keys", new, "--new-version", "00", code=157)
    gp("keys", "put", "--new-version", "01", code=158)
    gp("keys", "put", "--new-keys", new, code=2)


def test_a_dry_run_foresees_what_follows_from_what(gp: Gp) -> None:
    gp("--dry-run", "delete", "A0000001515350", "then", "domain", "create", "F0746567617461AA", code=95)


def test_a_dry_run_changes_nothing_but_session_counters(gp: Gp) -> None:
    before = content(gp.card)
    new = gp.key_file("new.toml")
    out, _ = gp(
        *("--dry-run", "keys", "rotate", "--new-keys", new, "--new-version", "01"),
        *("then", "domain", "create", "F0746567617461AA", "then", "lock", "card", "--secure"),
        *("then", "delete", "F0746567617461AA", "then", "delete", "A0000001515350"),
    )
    assert out.splitlines()[-1] == "Nothing was changed (--dry-run)."
    after = content(gp.card)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert all("sequence" in name for name in changed), changed
    assert not gp.ledger.exists()
