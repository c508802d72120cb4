"""Status words by command and application."""

from __future__ import annotations

import pickle
import re
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import Command, Response
from tegata.apdu.errors import MalformedResponse, PinBlocked, PinError, StatusError, TegataError, Words
from tegata.apdu.names import GLOBALPLATFORM, INTERINDUSTRY, aid_of, application_name, command_name
from tegata.apdu.status import meaning, status_error, words


@pytest.mark.parametrize(
    ("sw", "command", "application", "expected"),
    [
        (0x9000, "", "", "done"),
        (0x63C2, "VERIFY", "", "wrong value, 2 tries left"),
        (0x63C2, "UPDATE BINARY", "", "counter at 2"),
        (0x6A82, "SELECT", "", "there is no such application or file"),
        (0x6A82, "GET DATA", "PIV", "the card holds no such data object"),
        (0x6A82, "READ BINARY", "PIV", "there is no such file"),
        (0x6985, "STORE DATA", "ISD", "no application waits for personalisation"),
        (0x6985, "", "", "the conditions of use are not met"),
        (0x6110, "", "", "16 more bytes are ready"),
        (0x6100, "", "", "256 more bytes are ready"),
        (0x6C08, "", "", "wrong Le, 8 bytes are there"),
        (0x62F1, "", "", "warning, nothing was changed"),
        (0x6F42, "", "", "the card gives no reason"),
        (0x9001, "", "", "unknown"),
        (0x1234, "", "", "unknown"),
    ],
)
def test_meanings(sw: int, command: str, application: str, expected: str) -> None:
    assert meaning(sw, command, application, lang="en") == expected


def test_the_error_speaks_both_languages() -> None:
    error = status_error(Command(0x80, 0xE2), Response(sw=0x6985), "ISD")
    assert "STORE DATA" in error.sentence("en")
    assert "no application waits for personalisation" in error.sentence("en")
    assert "6985: 個人化を待つアプリケーションがない" in error.sentence("ja")
    assert error.exit_code == 11


@given(
    st.integers(0, 0xFFFF), st.sampled_from(["", "VERIFY", "SELECT", "PUT KEY"]), st.sampled_from(["", "PIV"])
)
def test_every_status_word_has_words_in_both_languages(sw: int, command: str, application: str) -> None:
    said = words(sw, command, application)
    assert said.isascii()
    assert said.ja
    assert "{" not in said + said.ja


def test_the_table_names_status_words_and_known_commands() -> None:
    table = tomllib.loads(files("tegata.apdu").joinpath("status_words.toml").read_text(encoding="utf-8"))
    assert set(table["command"]) <= {*INTERINDUSTRY.values(), *GLOBALPLATFORM.values()}
    groups = [table["generic"], *table["command"].values()]
    groups += [group for application in table["application"].values() for group in application.values()]
    for group in groups:
        for key, texts in group.items():
            assert re.fullmatch(r"[69][0-9A-F]{3}|61xx|6Cxx|63Cx|unknown", key)
            assert len(texts) == 2


def test_answers_do_not_show_in_repr() -> None:
    assert repr(Response(b"4111", 0x9000)) == "<Response 9000 data[4]>"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("80E60200", "INSTALL"),
        ("84F24000", "GET STATUS"),
        ("00E60000", "TERMINATE"),
        ("00A40400", "SELECT"),
        ("80500000", "INITIALIZE UPDATE"),
        ("00F10000", "GENERATE KEY"),
        ("00130000", "INS 13"),
    ],
)
def test_command_names(header: str, name: str) -> None:
    assert command_name(Command.parse(bytes.fromhex(header))) == name


def test_application_names() -> None:
    assert application_name(bytes.fromhex("A000000308000010000100")) == "PIV"
    assert application_name(bytes.fromhex("A00000030800001000")) == "PIV"
    assert application_name(bytes.fromhex("F0010203040506")) == "F0010203040506"
    assert application_name(b"") == "default application"
    assert aid_of("jpki") == bytes.fromhex("D392F000260100000001")
    assert aid_of("nothing") is None


@pytest.mark.parametrize(
    "error",
    [
        StatusError(0x6982, "VERIFY", "JPKI", Words("not allowed", "不可")),
        PinError(1, code="pin.last_try"),
        PinBlocked("PUK"),
        MalformedResponse("no TLV", "the file"),
    ],
)
def test_errors_are_whole_in_another_process(error: TegataError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is type(error)
    assert (vars(again), again.args) == (vars(error), error.args)
    assert again.sentence("ja") == error.sentence("ja")
