"""Identity at a counter: what is shown, what is written, what is never said without an anchor."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tegata.apdu.trace import Dump

from .conftest import TEXT, VISUAL, Card, NewCard, Shell, at_terminal, made

SAID = {"en": "Genuine, and valid today.", "ja": "真正なカードで、有効期間内です。"}


def words(card: Card, *more: object) -> list[object]:
    return ["identify", "--reader", card.url, "--check-number", card.check_number, *more]


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("person", ["", "child", "foreign-resident", "without-pin", "locked"])
def test_a_genuine_card(person: str, lang: str, new_card: NewCard, tegata: Shell, tmp_path: Path) -> None:
    card, record, trace = new_card(person), tmp_path / "record.json", tmp_path / "trace.txt"
    out, err = tegata(*words(card, "--anchors", "sim", "--record", record, "--trace", trace), lang=lang)
    assert out.endswith(SAID[lang] + "\n") and err == ""
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    found = json.loads(record.read_text("utf-8"))
    assert found["verdict"] == "anchored" and len(found["checks"]) == 4
    assert (found["issuer"].isdigit(), found["expired"]) == (True, False)
    for text in (out, record.read_text("utf-8"), trace.read_text("utf-8")):
        for secret in (card.number, card.check_number):
            assert secret not in text and secret.encode().hex().upper() not in text
    assert "photo" not in found and not list(tmp_path.glob("*.png"))


def test_the_number_is_never_read(new_card: NewCard, tegata: Shell, tmp_path: Path) -> None:
    card, trace = new_card(), tmp_path / "trace.txt"
    tegata(*words(card, "--anchors", "sim", "--trace", trace))
    application, current = "", ""
    for command, _ in Dump.parse(trace.read_text("utf-8")).exchanges:
        if command.startswith("00A4040C"):
            application, current = command[10:].lower(), ""
        elif command.startswith("00A4020C"):
            current = command[10:14]
        elif command.startswith("00B0"):
            p1 = int(command[4:6], 16)
            current = f"{p1 & 0x1F:04X}" if p1 & 0x80 else current
            assert (application, current) not in {(TEXT, "0001"), (VISUAL, "0005")}
    assert application == TEXT


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_without_an_anchor_nobody_says_genuine(
    lang: str, new_card: NewCard, tegata: Shell, tmp_path: Path
) -> None:
    card, record = new_card(), tmp_path / "record.json"
    out, err = tegata(*words(card, "--record", record), code=249, lang=lang)
    assert SAID[lang] not in out
    assert {"en": "nobody vouches for it", "ja": "裏付けられていません"}[lang] in err
    assert json.loads(record.read_text("utf-8"))["verdict"] == "consistent"


def test_an_expired_card(new_card: NewCard, tegata: Shell) -> None:
    card = new_card("expired")
    out, err = tegata(*words(card, "--anchors", "sim"), code=251)
    assert "期限　太郎" in out and SAID["en"] not in out
    assert "The card ended on " in err
    _, err = tegata(*words(card, "--anchors", "sim"), code=251, lang="ja")
    assert "すでに切れています" in err


@pytest.mark.parametrize(
    "keys",
    [
        [f"app/{VISUAL}/ef/0002"],
        [f"app/{TEXT}/ef/0002"],
        [f"app/{TEXT}/ef/0013"],
        [f"app/{TEXT}/ef/0002", f"app/{TEXT}/ef/0003"],
    ],
    ids=["face", "text", "key of the text", "text and its signature"],
)
def test_a_card_put_together_from_two(keys: list[str], new_card: NewCard, tegata: Shell) -> None:
    other = made("my-number-card-expired")
    card = new_card("locked", called="fake", changed={key: other[key] for key in keys})
    out, err = tegata(*words(card, "--anchors", "sim"), code=250)
    assert SAID["en"] not in out
    assert err.startswith("Do not accept this card: ")
    _, err = tegata(*words(card, "--anchors", "sim"), code=250, lang="ja")
    assert err.startswith("このカードを受け付けないでください: ")


def test_a_face_without_a_key_is_believed_only_with_its_text(new_card: NewCard, tegata: Shell) -> None:
    """Which key the face has is not published: an answer that does not fit it says nothing."""
    key = {f"app/{VISUAL}/ef/001a": made("my-number-card-expired")[f"app/{VISUAL}/ef/001a"]}
    out, _ = tegata(*words(new_card("locked", called="with-text", changed=key), "--anchors", "sim"))
    assert "Key of the card: not checked: no public key known" in out
    closed = {f"app/{TEXT}/tries/0015": b"\x00"}
    card = new_card("locked", called="without-text", changed=key | closed)
    out, err = tegata(*words(card, "--anchors", "sim"), code=253)
    assert SAID["en"] not in out and "it may be a copy" in err
    _, err = tegata(*words(card, "--anchors", "sim"), code=253, lang="ja")
    assert "複製の可能性" in err


def test_a_wrong_number_of_the_face(new_card: NewCard, tegata: Shell) -> None:
    card = new_card()
    wrong = card.check_number[:-1] + str((int(card.check_number[-1]) + 1) % 10)
    _, err = tegata("identify", "--reader", card.url, "--check-number", wrong, code=15)
    assert "tries left: 9" in err
    assert (card.tries(VISUAL, "0012"), card.tries(TEXT, "0015")) == (9, 10)
    tegata("identify", "--reader", card.url, "--check-number", "123", code=18)
    assert card.tries(VISUAL, "0012") == 9


def test_a_text_application_that_is_locked_is_left_aside(new_card: NewCard, tegata: Shell) -> None:
    for tries in (b"\x00", b"\x01"):
        card = new_card(called=f"tries-{tries[0]}", changed={f"app/{TEXT}/tries/0015": tries})
        found = json.loads(tegata(*words(card, "--anchors", "sim", "--json"))[0])
        assert (found["name"], len(found["checks"])) == (None, 2)
        assert card.tries(TEXT, "0015") == tries[0]


def test_the_photo_only_when_asked(new_card: NewCard, tegata: Shell, tmp_path: Path) -> None:
    card, photo = new_card(), tmp_path / "face.png"
    tegata(*words(card, "--anchors", "sim", "--photo", photo))
    assert photo.read_bytes().startswith(b"\x89PNG")
    _, err = tegata(*words(card, "--photo", photo), code=43)
    assert "is not overwritten" in err


def test_typed_at_a_terminal(new_card: NewCard) -> None:
    card = new_card()
    number = card.check_number
    call = ["mynumber", "identify", "--reader", card.url, "--anchors", "sim"]
    code, shown = at_terminal(call, [("check number B", number)])
    assert code == 0, shown
    assert SAID["en"] in shown and "10 tries are left." in shown


def test_a_phone_is_no_card(new_card: NewCard, tegata: Shell) -> None:
    call = ["identify", "--reader", new_card("jpki-android").url, "--check-number", "1" * 14]
    _, err = tegata(*call, code=197)
    assert "has no visual" in err


def test_anchors_of_a_folder(new_card: NewCard, tegata: Shell, tmp_path: Path) -> None:
    from tegata.cli import main

    folder = tmp_path / "anchors"
    assert main(["sim", "pki", "anchors", str(folder)]) == 0
    card = new_card()
    assert SAID["en"] in tegata(*words(card, "--anchors", folder))[0]
    assert "valid to anchor" in tegata("certs", "--reader", card.url, "--anchors", folder)[0]
    _, err = tegata(*words(card, "--anchors", tmp_path / "nowhere"), code=89)
    assert "no such folder" in err
