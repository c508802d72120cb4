"""The check-in desk from a pipe and at a terminal; without a network; read by OpenSSL afterwards."""

from __future__ import annotations

import io
import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from tegata.reader_bridge.counter.checkin import CheckinDesk

from .conftest import TEGATA, TEXT, NewCard, Shell, at_terminal


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("organisation")
    subprocess.run(
        [
            *[
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "30",
                "-subj",
                "/CN=Shelter",
            ],
            *["-keyout", "key.pem", "-out", "certificate.pem"],
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def shelter(organisation: Path, tegata: Shell, tmp_path: Path) -> Path:
    folder = tmp_path / "shelter"
    tegata("checkin", "new", folder, "--recipient", organisation / "certificate.pem", "--label", "避難所")
    return folder


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch):
    return lambda *lines: monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines) + "\n"))


def people(folder: Path) -> int:
    desk = CheckinDesk(folder)
    try:
        return desk.count
    finally:
        desk.close()


def test_card_after_card(
    shelter: Path, organisation: Path, new_card: NewCard, tegata: Shell, typed, tmp_path: Path
) -> None:
    first, second = new_card("moved"), new_card("without-pin")
    typed(first.check_number, second.check_number, "", "q", "not read any more")
    readers = ["--reader", first.url, "--reader", second.url]
    out, err = tegata("checkin", "run", shelter, *readers, "--anchors", "sim")
    assert out == "1: arrived. 1 here.\n2: arrived. 2 here.\n"
    assert err == ""
    out, _ = tegata("checkin", "export", shelter, tmp_path / "records.zip", "--json")
    assert json.loads(out)["records"] == 2
    with zipfile.ZipFile(tmp_path / "records.zip") as archive:
        (tmp_path / "2.p7m").write_bytes(archive.read("0002.p7m"))
    plain = subprocess.run(
        [
            *["openssl", "cms", "-decrypt", "-inform", "DER", "-in", tmp_path / "2.p7m"],
            *["-inkey", organisation / "key.pem", "-recip", organisation / "certificate.pem"],
        ],
        check=True,
        capture_output=True,
    ).stdout
    record = json.loads(plain)
    assert (record["name"], record["event"]) == ("顔認　一平", "避難所")
    assert first.number not in plain.decode() and second.number not in plain.decode()


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_second_visit_and_one_key_to_undo(
    lang: str, shelter: Path, new_card: NewCard, tegata: Shell, typed
) -> None:
    card = new_card("moved")
    typed(card.check_number, card.check_number, "u", "u", card.check_number)
    out, _ = tegata("checkin", "run", shelter, "--reader", card.url, lang=lang)
    lines = out.splitlines()
    assert {"en": "here since", "ja": "に受付済みです"}[lang] in lines[1]
    assert lines[2] == {"en": "1: taken back.", "ja": "1: 取り消しました。"}[lang]
    assert lines[3] == {"en": "There is nothing to take back.", "ja": "取り消すものがありません。"}[lang]
    assert people(shelter) == 1
    tegata("checkin", "undo", shelter)
    assert people(shelter) == 0


def test_the_holders_pin_on_request(shelter: Path, new_card: NewCard, tegata: Shell, typed) -> None:
    card = new_card("moved")
    typed("p", "1234", card.check_number)
    out, _ = tegata("checkin", "run", shelter, "--reader", card.url, "--json")
    first, again = map(json.loads, out.splitlines())
    assert (first["number"], first["again_since"], first["count"]) == (1, None, 1)
    assert again["again_since"] is not None


def test_after_a_mistake_the_desk_goes_on(shelter: Path, new_card: NewCard, tegata: Shell, typed) -> None:
    card = new_card("moved")
    wrong = "9" * 14
    typed("12", wrong, card.check_number)
    out, err = tegata("checkin", "run", shelter, "--reader", card.url, code=15)
    assert out == "1: arrived. 1 here.\n"
    assert "must be 14 digits" in err and "tries left: 9" in err
    assert card.tries(TEXT, "0015") == 10


