"""``tegata gp cap``, as a person and as a script type it."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tegata.apdu.errors import InputError, set_language
from tegata.applets.security_domain.cap_commands import cap
from tegata.applets.security_domain.model.cap import CapDraft, Flag, read_cap, write_cap

from .drafts import AID, COMPACT, EXTENDED

VECTORS = Path(__file__).parent.parent / "vectors" / "load_files.toml"
HELLO = next(
    file
    for file in tomllib.loads(VECTORS.read_text(encoding="utf-8"))["load_file"]
    if file["name"] == "helloworld.cap"
)


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    set_language("en")
    yield
    set_language(None)


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    path = tmp_path / "hello.ijc"
    path.write_bytes(bytes.fromhex(HELLO["raw"]))
    return path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cap, [str(word) for word in words], standalone_mode=False)


def test_show_tells_a_person(hello: Path) -> None:
    lines = run("show", hello).output.splitlines()
    assert "Package: D0D1D2D3D4D501" in lines
    assert "Applet: D0D1D2D3D4D50101" in lines
    assert "Imports: A0000000620101 1.0 javacard.framework" in lines
    assert "Load file, without Descriptor: 247" in lines
    assert f"  SHA256: {HELLO['without_descriptor']['sha256']}" in lines
    assert f"  SHA256: {HELLO['with_descriptor']['sha256']}" in lines
    assert not any(line.startswith("Note") for line in lines)


def test_show_speaks_japanese(hello: Path) -> None:
    set_language("ja")
    assert "パッケージ: D0D1D2D3D4D501" in run("show", hello).output.splitlines()


def test_show_tells_a_script(tmp_path: Path) -> None:
    path = tmp_path / "all.cap"
    path.write_bytes(write_cap(EXTENDED))
    found = json.loads(run("show", path, "--json").output)
    assert found["aid"] == AID.hex().upper()
    assert (found["format"], found["extended"], found["version"]) == ("2.3", True, "1.2")
    assert found["flags"] == ["export", "applet", "extended"]
    assert [package["name"] for package in found["packages"]] == ["jp/example/one", "two"]
    assert [applet["aid"] for applet in found["applets"]] == [one.hex().upper() for one in EXTENDED.applets]
    assert found["sizes"]["custom 81"] == 4
    assert found["static_fields"] == {"image": 3, "arrays": 1, "array_bytes": 3}
    assert found["custom"][0]["tag"] == "81"
    short = found["load_file"]["without_descriptor"]
    raw = read_cap(path).load_file()
    assert short["size"] == 130_000 == len(raw)
    assert {name: short[name] for name in ("sha1", "sha256", "sha384", "sha512")} == {
        name: hashlib.new(name, raw).hexdigest() for name in ("sha1", "sha256", "sha384", "sha512")
    }


def test_hash_prints_the_hash_alone(hello: Path) -> None:
    assert run("hash", hello).output.strip() == HELLO["without_descriptor"]["sha256"]
    assert run("hash", hello, "--descriptor").output.strip() == HELLO["with_descriptor"]["sha256"]
    assert run("hash", hello, "--algorithm", "sha1").output.strip() == HELLO["without_descriptor"]["sha1"]


def test_check_names_what_is_wrong_and_where(tmp_path: Path, hello: Path) -> None:
    broken = tmp_path / "broken.ijc"
    broken.write_bytes(hello.read_bytes()[:-1])
    nothing = tmp_path / "nothing.cap"
    result = run("check", hello, broken, nothing)
    assert result.return_value == 49
    assert result.stdout == f"{hello}: well formed\n"
    said = result.stderr.splitlines()
    assert said[0].startswith(f"The CAP file {broken} is not well formed: Descriptor component, byte 1: ")
    assert said[1] == f"The file {nothing} cannot be read as a CAP file: it is no file."
    report = json.loads(run("check", hello, nothing, "--json").output)
    assert [one["ok"] for one in report] == [True, False]
    assert report[1]["code"] == "cap.unreadable"
    assert run("check", hello).return_value == 0


@pytest.mark.parametrize(
    ("draft", "remark"),
    [
        (CapDraft(aid=AID, descriptor=False), "it has no Descriptor"),
        (CapDraft(aid=AID, applets=(bytes.fromhex("A000000151A1"),)), "A000000151A1 is of another owner"),
    ],
)
def test_check_tells_what_is_worth_knowing(draft: CapDraft, remark: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.cap"
    path.write_bytes(write_cap(draft))
    assert remark in run("check", path).output
    assert remark in json.loads(run("show", path, "--json").output)["remarks"][0]


def test_check_tells_of_integers_of_32_bits(tmp_path: Path, hello: Path) -> None:
    raw = bytearray(hello.read_bytes())
    raw[9] |= Flag.INT
    hello.write_bytes(raw)
    assert "32-bit integers" in run("check", hello).output


def test_extract_writes_the_load_file_and_overwrites_nothing(tmp_path: Path) -> None:
    path, output = tmp_path / "all.cap", tmp_path / "all.ijc"
    path.write_bytes(write_cap(COMPACT))
    whole = read_cap(path)
    assert run("extract", path, output).exit_code == 0
    assert output.read_bytes() == whole.load_file()
    again = run("extract", path, output)
    assert isinstance(again.exception, InputError) and again.exception.code == "input.exists"
    assert run("extract", path, tmp_path / "long.ijc", "--descriptor", "--debug").exit_code == 0
    assert (tmp_path / "long.ijc").read_bytes() == whole.load_file(descriptor=True, debug=True)
    elsewhere = run("extract", path, tmp_path / "no" / "folder")
    assert isinstance(elsewhere.exception, InputError) and elsewhere.exception.code == "input.file"


def test_what_is_no_cap_file_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    path = tmp_path / "text.cap"
    path.write_text("Manifest-Version: 1.0")
    for command in ("show", "hash"):
        error = run(command, path).exception
        assert isinstance(error, InputError)
        assert error.exit_code == 49
        assert "neither a ZIP archive nor a load file" in error.sentence("en")
        assert str(path) in error.sentence("ja")
