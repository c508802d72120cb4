"""Reading: what anybody may know, the four attributes, the number, the photo, the certificates."""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path

import pytest
from cryptography import x509
from PIL import Image

from .conftest import JPKI, TEXT, VISUAL, NewCard, Shell

PEOPLE = ["", "child", "foreign-resident", "expired", "locked", "moved", "without-pin", "with-licence"]


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("person", PEOPLE)
def test_info_asks_nothing_and_tells_no_secret(
    person: str, lang: str, new_card: NewCard, tegata: Shell
) -> None:
    card = new_card(person)
    before = card.content()
    out, _ = tegata("info", "--reader", card.url, "--anchors", "sim", lang=lang)
    assert card.content() == before
    assert "JPKIAPICCTOKEN2" in out
    assert {"en": "Municipality: ", "ja": "市区町村コード: "}[lang] in out
    assert {"en": "Key of the text application: valid to anchor sim", "ja": "「sim」まで検証"}[lang] in out
    assert {"en": "no public key known", "ja": "公開鍵が分かりません"}[lang] in out
    for secret in (card.number, card.check_number):
        assert secret not in out


def test_info_for_a_script(new_card: NewCard, tegata: Shell) -> None:
    card = new_card("child")
    found = json.loads(tegata("info", "--reader", card.url, "--json")[0])
    assert found["signature_certificate_present"] is False
    assert found["municipality"] == "36201"
    assert [check["verdict"] for check in found["checks"]] == ["consistent", "no-public-key"]
    assert "manufacturer_number" not in found
    more = json.loads(tegata("info", "--reader", card.url, "--json", "--serial")[0])
    assert len(more["manufacturer_number"]) == 13
    assert more["manufacturer_number"] not in json.dumps(found)


def test_info_says_that_an_expired_card_has_ended(new_card: NewCard, tegata: Shell) -> None:
    assert "ended" in tegata("info", "--reader", new_card("expired").url)[0]


@pytest.mark.parametrize("token", ["jpki-android", "jpki-iphone"])
def test_info_of_a_phone(token: str, new_card: NewCard, tegata: Shell) -> None:
    found = json.loads(tegata("info", "--reader", new_card(token).url, "--json")[0])
    assert found["token"] in ("JPKIAPGPSETOKEN", "JPKIAPIOSTOKEN")
    assert (found["valid_until"], found["authentication_certificate"], found["checks"]) == (None, None, [])
    assert [pin["pin"] for pin in found["pins"] if pin["present"]] == ["auth", "sign"]


def test_another_kind_of_card(tmp_path: Path, tegata: Shell) -> None:
    from tegata.simulators import presets

    presets.create("company-card", tmp_path / "company.sim", seed=1)
    _, err = tegata("info", "--reader", f"sim:{tmp_path / 'company.sim'}", code=147)
    assert "it is not a My Number Card" in err


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_pins_of_a_locked_card(lang: str, new_card: NewCard, tegata: Shell) -> None:
    card = new_card("locked")
    before = card.content()
    out, _ = tegata("pins", "--reader", card.url, lang=lang)
    line = next(line for line in out.splitlines() if "[sign]" in line)
    assert line.endswith({"en": "BLOCKED", "ja": "ロックされています"}[lang])
    found = {pin["pin"]: pin for pin in json.loads(tegata("pins", "--reader", card.url, "--json")[0])}
    assert (found["auth"]["tries"], found["auth"]["of"]) == (3, 3)
    assert found["sign"]["blocked"] is True
    assert found["visual-b"]["tries"] == 10
    assert card.content() == before


@pytest.mark.parametrize("by", ["pin", "check-number-b"])
def test_attributes(by: str, new_card: NewCard, tegata: Shell) -> None:
    card = new_card("foreign-resident")
    value = "1234" if by == "pin" else card.check_number
    words = ["attributes", "--reader", card.url, "--by", by, "--pin", value]
    found = json.loads(tegata(*words, "--json", "--anchors", "sim")[0])
    assert found["name"].startswith("ＷＯＬＦＥＳＣＨＬＥＧＥＬＳＴＥＩＮ")
    assert (found["birth"], found["sex"]) == ("1985-11-30", "9")
    assert found["checks"] == [{"check": "attributes", "verdict": "anchored", "anchor": "sim"}]
    out, _ = tegata(*words, lang="ja")
    assert "生年月日: 1985-11-30\n性別: その他\n" in out
    assert "信頼点で裏付けられていません" in out