def test_an_altered_card_is_not_taken(shelter: Path, new_card: NewCard, tegata: Shell, typed) -> None:
    key = f"app/{TEXT}/ef/0002"
    altered = new_card("moved").content()[key].replace("清瀬".encode(), "清洲".encode())
    card = new_card("moved", called="altered", changed={key: altered})
    for anchors in ([], ["--anchors", "sim"]):
        typed(card.check_number)
        _, err = tegata("checkin", "run", shelter, "--reader", card.url, *anchors, code=252)
        assert "This card was not taken" in err
    assert people(shelter) == 0


def test_a_genuine_card_of_nobodys_issuer_is_not_taken_with_anchors(
    shelter: Path, new_card: NewCard, tegata: Shell, typed, tmp_path: Path
) -> None:
    card = new_card("moved")
    (tmp_path / "anchors").mkdir()
    subprocess.run(
        ["openssl", "genrsa", "-out", tmp_path / "key.pem", "2048"], check=True, capture_output=True
    )
    public = tmp_path / "anchors" / f"{'ab' * 16}-somebody.pem"
    subprocess.run(
        ["openssl", "rsa", "-in", tmp_path / "key.pem", "-pubout", "-out", public],
        check=True,
        capture_output=True,
    )
    typed(card.check_number)
    call = ["checkin", "run", shelter, "--reader", card.url, "--anchors", tmp_path / "anchors"]
    _, err = tegata(*call, code=252, lang="ja")
    assert "裏付けられていません" in err


def test_no_network_is_needed(shelter: Path, new_card: NewCard) -> None:
    card = new_card("moved")
    result = subprocess.run(
        [
            *["unshare", "--user", "--map-root-user", "--net", TEGATA, "mynumber", "checkin", "run", shelter],
            *["--reader", card.url, "--anchors", "sim"],
        ],
        input=f"{card.check_number}\n",
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "1: arrived. 1 here.\n"), result.stderr


def test_at_a_terminal_the_operator_sees_whom_the_number_is_of(shelter: Path, new_card: NewCard) -> None:
    card = new_card("moved")
    call = ["mynumber", "checkin", "run", str(shelter), "--reader", card.url]
    typed = [("Check number B", card.check_number), ("here.", "p"), ("PIN", "1234"), ("not counted", "q")]
    code, shown = at_terminal(call, typed)
    assert code == 0, shown
    assert "1: arrived 転居　健人. 1 here." in shown
    assert "1234\r" not in shown


def test_an_event_is_purged_when_somebody_agrees(
    shelter: Path, new_card: NewCard, tegata: Shell, typed, tmp_path: Path
) -> None:
    card = new_card("moved")
    typed(card.check_number)
    tegata("checkin", "run", shelter, "--reader", card.url)
    _, err = tegata("checkin", "purge", shelter, code=246)
    assert "1 records are destroyed for ever" in err
    assert people(shelter) == 1
    tegata("checkin", "purge", shelter, "--yes")
    _, err = tegata("checkin", "run", shelter, "--reader", card.url, code=241)
    assert "is no event of a check-in desk" in err
    tegata("checkin", "export", shelter, tmp_path / "x.zip", code=241, lang="ja")


def test_new_refuses_what_it_cannot_use(
    shelter: Path, organisation: Path, tegata: Shell, tmp_path: Path
) -> None:
    tegata("checkin", "new", tmp_path / "a", "--recipient", tmp_path / "nothing.pem", code=41)
    tegata("checkin", "new", shelter, "--recipient", organisation / "certificate.pem", code=242)
    call = ["checkin", "new", tmp_path / "b", "--recipient", organisation / "key.pem"]
    _, err = tegata(*call, code=243, lang="ja")
    assert "証明書ではありません" in err
