"""The desk's commands, as a person types them."""

import json
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tegata.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"
ROSTER, PROFILE = str(EXAMPLES / "roster.csv"), str(EXAMPLES / "badge-profile.toml")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "passphrase").write_text("a passphrase for tests\n")
    monkeypatch.setenv("TEGATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TEGATA_KEYRING_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    monkeypatch.setenv("LANG", "C.UTF-8")
    return tmp_path / "home"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_from_keys_to_an_order(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    code, out, _ = run(capsys, "keyring", "init", "--json")
    assert code == 0
    assert [master["label"] for master in json.loads(out)["masters"]] == ["badges", "doors", "gp-default"]
    code, out, _ = run(capsys, "keyring", "info")
    assert "gp-default\t128\t504A77\twell-known" in out

    code, out, _ = run(capsys, "roster", "import", ROSTER, "--json")
    assert json.loads(out) == {
        "employees": 22,
        "holder_cards": 2,
        "encoding": "utf-8",
        "ignored_columns": [],
        "stored": True,
    }
    create = ("orders", "create", "--roster", ROSTER, "--profile", PROFILE, "--json")
    assert json.loads(run(capsys, *create)[1]) == {"order": 1, "new": True, "lines": {"ready": 22}}
    assert json.loads(run(capsys, *create)[1])["new"] is False
    code, out, _ = run(capsys, "orders", "list", "--json")
    assert [order["lines"] for order in json.loads(out)] == [{"ready": 22}]
    code, out, _ = run(capsys, "orders", "show", "1")
    assert "000103\t髙橋 美咲\tcompany\t2031-03-31\tready" in out
    code, out, _ = run(capsys, "orders", "show", "1", "--json")
    assert {line["card_kind"] for line in json.loads(out)["lines"]} == {"company", "holder"}
    code, out, _ = run(capsys, "orders", "audit", "--json")
    assert json.loads(out)["rows"] == 23
    database = sqlite3.connect(home / "ledger.db")
    database.execute("UPDATE audit SET kind = 'line.done' WHERE seq = 4")
    database.commit()
    database.close()
    code, _, err = run(capsys, "orders", "audit")
    assert code == 47
    assert "broken at row 4" in err


def test_the_ca_and_its_crl(capsys: pytest.CaptureFixture[str], home: Path, tmp_path: Path) -> None:
    address = "http://pki.example.jp"
    assert run(capsys, "ca", "init", "--organization", "Example K.K.", "--base-url", address)[0] == 0
    crl = tmp_path / "out.crl"
    assert run(capsys, "ca", "crl", str(crl))[0] == 0
    done = subprocess.run(
        ["openssl", "crl", "-inform", "DER", "-in", crl, "-CAfile", home / "ca" / "issuing.crt", "-noout"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verify OK" in done.stdout + done.stderr
    assert run(capsys, "ca", "revoke", "12:34")[0] == 120
    assert run(capsys, "ca", "revoke", "xyz")[0] == 125


def test_a_roster_with_faults_lists_them_all_and_stores_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, home: Path
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(
        "社員番号,氏名,ローマ字,有効開始日,有効期限\n1,甲,KO,x,2026/1/1\n1,乙,乙,2026/1/1,2027/1/1\n"
    )
    code, _, err = run(capsys, "roster", "import", str(bad))
    assert code == 118
    assert "  line 2, column 有効開始日: is not a date (such as 2026-04-01)\n" in err
    assert "  line 3, column ローマ字: " in err
    assert "nothing was stored" in err
    code, out, _ = run(capsys, "roster", "import", str(bad), "--json")
    assert [(fault["line"], fault["kind"]) for fault in json.loads(out)["faults"]] == [
        (2, "date"),
        (3, "ascii_name"),
    ]
    code, _, err = run(capsys, "--lang", "ja", "roster", "import", str(bad))
    assert "2 行目「有効開始日」: 日付ではありません" in err
    assert main(["--lang", "en", "roster", "import", ROSTER, "--dry-run"]) == 0
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("roster", "import", "/nowhere.csv"), 41),
        (("orders", "show", "7"), 120),
        (("orders", "create", "--roster", ROSTER, "--profile", ROSTER), 116),
        (("orders", "list", "--database", "nonsense://x"), 44),
        (("keyring", "info", "/nowhere.json"), 41),
        (("keyring", "info", PROFILE), 107),
        (("ca", "crl", "/tmp/never.crl"), 124),
    ],
)
def test_each_mistake_has_its_exit_code(
    arguments: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out, err = run(capsys, *arguments)
    assert found == code
    assert out == ""
    assert len(err.strip().splitlines()) == 2


def test_a_key_ring_is_not_made_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "keyring", "init")[0] == 0
    assert run(capsys, "keyring", "init")[0] == 43
