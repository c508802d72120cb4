"""Folders that somebody filled by mistake or on purpose: no entry hangs, fills the memory or ends in a
traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tegata.apdu.authenticity import MAX_ANCHOR_FILE
from tegata.apdu.authenticity import Anchors as FaceAnchors
from tegata.apdu.errors import InputError
from tegata.apdu.regular_files import read_regular

KEY_ID = "30" * 16
UNKNOWN_KEY = bytes.fromhex("300F300A06082A03040506070809030100")
"""A SubjectPublicKeyInfo of an algorithm that nobody knows."""


def spoil(kind: str, path: Path) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "dead link":
        path.symlink_to(path.with_name("nothing"))
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "huge":
        path.touch()
        os.truncate(path, MAX_ANCHOR_FILE + 1)


KINDS = ("folder", "pipe", "dead link", "endless", "huge")


@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_files_of_some_size_are_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "entry"
    spoil(kind, path)
    with pytest.raises(ValueError, match="file"):
        read_regular(path, MAX_ANCHOR_FILE)


def test_a_link_to_a_regular_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"1234")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert read_regular(tmp_path / "link", 4) == b"1234"
    with pytest.raises(ValueError, match="at most 3"):
        read_regular(tmp_path / "link", 3)


@pytest.mark.parametrize("ending", [".pem", ".cvc"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_anchor_that_is_no_file_is_named(kind: str, ending: str, tmp_path: Path) -> None:
    spoil(kind, tmp_path / (KEY_ID + ending))
    with pytest.raises(InputError) as caught:
        FaceAnchors.load(tmp_path)
    assert caught.value.code == "mynumber.anchor"
    assert caught.value.details["file"] == KEY_ID + ending


def test_a_key_of_an_unknown_kind_and_a_folder_that_is_none_are_named(tmp_path: Path) -> None:
    (tmp_path / f"{KEY_ID}.der").write_bytes(UNKNOWN_KEY)
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(InputError) as caught:
            FaceAnchors.load(folder)
        assert caught.value.code == "mynumber.anchor"
