"""Packages from CAP files: loaded, installed, replaced, torn, refused with a reason a person understands."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from rich.console import Console

from tegata.apdu import Secret
from tegata.applets.security_domain.model.cap import read_cap
from tegata.applets.security_domain.progress_bar import ProgressBar
from tegata.cli import main
from tegata.provisioning.keyring import FileKeyRing
from tegata.simulators import presets

from ...mynumber_commands.conftest import at_terminal
from .conftest import KEY, Gp, content

GONE, ELSEWHERE = 12, 224
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


@pytest.mark.parametrize("verb", ["load", "install"])
def test_a_package_of_another_domain_is_not_called_done(gp: Gp, verb: str) -> None:
    domain = "F0746567617461AA"
    gp("domain", "create", domain)
    file = cap(gp.folder)
    gp(verb, file)
    owner = next(line["domain"] for line in gp.verb("list")["registry"] if line["aid"] == PACKAGE)
    for option in ("--json", "--dry-run"):
        _, err = gp(option, verb, file, "--to", domain, code=ELSEWHERE)
        assert owner in err
        assert f"domain extradite {PACKAGE} --to {domain}" in err
    gp("domain", "extradite", PACKAGE, "--to", domain)
    assert not gp.verb("load", file, "--to", domain)["changed"]


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


# signatures of load files

DOMAIN = "F0746567617461AA"


def dap_key(gp: Gp, kind: str) -> tuple[Path, list[str]]:
    """A file with the key that signs, and the words that put the other half into the domain."""
    path, public = gp.folder / "dap.key", gp.folder / "dap.pub"
    if kind == "aes":
        path.write_text(KEY)
        put = ["put-single", "--for", "dap", "--algorithm", "aes", "--new-keys", gp.key_file("dap.toml")]
    else:
        of_rsa = kind == "rsa"
        key = rsa.generate_private_key(65537, 2048) if of_rsa else ec.generate_private_key(ec.SECP256R1())
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        half = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        public.write_bytes(half)
        put = ["put-public", public]
    path.chmod(0o600)
    return path, ["keys", *map(str, put), "--new-version", "73"]


def mandated(gp: Gp, put: list[str]) -> None:
    """A domain that must verify every load file, with its key."""
    own = gp.key_file("own.toml")
    gp("domain", "create", DOMAIN, "--privileges", "mandated-dap")
    gp("domain", "personalize", DOMAIN, "--new-keys", own, "--new-version", "20")
    gp("--domain", DOMAIN, "--keys", own, *put)


@pytest.mark.parametrize("kind", ["aes", "rsa", "ec"])
def test_a_load_file_signed_on_the_way(gp: Gp, kind: str) -> None:
    """The domain takes the signature that --dap-key makes and no other."""
    key, put = dap_key(gp, kind)
    mandated(gp, put)
    file = cap(gp.folder)
    gp("load", file, code=11)  # nobody signed it
    before = content(gp.card)
    gp("load", file, "--dap-key", f"{DOMAIN}:{gp.folder / 'absent'}", code=41)
    gp("load", file, "--dap-key", DOMAIN, code=2)
    assert content(gp.card) == before
    other = gp.folder / "other.key"
    other.write_text("00" * 16)
    other.chmod(0o600)
    gp("load", file, "--dap-key", f"{DOMAIN}:{other}", code=11)
    gp("load", file, "--hash", "sha384", "--dap-key", f"{DOMAIN}:{key}")
    assert PACKAGE in aids(gp)


def test_a_load_file_signed_by_a_key_of_the_ring(gp: Gp, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a label that the ring lacks nothing reaches the card."""
    key, put = dap_key(gp, "ec")
    typed = gp.folder / "passphrase"
    typed.write_text("correct horse battery\n")
    typed.chmod(0o600)
    monkeypatch.setenv("TEGATA_KEYRING_PASSPHRASE_FILE", str(typed))
    path = gp.folder / "ring.json"
    ring = FileKeyRing.create(path, Secret(b"correct horse battery"))
    ring.import_signer("loader", key.read_bytes())
    ring.close()
    mandated(gp, put)
    before, file = content(gp.card), cap(gp.folder)
    url = f"file:{path}"
    gp("--keyring", url, "load", file, "--dap-key", f"{DOMAIN}:ring:nobody", code=110)
    assert content(gp.card) == before
    gp("--keyring", url, "load", file, "--dap-key", f"{DOMAIN}:ring:loader")
    assert PACKAGE in aids(gp)


# all in one


def test_load_and_install_in_one(gp: Gp) -> None:
    file = cap(gp.folder)
    trace = gp.folder / "trace"
    planned = gp.json("--dry-run", "install", file, "--combined", "then", "list")["verbs"]
    assert planned[0]["steps"][0]["state"] == "planned"
    assert {line["aid"] for line in planned[1]["registry"]} >= {PACKAGE, APPLET}
    found = gp.verb("--trace", trace, "--level", "mac", "install", file, "--combined", "--parameters", "0102")
    assert [step["step"] for step in found["steps"]] == ["load-and-install"]
    installs = [line[:8] for line in trace.read_text().splitlines() if line.startswith("84E6")]
    assert installs == ["84E60E01", "84E60E03"]
    assert aids(gp) >= {PACKAGE, APPLET}
    assert not gp.verb("install", file, "--combined")["changed"]
    gp("delete", APPLET)
    assert gp.verb("install", file, "--combined")["changed"]  # the package is there: only the rest is done
    assert aids(gp) >= {PACKAGE, APPLET}
    gp("--yes", "install", file, "--combined", "--replace")
    assert aids(gp) >= {PACKAGE, APPLET}


def test_what_cannot_be_done_in_one(gp: Gp) -> None:
    before = content(gp.card)
    file = cap(gp.folder)
    gp("install", file, "--combined", "--not-selectable", code=2)
    gp("install", PACKAGE, "--module", APPLET, "--combined", code=2)
    two = cap(gp.folder, "--applet", APPLET, "--applet", APPLET + "02", name="two.cap")
    gp("install", two, "--combined", code=98)
    gp("install", file, "--combined", "--module", APPLET + "77", code=95)
    after = content(gp.card)
    assert {name for name in before if before[name] != after[name]} <= {n for n in before if "sequence" in n}


# how far it has come


def test_a_person_at_a_terminal_sees_how_far_a_load_has_come(gp: Gp) -> None:
    file = cap(gp.folder, "--applet", APPLET, "--size", "9000")
    words = ["gp", "--reader", f"sim:{gp.card}", "--level", "mac"]
    code, shown = at_terminal([*words, "load", str(file)], [])
    assert code == 0
    blocks = -(-(len(read_cap(file).load_file()) + 4) // 247)
    assert f"/{blocks}" in shown
    gp("delete", PACKAGE)
    code, shown = at_terminal([*words, "--json", "load", str(file)], [])
    assert code == 0
    assert f"/{blocks}" not in shown
    assert "\x1b" not in shown
    gp("delete", PACKAGE)
    assert gp("load", file)[1] == ""  # no terminal, no bar


def test_the_bar_counts_and_goes() -> None:
    screen = io.StringIO()
    bar = ProgressBar(Console(file=screen, force_terminal=True, width=60))
    bar(1, 1)
    assert screen.getvalue() == ""
    for done in (1, 2, 3):
        bar(done, 3)
    assert "3/3" in screen.getvalue()
    bar(1, 3)
    bar.close()
    bar.close()
    assert screen.getvalue().endswith("\x1b[2K")
