"""The demo: what it claims is checked again from outside, on the files that it leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tegata.provisioning.ledger import Ledger

PROGRAM = [sys.executable, "-c", "import sys, tegata.cli; sys.exit(tegata.cli.main())"]


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], cwd=folder, env=dict(os.environ), capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("demo")
    done = run("demo", "--directory", "out", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "out", json.loads(done.stdout)


def test_the_figures(demo: tuple[Path, dict[str, object]]) -> None:
    _, figures = demo
    assert (figures["issued"], figures["bound"], figures["lost"], figures["twice"]) == (20, 2, 0, 0)
    assert 0 < figures["virtual_seconds_per_badge"] < 10  # type: ignore[operator]
    assert 20 < figures["apdus_per_badge"] < 80  # type: ignore[operator]


def test_the_ledger_agrees(demo: tuple[Path, dict[str, object]]) -> None:
    ledger = Ledger.open(demo[0] / "ledger.db")
    with ledger.read() as books:
        (order,) = books.orders()
        assert books.line_counts(order.id) == {"done": 22}
        assert len(books.cards(states=("active",))) == 20
        assert len(books.badges(states=("live",))) == 40
        assert len({found.employee for found in books.certificates(states=("delivered",))}) == 20
        assert len(books.bindings()) == 2
        assert all(books.intents(card.id) == [] for card in books.cards())
    assert ledger.verify_audit() is None
    ledger.close()


def test_the_report_names_badges_failures_and_approvals(demo: tuple[Path, dict[str, object]]) -> None:
    report = (demo[0] / "report.html").read_text(encoding="utf-8")
    for text in ("佐藤 花子", "SIGKILL", "in the middle of a write", "番号法施行令", "2,000 枚", "expired"):
        assert text in report
    assert "<script" not in report
    assert "http" not in report


def test_every_delivered_certificate_is_the_company_cas(demo: tuple[Path, dict[str, object]]) -> None:
    ca = demo[0] / "ca"
    ledger = Ledger.open(demo[0] / "ledger.db")
    with ledger.read() as books:
        certificates = [found.der for found in books.certificates(states=("delivered",))]
    ledger.close()
    for der in certificates[:3]:
        pem = subprocess.run(
            ["openssl", "x509", "-inform", "DER"], input=der, capture_output=True, check=True
        ).stdout
        (demo[0] / "one.pem").write_bytes(pem)
        verified = subprocess.run(
            ["openssl", "verify", "-CAfile", ca / "root.crt", "-untrusted", ca / "issuing.crt", "one.pem"],
            cwd=demo[0],
            capture_output=True,
            text=True,
            check=False,
        )
        assert verified.stdout == "one.pem: OK\n", verified.stderr


def test_no_passphrase_pin_or_key_lies_about_in_clear(demo: tuple[Path, dict[str, object]]) -> None:
    secret = (demo[0] / "passphrase").read_bytes().strip()
    holders = [path for path in demo[0].rglob("*") if path.is_file() and path.name != "passphrase"]
    assert len(holders) > 25
    for path in holders:
        assert secret not in path.read_bytes(), path
    for path in (demo[0] / "ledger.db", demo[0] / "report.html"):
        assert b"-----BEGIN" not in path.read_bytes()


@pytest.mark.foreign
def test_pdfsig_accepts_the_signed_document(demo: tuple[Path, dict[str, object]]) -> None:
    done = subprocess.run(["pdfsig", demo[0] / "signed.pdf"], capture_output=True, text=True, check=False)
    assert "Signature is Valid." in done.stdout
    assert "Total document signed" in done.stdout


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    done = run("demo", "--directory", "mine", folder=tmp_path)
    assert done.returncode == 137
    assert list((tmp_path / "mine").iterdir()) == []