def test_altered_attributes_are_not_shown(new_card: NewCard, tegata: Shell) -> None:
    key = f"app/{TEXT}/ef/0002"
    whole = new_card("expired")
    altered = whole.content()[key].replace("福岡市".encode(), "静岡市".encode())
    card = new_card("expired", called="altered", changed={key: altered})
    out, err = tegata("attributes", "--reader", card.url, "--pin", "1234", "--anchors", "sim", code=250)
    assert out == ""
    assert "not those that the issuer signed" in err


def test_a_card_without_pin_opens_by_its_check_number_alone(new_card: NewCard, tegata: Shell) -> None:
    card = new_card("without-pin")
    _, err = tegata("attributes", "--reader", card.url, "--pin", "1234", code=16)
    assert "is blocked" in err
    words = ["--reader", card.url, "--by", "check-number-b", "--pin", card.check_number]
    assert "顔認　一平" in tegata("attributes", *words)[0]


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_number_is_masked_everywhere(lang: str, new_card: NewCard, tegata: Shell, tmp_path: Path) -> None:
    card, trace = new_card(), tmp_path / "trace.txt"
    words = ["number", "--reader", card.url, "--pin", "1234", "--purpose", "源泉徴収票", "--trace", trace]
    out, err = tegata(*words, "--anchors", "sim", lang=lang)
    assert "************" in out and "源泉徴収票" in out
    assert {"en": "Check digit: does not fit", "ja": "検査用数字: 不一致"}[lang] in out
    as_json, _ = tegata(*words, "--json")
    assert json.loads(as_json)["number"] == "************"
    for text in (out, err, as_json, trace.read_text("utf-8")):
        assert card.number not in text
        assert card.number.encode().hex().upper() not in text.upper()
        assert "31323334" not in text


def test_the_number_goes_to_a_pipe_alone(new_card: NewCard, tegata: Shell, tmp_path: Path) -> None:
    card = new_card()
    words = ["number", "--reader", card.url, "--pin", "1234", "--purpose", "給与支払報告書", "--output-fd"]
    read_end, write_end = os.pipe()
    try:
        out, _ = tegata(*words, write_end)
        assert os.read(read_end, 100).decode() == card.number + "\n"
        assert card.number not in out
    finally:
        os.close(read_end)
        os.close(write_end)
    with (tmp_path / "stored").open("wb") as file:
        _, err = tegata(*words, file.fileno(), code=247)
    assert "only to a pipe or socket" in err
    assert (tmp_path / "stored").read_bytes() == b""
    _, err = tegata(*words, 250, code=247, lang="ja")
    assert "パイプかソケット" in err


def test_no_number_without_a_purpose(new_card: NewCard, tegata: Shell) -> None:
    card = new_card()
    tegata("number", "--reader", card.url, "--pin", "1234", code=2)
    _, err = tegata("number", "--reader", card.url, "--pin", "1234", "--purpose", " ", code=198)
    assert "only for a stated purpose" in err


def test_check_number_a_opens_the_number(new_card: NewCard, tegata: Shell) -> None:
    card = new_card()
    words = ["--reader", card.url, "--by", "check-number-a", "--pin", card.number, "--purpose", "試験"]
    assert card.number not in tegata("number", *words)[0]


def test_the_photo_in_both_formats(new_card: NewCard, tegata: Shell, tmp_path: Path) -> None:
    card = new_card()
    files = [tmp_path / "face.jp2", tmp_path / "face.png"]
    words = ["photo", "--reader", card.url, "--pin", card.check_number]
    out, _ = tegata(*words, *files, "--anchors", "sim")
    assert "valid to anchor sim" in out
    sizes = [Image.open(io.BytesIO(file.read_bytes())) for file in files]
    assert [(image.format, image.size) for image in sizes] == [("JPEG2000", (240, 300)), ("PNG", (240, 300))]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    _, err = tegata(*words, files[1], code=43)
    assert "is not overwritten" in err
    _, err = tegata(*words, tmp_path / "face.gif", code=40)
    assert "*.png or *.jp2" in err
    for what in ("name", "address", "security-code"):
        tegata(*words, tmp_path / f"{what}.png", "--what", what)
    code = Image.open(io.BytesIO((tmp_path / "security-code.png").read_bytes()))
    assert code.size == (24, 12)


