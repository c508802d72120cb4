"""A channel opened with certificates from the command line: SCP11 a, b and c."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from tegata.apdu.scp11 import Certificate, Variant
from tegata.simulators import presets
from tegata.simulators.card.device import seeded
from tegata.simulators.presets.scp11 import add_host_authority, add_scp11, maker_root

from ....apdu.scp11_authority import Authority, new_key
from .conftest import Gp, company_card

ROOT = Authority("host root")
HOST = new_key("host")


@pytest.fixture
def options(gp: Gp) -> dict[str, list[object]]:
    """A card that speaks SCP11, and what each variant needs."""
    gp.card.unlink()
    memory = add_scp11(company_card(), seeded(b"scp11"), Variant)
    presets.write(gp.card, add_host_authority(memory, ROOT.key.public_key(), ROOT.identifier))
    anchor, key, chain = (gp.folder / name for name in ("maker.der", "host.pem", "chain.der"))
    anchor.write_bytes(maker_root().der)
    key.write_bytes(HOST.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key.chmod(0o600)
    chain.write_bytes(ROOT.leaf("host", HOST.public_key(), role=0).raw)
    trust: list[object] = ["--scp11-anchor", anchor]
    host: list[object] = ["--scp11-key", key, "--scp11-chain", chain]
    return {
        "a": ["--scp11", "a", *trust, *host],
        "b": ["--scp11", "b", *trust],
        "c": ["--scp11", "c", *trust, *host],
    }


@pytest.mark.parametrize("variant", ["a", "c"])
def test_content_is_managed(gp: Gp, options: dict[str, list[object]], variant: str) -> None:
    value = gp.json(*options[variant], "domain", "create", "F0746567617461AA", "then", "list")
    assert value["channel"]["scp"] == 0x11
    assert value["channel"]["level"] == "33"
    assert "F0746567617461AA" in {line["aid"] for line in value["verbs"][1]["registry"]}


def test_keys_are_put_and_proved(gp: Gp, options: dict[str, list[object]]) -> None:
    new = gp.key_file("new.toml")
    gp(*options["a"], "keys", "put", "--replace", "--new-keys", new, "--new-version", "05", code=158)
    found = gp.verb(*options["a"], "keys", "rotate", "--new-keys", new, "--new-version", "05")
    assert [step["state"] for step in found["steps"]] == ["done", "done"]
    assert gp.json("--keys", new, "list")["channel"]["key_version"] == "05"
    assert gp.books()[2] == {5: "live"}


def test_what_scp11c_says_could_be_said_again_and_changes_no_keys(
    gp: Gp, options: dict[str, list[object]]
) -> None:
    new = gp.key_file("new.toml")
    _, err = gp(*options["c"], "keys", "rotate", "--new-keys", new, "--new-version", "05", code=11)
    assert "6985" in err
    assert gp.json("list")["channel"]["key_version"] == "FF"
    assert "05" not in {key["version"] for key in gp.verb("keys", "list")["keys"]}
    assert "live" not in gp.books()[2].values()


def test_scp11b_reads_and_manages_nothing(gp: Gp, options: dict[str, list[object]]) -> None:
    _, err = gp(*options["b"], "--yes", "delete", "A0000001515350", code=59)
    assert "proves the card to you" in err
    assert "--scp11 a または c" in gp(*options["b"], "list", code=59, lang="ja")[1]
    assert "A0000001515350" in gp("list")[0]


def test_the_card_is_believed_for_a_reason(gp: Gp, options: dict[str, list[object]], tmp_path: Path) -> None:
    gp("--scp11", "a", *options["a"][4:], "list", code=2)
    other = tmp_path / "other.der"
    other.write_bytes(Authority("another root").certificate.raw)
    _, err = gp("--scp11", "a", "--scp11-anchor", other, *options["a"][4:], "list", code=22)
    assert err
    gp("--scp11", "a", "--scp11-unverified", *options["a"][4:], "list")
    other.write_bytes(b"no certificate")
    gp("--scp11", "a", "--scp11-anchor", other, *options["a"][4:], "list", code=206)


def test_the_host_is_let_in_for_a_reason(gp: Gp, options: dict[str, list[object]], tmp_path: Path) -> None:
    chain = tmp_path / "stranger.der"
    stranger = Authority("stranger")
    chain.write_bytes(stranger.leaf("host", HOST.public_key(), role=0).raw)
    words = [chain if index == 7 else word for index, word in enumerate(options["a"])]
    gp(*words, "list", code=209)
    gp("--scp11", "b", "--scp11-unverified", *options["a"][4:], "list", code=2)
    gp("--scp11", "a", "--scp11-unverified", "list", code=2)


@pytest.mark.parametrize("verb", ["list", "info"])
def test_options_of_scp11_are_not_silently_ignored(
    gp: Gp, options: dict[str, list[object]], verb: str
) -> None:
    anchor, key, chain = (options["a"][index : index + 2] for index in (2, 4, 6))
    for alone in (anchor, key, chain, ["--scp11-unverified"]):
        for words in ([*alone, verb], [verb, *alone]):
            out, err = gp(*words, code=2)
            assert f"{alone[0]} needs --scp11 a, b or c." in err
            assert not out


# the keys and what stands beside them


def pem(path: Path, *certificates: Certificate) -> Path:
    blocks = (base64.encodebytes(one.raw).decode() for one in certificates)
    path.write_text("".join(f"-----BEGIN CERTIFICATE-----\n{b}-----END CERTIFICATE-----\n" for b in blocks))
    return path


def state(found: dict[str, Any]) -> list[str]:
    return [step["state"] for step in found["steps"]]


def test_a_key_pair_of_the_card_certified_by_its_owner(gp: Gp, options: dict[str, list[object]]) -> None:
    """The channel is believed for the owner's own certificate of a key that the card made."""
    owner = Authority("owner of cards")
    words = ["keys", "generate", "--kid", "11", "--new-version", "03"]
    assert state(gp.verb("--dry-run", *words)) == ["planned"]
    out, _ = gp(*words)
    key = load_pem_public_key(out[out.index("-----BEGIN") :].encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert state(gp.verb(*words)) == ["found"]
    of = ["--kid", "11", "--version", "03"]
    chain = pem(gp.folder / "card.pem", owner.certificate, owner.leaf("card", key, role=10))
    root = pem(gp.folder / "owner.pem", owner.certificate)
    for store in (["keys", "certificates", chain, *of], ["keys", "authority", root, *of]):
        assert state(gp.verb("--dry-run", *store)) == ["planned"]
        assert state(gp.verb(*store)) == ["done"]
        assert state(gp.verb(*store)) == ["found"]
    opened = ["--scp11", "a", "--key-version", "03", "--scp11-anchor", root, *options["a"][4:], "list"]
    assert gp.json(*opened)["channel"]["key_version"] == "03"
    gp(*words, "--replace", code=96)  # the certificates would go: a person is asked
    again = gp.verb("--yes", *words, "--replace")["steps"][0]["public_key"]
    assert again.startswith("-----BEGIN PUBLIC KEY")
    assert again not in out
    gp(*opened, code=22)


def test_hosts_of_an_authority_that_was_told_to_the_card(gp: Gp, options: dict[str, list[object]]) -> None:
    second = Authority("second root")
    leaf = pem(gp.folder / "leaf.pem", second.leaf("host", HOST.public_key(), role=0))
    words = [
        "--scp11",
        "a",
        "--scp11-unverified",
        "--scp11-key",
        gp.folder / "host.pem",
        "--scp11-chain",
        leaf,
    ]
    gp(*words, "list", code=209)
    root = pem(gp.folder / "root.pem", second.certificate)
    name = ["keys", "authority", root, "--kid", "21", "--version", "05"]
    assert state(gp.verb(*name)) == ["done", "done"]
    assert state(gp.verb(*name)) == ["found", "found"]
    gp(*words, "list")
    of = ["--kid", "21", "--version", "05"]
    gp("keys", "allow-list", "--serial", "0102", *of)
    gp(*words, "list", code=27)
    found = gp.verb("keys", "allow-list", "--certificate", leaf, "--serial", "0102", *of)
    assert len(found["steps"][0]["serials"]) == 2
    gp(*words, "list")
    gp("keys", "allow-list", *of, code=2)
    gp("keys", "allow-list", "--clear", "--serial", "01", *of, code=2)
    gp("keys", "allow-list", "--clear", *of, code=96)
    gp("--yes", "keys", "allow-list", "--clear", *of)


def test_certificates_out_of_order(gp: Gp, options: dict[str, list[object]]) -> None:
    leaf = ROOT.leaf("card", HOST.public_key(), role=10)
    chain = pem(gp.folder / "chain.pem", leaf, ROOT.certificate)
    _, err = gp("keys", "certificates", chain, "--kid", "13", "--version", "01", code=206)
    assert "signed by the one before" in err
    gp("keys", "generate", "--kid", "10", "--new-version", "03", code=2)
