"""Our reader and our writer against those of the independent host, which share no code with them."""

from __future__ import annotations

import pytest

from tegata.applets.security_domain.model.cap import FRAMEWORK, CapDraft, Kind, Version, read_cap, write_cap

from ....foreign.gpp import cap as independent
from .drafts import AID, DRAFTS

COMPACT = [name for name, draft in DRAFTS.items() if not draft.extended and not draft.resources]


@pytest.mark.parametrize("size", [0, 500, 20_480, 60_000])
def test_its_files_are_read(size: int) -> None:
    raw = independent.build_cap(AID, AID + b"\x01", size)
    ours, theirs = read_cap(raw), independent.read_cap(raw)
    assert (ours.aid, ours.applet_aids, ours.load_file()) == (theirs.package, theirs.applets, theirs.code)
    assert len(ours.load_file()) == size or not size
    assert (ours.contents.format, ours.contents.has(Kind.DESCRIPTOR)) == (Version(2, 1), True)


@pytest.mark.parametrize("name", COMPACT)
def test_it_reads_ours(name: str) -> None:
    raw = write_cap(DRAFTS[name])
    theirs, ours = independent.read_cap(raw), read_cap(raw)
    assert (theirs.package, theirs.applets, theirs.code) == (ours.aid, ours.applet_aids, ours.load_file())


def test_both_write_the_same_header_import_and_applet_frames() -> None:
    """Components that depend on the names alone."""
    draft = CapDraft(aid=AID, applets=(AID + b"\x01",), format=Version(2, 1), imports=(FRAMEWORK,))
    theirs = {
        one.tag: one.data for one in read_cap(independent.build_cap(AID, AID + b"\x01")).contents.components
    }
    ours = {one.tag: one.data for one in read_cap(write_cap(draft)).contents.components}
    assert ours[Kind.HEADER] == theirs[Kind.HEADER]
    assert ours[Kind.APPLET][:-2] == theirs[Kind.APPLET][:-2]  # the offset of install is the code's
