"""Packages of every kind that our writer can make, by name."""

from __future__ import annotations

from tegata.applets.security_domain.model.cap import FRAMEWORK, CapDraft, Package, Version

__all__ = ["AID", "COMPACT", "DRAFTS", "EXTENDED", "LIBRARY"]

AID = bytes.fromhex("F05445474154415401")
APPLETS = (AID + b"\x01", AID + b"\x02")
OTHER = bytes.fromhex("F0544547415441540A")
V23 = Version(2, 3)

COMPACT = CapDraft(
    aid=AID,
    version=Version(3, 4),
    name="jp/example/badge",
    applets=APPLETS,
    exported=True,
    values=b"\x01\x02\x03",
    arrays=(b"abcd", b""),
    custom=((0x80, OTHER, b"whatever"), (0xFF, AID, b"")),
    debug=True,
)
EXTENDED = CapDraft(
    aid=AID,
    version=Version(1, 2),
    applets=APPLETS,
    format=V23,
    extended=True,
    packages=(
        Package(AID + b"\x07", Version(1, 1), "jp/example/one"),
        Package(AID + b"\x08", Version(2, 0), "two"),
    ),
    exported=True,
    values=b"\x09",
    arrays=(b"xyz",),
    resources=((1, b"logo"), (7, b"")),
    custom=((0x81, OTHER, b"more"),),
    debug=True,
    size=130_000,
)
LIBRARY = CapDraft(aid=AID, name="jp/example/library", format=Version(2, 1), exported=True)

DRAFTS = {
    "2.1 applet": CapDraft(aid=AID, applets=APPLETS[:1], format=Version(2, 1), imports=(FRAMEWORK,)),
    "2.1 library": LIBRARY,
    "2.2 library that exports nothing": CapDraft(aid=AID),
    "2.2 all components": COMPACT,
    "2.2 without descriptor": CapDraft(aid=AID, applets=APPLETS, descriptor=False),
    "2.3 compact with resources": CapDraft(aid=AID, applets=APPLETS, format=V23, resources=((5, b"text"),)),
    "2.3 extended, all components": EXTENDED,
    "2.3 extended library": CapDraft(aid=AID, format=V23, extended=True),
    "20 KB": CapDraft(aid=AID, applets=APPLETS[:1], size=20_480),
}
