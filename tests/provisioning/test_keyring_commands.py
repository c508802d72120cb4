"""``tegata keyring``: masters and private keys in a ring, made and shown."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.apdu import Secret
from tegata.apdu.errors import set_language
from tegata.cli import main
from tegata.provisioning.keyring import FileKeyRing

from .conftest import PASSPHRASE

GP = "404142434445464748494A4B4C4D4E4F"


@pytest.fixture
def ring_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty ring, named by the environment."""
    path = tmp_path / "keys.json"
    FileKeyRing.create(path, Secret(PASSPHRASE), name="desk").close()
    (tmp_path / "passphrase").write_bytes(PASSPHRASE + b"\n")
    monkeypatch.setenv("TEGATA_KEYRING", f"file:{path}")
    monkeypatch.setenv("TEGATA_KEYRING_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    yield path
    set_language(None)


def run(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[str, str]:
    found = main(["--lang", "en", "keyring", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert found == code, out + err
    assert "Traceback" not in err
    return out, err


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "master.hex"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_masters_are_made_taken_in_and_listed(
    ring_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "create-master", "badges")
    run(capsys, "create-master", "short", "--length", "16")
    run(capsys, "create-master", "des", "--algorithm", "3des")
    out, _ = run(
        capsys, "create-master", "field", "--from", key_file(tmp_path, GP), "--algorithm", "3des", "--json"
    )
    assert json.loads(out)["keys"][0]["kcv"] == "8BAF47"
    key_file(tmp_path, f'key = "{GP}"\nalgorithm = "3des"')
    run(capsys, "create-master", "maker", "--from", tmp_path / "master.hex", "--fixed")
    assert GP not in out
    listed = json.loads(run(capsys, "list", "--json")[0])
    assert listed["name"] == "desk"
    assert [(line["label"], line["algorithm"], line["bits"], line["serves"]) for line in listed["keys"]] == [
        ("badges", "aes", 256, "master"),
        ("short", "aes", 128, "master"),
        ("des", "3des", 128, "master"),
        ("field", "3des", 128, "master"),
        ("maker", "3des", 128, "fixed"),
    ]
    assert "field\t3des\t128\tmaster\t8BAF47\timported" in run(capsys, "list")[0]


def test_private_keys_come_from_pem(
    ring_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = tmp_path / "key.pem"
    made = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run([*made, "-aes-256-cbc", "-pass", "pass:pem", "-out", pem], check=True)
    _, err = run(capsys, "create-signer", "token", "--pem", pem, code=109)
    assert "TEGATA_PEM_PASSPHRASE_FILE" in err
    (tmp_path / "pem-passphrase").write_text("pem\n")
    monkeypatch.setenv("TEGATA_PEM_PASSPHRASE_FILE", str(tmp_path / "pem-passphrase"))
    out, _ = run(capsys, "create-signer", "token", "--pem", pem, "--json")
    assert json.loads(out)["keys"] == [
        {
            "label": "token", "algorithm": "secp256r1", "bits": 256, "serves": "signer", "kcv": "",
            "origin": "imported", "remark": None,
        }
    ]  # fmt: skip
    info = json.loads(run(capsys, "info", ring_file, "--json")[0])
    assert [signer["label"] for signer in info["signers"]] == ["token"]
    run(capsys, "create-signer", "other", code=2)
    run(capsys, "create-signer", "other", "--pem", tmp_path / "nowhere", code=41)


@pytest.mark.parametrize(
    ("text", "mode", "options", "code"),
    [
        (GP, 0o644, (), 215),
        (f'enc = "{GP}"\nmac = "{GP}"\ndek = "{GP}"', 0o600, (), 215),
        (f'key = "{GP}"\nscheme = "kdf3"', 0o600, (), 215),
        ("4041", 0o600, (), 215),
        (GP + GP, 0o600, ("--algorithm", "3des"), 114),
    ],
)
def test_keys_that_are_not_taken_in(
    ring_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    mode: int,
    options: tuple[str, ...],
    code: int,
) -> None:
    before = ring_file.read_bytes()
    out, err = run(
        capsys, "create-master", "new", "--from", key_file(tmp_path, text, mode), *options, code=code
    )
    assert GP not in out + err
    assert ring_file.read_bytes() == before


def test_rings_that_cannot_keep(ring_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "create-master", "new", "--keyring", "static:default", code=106)
    run(capsys, "list", "--keyring", "static:default", code=106)
    run(capsys, "create-master", "new", "--fixed", code=2)
    run(capsys, "list", "--keyring", "pkcs11:token=a?module-path=/nowhere.so", code=210)
    run(capsys, "list", "--keyring", "pkcs11:token=a?module-path=/m.so&pin-value=1", code=211)
