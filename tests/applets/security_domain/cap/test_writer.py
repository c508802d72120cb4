"""CAP files of our own writer: every component, both formats, the wanted size, always the same bytes."""

from __future__ import annotations

import io
import tomllib
import zipfile
from pathlib import Path

import pytest

from tegata.applets.security_domain.model.cap import (
    FRAMEWORK,
    JAVA_LANG,
    CapDraft,
    Kind,
    LoadFile,
    Version,
    draft_components,
    read_cap,
    write_cap,
)

from .drafts import AID, COMPACT, DRAFTS, EXTENDED, LIBRARY

VECTORS = Path(__file__).parent.parent / "vectors" / "load_files.toml"
HELLO_WORLD = next(
    file
    for file in tomllib.loads(VECTORS.read_text(encoding="utf-8"))["load_file"]
    if file["name"] == "helloworld.cap"
)


@pytest.mark.parametrize("name", DRAFTS)
def test_what_is_written_is_read_again(name: str) -> None:
    draft = DRAFTS[name]
    cap = read_cap(write_cap(draft))
    assert cap.contents.components == draft_components(draft)
    assert (cap.aid, cap.version, cap.applet_aids) == (draft.aid, draft.version, draft.applets)
    assert (cap.contents.format, cap.contents.extended) == (draft.format, draft.extended)
    assert [one.aid for one in cap.imports] == [one.aid for one in draft.imports]
    assert cap.contents.custom == draft.custom_components
    assert LoadFile.parse(cap.load_file(descriptor=True, debug=True, custom=True)) == cap.contents


@pytest.mark.parametrize("name", DRAFTS)
def test_the_same_draft_gives_the_same_bytes(name: str) -> None:
    assert write_cap(DRAFTS[name]) == write_cap(DRAFTS[name])


def test_between_them_they_have_every_component() -> None:
    compact, extended = (read_cap(write_cap(draft)).contents for draft in (COMPACT, EXTENDED))
    assert {kind for kind in Kind if not compact.has(kind)} == {Kind.STATIC_RESOURCES}  # format 2.3 alone
    assert all(extended.has(kind) for kind in Kind)
    assert len({applet.install_block for applet in extended.applets}) == 1
    assert extended.directory.method_blocks == 3


def test_a_library_has_no_applets_and_says_so() -> None:
    library = read_cap(write_cap(LIBRARY)).contents
    assert not library.has(Kind.APPLET)
    assert library.applets == ()
    assert library.has(Kind.EXPORT)


def test_components_equal_those_of_a_real_converter() -> None:
    """The applet of helloworld.cap has the same shape: what does not depend on its code is the same."""
    real = LoadFile.parse(bytes.fromhex(HELLO_WORLD["raw"]))
    ours = draft_components(
        CapDraft(aid=real.aid, applets=real.applet_aids, format=Version(2, 1), imports=(FRAMEWORK,))
    )
    same = (Kind.HEADER, Kind.IMPORT, Kind.APPLET, Kind.CLASS)
    by_tag = {component.tag: component.data for component in real.components}
    assert [component.data for component in ours if component.tag in same] == [by_tag[kind] for kind in same]
    methods = next(component.data for component in ours if component.tag == Kind.METHOD)
    constructor_and_install = methods[3 : 3 + 0x17]
    assert by_tag[Kind.METHOD][3 : 3 + 0x17] == constructor_and_install


LEAST = len(read_cap(write_cap(CapDraft(aid=AID, applets=(AID + b"\x01",)))).load_file())


@pytest.mark.parametrize("more", [0, 1, 2, 3, 4, 29_999, 30_000, 30_001, 30_002, 60_001, 65_000])
def test_a_load_file_has_the_wanted_size(more: int) -> None:
    cap = read_cap(write_cap(CapDraft(aid=AID, applets=(AID + b"\x01",), size=LEAST + more)))
    assert len(cap.load_file()) == LEAST + more


@pytest.mark.parametrize("size", [300, 59_999, 60_000, 60_001, 119_999, 120_000, 500_000])
def test_an_extended_load_file_has_the_wanted_size(size: int) -> None:
    draft = CapDraft(aid=AID, applets=(AID + b"\x01",), format=Version(2, 3), extended=True, size=size)
    assert len(read_cap(write_cap(draft)).load_file()) == size


def test_a_size_that_it_cannot_have_is_refused() -> None:
    with pytest.raises(ValueError, match=f"at least {LEAST} bytes"):
        write_cap(CapDraft(aid=AID, applets=(AID + b"\x01",), size=LEAST - 1))
    with pytest.raises(ValueError, match="extended format"):
        write_cap(CapDraft(aid=AID, applets=(AID + b"\x01",), size=66_000))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"aid": b"\x01"}, "5 to 16"),
        ({"applets": (AID, AID)}, "of their own"),
        ({"format": Version(2, 4)}, "unknown"),
        ({"extended": True}, "came with"),
        ({"resources": ((1, b""),)}, "came with"),
        ({"packages": (JAVA_LANG,)}, "extended format"),
        ({"arrays": (b"a",)}, "library"),
        ({"custom": ((12, AID, b""),)}, "80 to FF"),
        ({"imports": ()}, "needs java.lang"),
        ({"imports": (JAVA_LANG,), "applets": (AID,)}, "needs javacard.framework"),
    ],
)
def test_a_draft_that_the_format_cannot_express_is_refused(wrong: dict[str, object], reason: str) -> None:
    options: dict[str, object] = {"aid": AID} | wrong
    with pytest.raises(ValueError, match=reason):
        CapDraft(**options)  # type: ignore[arg-type]


def test_the_archive_is_laid_out_as_converters_do() -> None:
    with zipfile.ZipFile(io.BytesIO(write_cap(COMPACT))) as archive:
        names = archive.namelist()
        manifest = archive.read("META-INF/MANIFEST.MF").decode()
    assert names[:3] == [
        "META-INF/MANIFEST.MF",
        "jp/example/badge/javacard/Header.cap",
        "jp/example/badge/javacard/Directory.cap",
    ]
    assert "Java-Card-Package-Version: 3.4\r\n" in manifest
    assert all(len(line) <= 72 for line in manifest.split("\r\n"))
    assert "Java-Card-Package-AID: 0xf0:0x54:0x45:0x47:0x41:0x54:0x41:0x54:0x01" in manifest
    with zipfile.ZipFile(io.BytesIO(write_cap(EXTENDED))) as archive:
        wide = {Path(name).name for name in archive.namelist() if name.endswith(".capx")}
    assert wide == {
        "Method.capx",
        "RefLocation.capx",
        "Descriptor.capx",
        "Debug.capx",
        "StaticResources.capx",
        "custom_81.capx",
    }
