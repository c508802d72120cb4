"""CAP files as archives: what is looked at, what is refused, and that nothing in one fills the memory."""

from __future__ import annotations

import copy
import io
import os
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tegata.applets.security_domain.model.cap import (
    MAX_CAP_FILE,
    CapDraft,
    CapError,
    draft_components,
    load_file_hash,
    read_cap,
    write_cap,
)

from .drafts import COMPACT, DRAFTS, EXTENDED, LIBRARY

FOLDER = "jp/example/badge/javacard"
Files = list[tuple[str, bytes]]


def files(draft_name: str = "2.1 applet", folder: str = FOLDER) -> Files:
    """Names and contents as a converter packs them."""
    return [
        (f"{folder}/{one.name.replace(' ', '_')}.{'capx' if one.wide else 'cap'}", one.data)
        for one in draft_components(DRAFTS[draft_name])
    ]


def packed(entries: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about names that stand twice, which is the point
        for name, data in entries:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = method
            archive.writestr(entry, data)
    return target.getvalue()


def renamed(old: str, new: str, draft_name: str = "2.1 applet") -> Files:
    return [(name.replace(old, new), data) for name, data in files(draft_name)]


def replaced(name: str, change: bytes | None, draft_name: str = "2.1 applet") -> Files:
    kept = [(path, change if path.endswith(f"/{name}") else data) for path, data in files(draft_name)]
    return [(path, data) for path, data in kept if data is not None]


def content(name: str, draft_name: str = "2.1 applet") -> bytes:
    return next(data for path, data in files(draft_name) if path.endswith(f"/{name}"))


def test_order_case_method_and_other_files_do_not_matter() -> None:
    plain = read_cap(packed(files()))
    others: Files = [("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0"), ("APPLET-INF/applet.xml", b"<a/>")]
    shuffled = [
        *others,
        *reversed(files()),
        (f"{FOLDER}/badge.exp", b"\x00"),
        ("jp/example/Badge.class", b""),
    ]
    assert read_cap(packed(shuffled, zipfile.ZIP_STORED)) == plain
    assert read_cap(packed([(name.replace("Header", "HEADER"), data) for name, data in files()])) == plain
    assert plain.name == "jp.example.badge"
    assert plain.folder == FOLDER


def test_a_path_and_its_bytes_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "badge.cap"
    path.write_bytes(write_cap(COMPACT))
    assert read_cap(path) == read_cap(str(path)) == read_cap(path.read_bytes())
    raw = tmp_path / "badge.ijc"
    raw.write_bytes(read_cap(path).load_file())
    assert read_cap(raw).load_file() == raw.read_bytes()
    assert read_cap(raw).applets == read_cap(path).applets


def test_stripped_of_debug_and_descriptor_it_is_still_a_cap_file() -> None:
    stripped = [one for one in files("2.2 all components") if "Debug" not in one[0] and "Descr" not in one[0]]
    assert read_cap(packed(stripped)).load_file() == read_cap(write_cap(COMPACT)).load_file()


def bomb() -> bytes:
    return packed(replaced("Method.cap", b"\x07\xff\xff" + bytes(64 * 1024 * 1024)))


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "neither a ZIP archive nor a load file"),
    "text": (lambda: b"Manifest-Version: 1.0", "neither a ZIP archive nor a load file"),
    "no archive after all": (lambda: b"PK\x03\x04 and so on", "the ZIP archive is damaged"),
    "cut off": (lambda: packed(files())[:-30], "the ZIP archive is damaged"),
    "no components": (lambda: packed([("readme.txt", b"")]), "holds no component"),
    "two packages": (
        lambda: packed(files() + files(folder="jp/example/door/javacard")),
        "holds several packages",
    ),
    "a component elsewhere": (
        lambda: packed([*files(), ("other/Debug.cap", b"\x0c\0\0")]),
        "holds several packages",
    ),
    "up and away": (lambda: packed([*files(), ("../evil.txt", b"")]), "a path that leads elsewhere"),
    "up in the middle": (
        lambda: packed(renamed("jp/example", "jp/../example")),
        "a path that leads elsewhere",
    ),
    "from the root": (lambda: packed(renamed("jp/", "/jp/")), "a path that leads elsewhere"),
    "of another system": (lambda: packed(renamed("jp/", "C:jp/")), "a path that leads elsewhere"),
    "that moves the cursor": (lambda: packed([*files(), ("a\x1b[2Jb", b"")]), "a path that leads elsewhere"),
    "twice": (lambda: packed([*files(), files()[3]]), "stands twice"),
    "twice in another case": (lambda: packed([*files(), (f"{FOLDER}/METHOD.CAP", b"")]), "stands twice"),
    "as cap and capx": (
        lambda: packed([*files(), (f"{FOLDER}/Method.capx", b"\7\0\0")]),
        "stands twice, or as",
    ),
    "compact in capx": (lambda: packed(renamed("Method.cap", "Method.capx")), "its file ends in .capx"),
    "extended in cap": (
        lambda: packed(renamed("Method.capx", "Method.cap", "2.3 extended library")),
        "its file ends in .cap",
    ),
    "no Header": (lambda: packed(replaced("Header.cap", None)), "Header component: it is missing"),
    "no Method": (lambda: packed(replaced("Method.cap", None)), "Method component: it is missing"),
    "an empty file": (lambda: packed(replaced("Class.cap", b"")), "Class component: the file is empty"),
    "another component inside": (
        lambda: packed(replaced("Class.cap", content("Method.cap"))),
        "Class component, byte 0: its file begins with tag 07",
    ),
    "two swapped": (
        lambda: packed(
            [
                (path.replace("Import", "?").replace("Applet", "Import").replace("?", "Applet"), data)
                for path, data in files()
            ]
        ),
        "its file begins with tag 0",
    ),
    "a component of no name": (
        lambda: packed([*files(), (f"{FOLDER}/Extra.cap", content("Method.cap"))]),
        "Extra component, byte 0: its file begins with tag 07",
    ),
    "a custom one twice": (
        lambda: packed(
            [
                *files("2.2 all components"),
                (f"{FOLDER}/more.cap", content("custom_80.cap", "2.2 all components")),
            ]
        ),
        "two files hold it",
    ),
    "cut off inside": (
        lambda: packed(replaced("Method.cap", content("Method.cap")[:-1])),
        "Method component, byte 1",
    ),
    "more than its size": (
        lambda: packed(replaced("Method.cap", content("Method.cap") + b"\0")),
        "1 bytes follow the last field",
    ),
    "another compression": (lambda: packed(files(), zipfile.ZIP_BZIP2), "another method than deflate"),
    "a bomb": (bomb, "more than 4194304 bytes unpacked"),
    "thousands of entries": (
        lambda: packed([*files(), *((f"x{number}", b"") for number in range(4096))]),
        "at most 4096 are read",
    ),
    "too large": (lambda: b"PK" + bytes(MAX_CAP_FILE), "at most 4194304 bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_reason(name: str) -> None:
    made, reason = REFUSED[name]
    raw = made()
    with pytest.raises(CapError) as caught:
        read_cap(raw)
    assert reason in str(caught.value)


def test_encrypted_and_damaged_contents_are_refused() -> None:
    archive = bytearray(packed(files(), zipfile.ZIP_STORED))
    encrypted = bytearray(archive)
    at = encrypted.index(b"PK\x01\x02")  # the central directory's flags of the first entry
    encrypted[at + 8] |= 1
    with pytest.raises(CapError, match="is encrypted"):
        read_cap(bytes(encrypted))
    archive[archive.index(content("Method.cap")) + 5] ^= 0xFF
    with pytest.raises(CapError, match="the ZIP archive is damaged"):
        read_cap(bytes(archive))


def test_a_bomb_takes_no_more_memory_than_a_large_cap_file() -> None:
    raw = bomb()
    tracemalloc.start()
    try:
        with pytest.raises(CapError):
            read_cap(raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_CAP_FILE


@pytest.mark.parametrize("kind", ["folder", "pipe", "nothing", "endless"])
def test_only_regular_files_are_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "entry"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    with pytest.raises(CapError, match="it is no file"):
        read_cap(path)


@pytest.mark.parametrize("draft", [COMPACT, EXTENDED, LIBRARY])
def test_hosts_that_differ_about_the_descriptor_get_different_hashes(draft: CapDraft) -> None:
    cap = read_cap(write_cap(draft))
    forms = {cap.load_file(descriptor=one, debug=two) for one in (False, True) for two in (False, True)}
    assert len({load_file_hash(raw) for raw in forms}) == len(forms) >= 2
    with pytest.raises(ValueError, match="sha1, sha256, sha384, sha512"):
        load_file_hash(cap.load_file(), "md5")


def test_an_error_can_be_copied() -> None:
    error = CapError("it is missing", "Method", 7)
    again = copy.copy(error)
    assert (again.what, again.component, again.offset, str(again)) == (
        "it is missing",
        "Method",
        7,
        "Method component, byte 7: it is missing",
    )