def test_a_photo_that_was_exchanged_is_not_written(new_card: NewCard, tegata: Shell, tmp_path: Path) -> None:
    key = f"app/{VISUAL}/ef/0002"
    raw = bytearray(new_card().content()[key])
    raw[raw.index(b"\xdf\x27") + 200] ^= 1
    card = new_card(called="exchanged", changed={key: bytes(raw)})
    words = ["photo", "--reader", card.url, "--pin", card.check_number, tmp_path / "face.png"]
    _, err = tegata(*words, code=250)
    assert "Do not accept this card" in err
    assert not (tmp_path / "face.png").exists()


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_certificates_in_words(lang: str, new_card: NewCard, tegata: Shell) -> None:
    card = new_card("foreign-resident")
    words = ["certs", "--reader", card.url, "--anchors", "sim", "--signature", "--pin", "ABC123"]
    out, err = tegata(*words, lang=lang)
    assert {"en": "substitute characters: 62)", "ja": "代替文字: 62 文字目)"}[lang] in out
    assert {"en": "1985-11-30", "ja": "昭和60年11月30日"}[lang] in out
    assert out.count({"en": "valid to anchor", "ja": "まで検証できました"}[lang]) == 2
    assert {"en": "Revocation not checked: in Japan", "ja": "失効は確認していません。"}[lang] in err
    for file in ("0001", "000a"):
        serial = x509.load_der_x509_certificate(card.content()[f"app/{JPKI}/ef/{file}"]).serial_number
        assert str(serial) not in out and f"{serial:x}" not in out.lower()


def test_the_login_certificate_names_nobody(new_card: NewCard, tegata: Shell) -> None:
    (found,) = json.loads(tegata("certs", "--reader", new_card().url, "--json")[0])
    assert (found["kind"], found["attributes"], found["revocation"]) == (
        "authentication",
        None,
        "not checked",
    )
    assert found["anchor"] is None and "not anchored" in found["fault"]
    assert "serial" not in found


def test_certificates_of_a_child_of_an_expired_card_and_of_a_phone(new_card: NewCard, tegata: Shell) -> None:
    _, err = tegata("certs", "--reader", new_card("child").url, "--signature", "--pin", "ABC123", code=16)
    assert "signature password" in err and "blocked" in err
    out, _ = tegata("certs", "--reader", new_card("expired").url, "--anchors", "sim")
    assert "(ENDED)" in out
    phone = new_card("jpki-android").url
    assert "authentication" in tegata("certs", "--reader", phone, "--pin", "1234")[0]
    _, err = tegata("certs", "--reader", phone, code=245)
    assert "no terminal to type it at" in err


def test_a_text_application_that_is_not_there(new_card: NewCard, tegata: Shell) -> None:
    _, err = tegata("attributes", "--reader", new_card("jpki-iphone").url, "--pin", "1234", code=197)
    assert "has no text" in err


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_place_that_takes_no_files(lang: str, new_card: NewCard, tegata: Shell, tmp_path: Path) -> None:
    card = new_card()
    file = tmp_path / "no such folder" / "face.png"
    _, err = tegata("photo", "--reader", card.url, "--pin", card.check_number, file, code=248, lang=lang)
    assert {"en": "cannot be written", "ja": "書き込めません"}[lang] in err
    words = ["pins", "--reader", card.url, "--trace", file]
    assert "face.png" in tegata(*words, code=248, lang=lang)[1]


def test_nothing_in_the_reader(tmp_path: Path, tegata: Shell) -> None:
    _, err = tegata("info", "--reader", "nothing:at all", code=33)
    assert "nothing:at all" in err
    out, err = tegata("pins", "--reader", f"sim:{tmp_path / 'missing.sim'}", "--json", code=136)
    assert out == "" and json.loads(err)["exit_code"] == 136
