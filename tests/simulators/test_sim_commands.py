"""``tegata sim new``, ``persona`` and ``pki``, as a person types them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from asn1crypto import x509
from click.testing import CliRunner, Result

from tegata.apdu import InputError
from tegata.simulators.card import FileStore
from tegata.simulators.commands import sim
from tegata.simulators.presets import names

JPKI = "app/d392f000260100000001/ef/"


def _run(*words: str | Path) -> Result:
    return CliRunner().invoke(sim, [str(word) for word in words])


def _content(path: Path) -> dict[str, bytes]:
    store = FileStore(path)
    store.close()
    return store.content


def test_help_lists_each_preset_with_a_line() -> None:
    shown = " ".join(_run("new", "--help").output.split())
    for name, line in names().items():
        assert name in shown
        assert line.split(":")[0].split("(")[0].strip()[:30] in shown


def test_from_the_example_to_a_revoked_certificate(tmp_path: Path, installation: Path) -> None:
    example = _run("persona")
    assert example.exit_code == 0
    (tmp_path / "me.toml").write_text(example.output, encoding="utf-8")
    card = tmp_path / "me.sim"
    assert _run("new", "--persona", tmp_path / "me.toml", card).output.strip() == str(card)
    serial = x509.Certificate.load(_content(card)[JPKI + "0001"]).serial_number
    done = _run("pki", "revoke", card, "--certificate", "signature", "--reason", "affiliationChanged")
    assert done.output == f"signature: {serial:08X}\n"
    assert _run("pki", "crls", tmp_path / "lists").exit_code == 0
    command = ["openssl", "crl", "-inform", "der", "-noout", "-text", "-in", "lists/signature-3.crl"]
    text = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert f"Serial Number: {serial:08X}" in text
    assert "Affiliation Changed" in text
    assert len(_run("pki", "anchors", tmp_path / "anchors").output.splitlines()) == 7


def test_quirks_are_laid_into_the_card(tmp_path: Path, installation: Path) -> None:
    (tmp_path / "quirks.json").write_text('{"short_ids": false}')
    assert _run("new", "my-number-card", tmp_path / "c", "--quirks", tmp_path / "quirks.json").exit_code == 0
    assert b'"short_ids": false' in _content(tmp_path / "c")["card/policy"]


@pytest.mark.parametrize("words", [["new"], ["new", "my-number-card"], ["new", "--persona", "p", "a", "b"]])
def test_words_that_do_not_fit(words: list[str]) -> None:
    done = _run(*words)
    assert done.exit_code == 2
    assert "Give a preset and a file" in done.output


def test_a_child_has_no_signature_certificate_to_revoke(tmp_path: Path, installation: Path) -> None:
    assert _run("new", "my-number-card-child", tmp_path / "c").exit_code == 0
    done = _run("pki", "revoke", tmp_path / "c", "--certificate", "signature")
    assert isinstance(done.exception, InputError)
    assert done.exception.code == "simpki.no_certificate"
