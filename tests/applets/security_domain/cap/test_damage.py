"""Every kind of damage to a load file has its own reason, and names the component that is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tegata.applets.security_domain.model.cap import CapDraft, CapError, LoadFile, Version, read_cap

from .drafts import AID, COMPACT, DRAFTS, EXTENDED, LIBRARY
from .parts import Parts

HEADER, DIRECTORY, APPLET, IMPORT, POOL, CLASS, METHOD = range(1, 8)
STATIC, LOCATION, EXPORT, DESCRIPTOR, DEBUG, RESOURCES = range(8, 14)
Spoil = Callable[[Parts], object]
KINDS = {"compact": COMPACT, "extended": EXTENDED, "library": LIBRARY}
# Places in the Directory after the sizes of components.
COUNTS, EXTENDED_COUNTS = 2 * 12, 2 * 8 + 4 * 5


def put(tag: int, offset: int, value: str) -> Spoil:
    return lambda parts: parts.put(tag, offset, value)


def more(tag: int, value: str = "00") -> Spoil:
    return lambda parts: parts.info[tag].extend(bytes.fromhex(value))


def less(tag: int, count: int = 1) -> Spoil:
    return lambda parts: parts.edit(tag, lambda info: info.__delitem__(slice(-count, None)))


def whole(tag: int, value: str) -> Spoil:
    return lambda parts: parts.info.update({tag: bytearray(bytes.fromhex(value))})


def without(tag: int) -> Spoil:
    return lambda parts: parts.order.remove(tag)


def claim(tag: int, size: int) -> Spoil:
    """A size that is not the content's, while the Directory is right."""
    return lambda parts: parts.sizes.update({tag: size})


def unlisted(change: Spoil) -> Spoil:
    """A change that the Directory does not follow."""

    def spoil(parts: Parts) -> None:
        change(parts)
        parts.relist = False

    return spoil


def swapped(one: int, other: int) -> Spoil:
    def spoil(parts: Parts) -> None:
        first, second = parts.order.index(one), parts.order.index(other)
        parts.order[first], parts.order[second] = other, one

    return spoil


def again(tag: int) -> Spoil:
    return lambda parts: parts.order.append(tag)


def added(tag: int, content: str, place: int | None = None) -> Spoil:
    def spoil(parts: Parts) -> None:
        parts.info[tag] = bytearray(bytes.fromhex(content))
        parts.order.insert(len(parts.order) if place is None else place, tag)

    return spoil


LONG_AID = "11" + "A0" * 17

# (which package, what is done to it, the component that is named, what is said)
DAMAGE: dict[str, tuple[str, Spoil, str, str]] = {
    # the stream
    "no Header first": ("compact", lambda p: p.order.pop(0), "", "begins with a Header"),
    "unknown tag": ("compact", added(14, "00", 2), "", "tag 0E is no component"),
    "twice": ("compact", again(METHOD), "Method", "stands twice"),
    "custom twice": ("compact", again(0x80), "custom 80", "stands twice"),
    "wrong order": ("compact", swapped(IMPORT, APPLET), "Import", "stands after Applet"),
    "custom that is not listed": ("library", added(0x8B, ""), "custom 8B", "the Directory does not know it"),
    "claims more than there is": ("library", claim(DESCRIPTOR, 500), "Descriptor", "claims 500 bytes"),
    "no Directory": ("compact", without(DIRECTORY), "Directory", "it is missing"),
    "no Import": ("compact", without(IMPORT), "Import", "it is missing"),
    "no Class": ("compact", without(CLASS), "Class", "it is missing"),
    "no Method": ("extended", without(METHOD), "Method", "it is missing"),
    "no StaticField": ("compact", without(STATIC), "StaticField", "it is missing"),
    "no ConstantPool": ("library", without(POOL), "ConstantPool", "it is missing"),
    "no RefLocation": ("extended", without(LOCATION), "RefLocation", "it is missing"),
    "no Applet, but listed": (
        "compact",
        unlisted(without(APPLET)),
        "Applet",
        "Directory counts 27 bytes of it",
    ),
    "no Applet, but flagged": ("compact", without(APPLET), "Header", "ACC_APPLET is set, and there is no"),
    "Export without flag": (
        "compact",
        put(HEADER, 6, "04"),
        "Header",
        "ACC_EXPORT is not set, and there is an",
    ),
    "StaticResources in 2.2": (
        "compact",
        added(RESOURCES, "0001000100000000", 10),
        "StaticResources",
        "the CAP format of this file does not know it",
    ),
    # Header
    "wrong magic": ("compact", put(HEADER, 0, "CAFEBABE"), "Header", "not DECAFFED"),
    "format of the future": ("compact", put(HEADER, 4, "0402"), "Header", "CAP format 2.4 is unknown"),
    "format before 2.1": ("compact", put(HEADER, 4, "0002"), "Header", "CAP format 2.0 is unknown"),
    "reserved flag": ("compact", put(HEADER, 6, "16"), "Header", "flags 16 have bits that format 2.2"),
    "extended flag in 2.1": ("library", put(HEADER, 6, "0A"), "Header", "flags 0A have bits that format 2.1"),
    "package AID of 4 bytes": (
        "compact",
        put(HEADER, 9, "04"),
        "Header",
        "the AID of the package has 4 bytes",
    ),
    "package AID of 17 bytes": (
        "library",
        whole(HEADER, "DECAFFED0102020001" + LONG_AID),
        "Header",
        "the AID of the package has 17 bytes",
    ),
    "package AID cut off": (
        "library",
        less(HEADER, 2),
        "Header",
        "the AID of the package takes 9 bytes, 7 are left",
    ),
    "name not UTF-8": ("compact", put(HEADER, 20, "FF"), "Header", "the package name is not UTF-8"),
    "name that moves the cursor": ("compact", put(HEADER, 20, "1B"), "Header", "cannot be printed"),
    "name longer than it is": ("compact", put(HEADER, 19, "20"), "Header", "the package name takes 32 bytes"),
    "after the Header": ("library", more(HEADER), "Header", "1 bytes follow"),
    "two packages of one AID": (
        "extended",
        put(HEADER, 45, "07"),
        "Header",
        "two packages have the same AID",
    ),
    # Directory
    "Directory cut off": ("compact", unlisted(less(DIRECTORY, 40)), "Directory", "takes 2 bytes"),
    "Directory has more": ("library", more(DIRECTORY), "Directory", "1 bytes follow"),
    "Directory disagrees": (
        "compact",
        unlisted(put(DIRECTORY, 12, "0001")),
        "Directory",
        "Method is said to have 1 bytes",
    ),
    "import count": (
        "compact",
        put(DIRECTORY, COUNTS + 6, "03"),
        "Directory",
        "it counts 3 imported packages; there are 2",
    ),
    "applet count": (
        "compact",
        put(DIRECTORY, COUNTS + 7, "09"),
        "Directory",
        "it counts 9 applets; there are 2",
    ),
    "block count": (
        "extended",
        put(DIRECTORY, EXTENDED_COUNTS + 8, "04"),
        "Directory",
        "it counts 4 method blocks; there are 3",
    ),
    "static image": ("compact", put(DIRECTORY, COUNTS, "0063"), "Directory", "99 bytes of static fields"),
    "custom tag": ("compact", put(DIRECTORY, COUNTS + 9, "7F"), "Directory", "custom tag 7F; 80 to FF"),
    "custom tag twice": (
        "compact",
        put(DIRECTORY, COUNTS + 9 + 13, "80"),
        "Directory",
        "custom tag 80 stands twice",
    ),
    "custom AID": (
        "compact",
        put(DIRECTORY, COUNTS + 12, "02"),
        "Directory",
        "the AID of a custom component has 2 bytes",
    ),
    "custom size": (
        "compact",
        put(DIRECTORY, COUNTS + 10, "0001"),
        "custom 80",
        "the Directory says 1 bytes; it has 8",
    ),
    # Import
    "package imported twice": (
        "compact",
        put(IMPORT, 11, "000107A0000000620101"),
        "Import",
        "A0000000620101 is imported twice",
    ),
    "package imports itself": ("library", whole(IMPORT, "01000109" + AID.hex()), "Import", "imports itself"),
    "import AID of 0 bytes": (
        "compact",
        put(IMPORT, 3, "00"),
        "Import",
        "the AID of an imported package has 0 bytes",
    ),
    "fewer imports than counted": (
        "compact",
        put(IMPORT, 0, "03"),
        "Import",
        "the version of an imported package takes 2 bytes",
    ),
    "more imports than tokens": ("compact", put(IMPORT, 0, "81"), "Import", "129 imported packages"),
    "more imports than counted": ("compact", put(IMPORT, 0, "01"), "Import", "10 bytes follow"),
    # Applet
    "no applets in Applet": ("compact", whole(APPLET, "00"), "Applet", "there is no applet"),
    "applet AID of 1 byte": ("compact", put(APPLET, 1, "01"), "Applet", "the AID of an applet has 1 bytes"),
    "applet twice": ("compact", put(APPLET, 24, "01"), "Applet", "01 stands twice"),
    "install before the methods": (
        "compact",
        put(APPLET, 12, "0000"),
        "Applet",
        "is said to be at 0, outside",
    ),
    "install beyond the methods": (
        "compact",
        put(APPLET, 12, "FFFF"),
        "Applet",
        "is said to be at 65535, outside",
    ),
    "install in no block": ("extended", put(APPLET, 12, "07"), "Applet", "outside the methods"),
    "applet cut off": ("compact", less(APPLET), "Applet", "takes 2 bytes, 1 are left"),
    "after the applets": ("compact", more(APPLET, "0000"), "Applet", "2 bytes follow"),
    # Class
    "signature pool": ("compact", put(CLASS, 0, "7000"), "Class", "the signature pool takes 28672 bytes"),
    "no classes": ("library", whole(CLASS, ""), "Class", "it is empty"),
    # Method
    "Method is empty": (
        "library",
        whole(METHOD, ""),
        "Method",
        "the number of exception handlers takes 1 bytes",
    ),
    "handlers do not fit": (
        "library",
        put(METHOD, 0, "05"),
        "Method",
        "5 exception handlers do not fit into 8 bytes",
    ),
    "handler beyond": (
        "library",
        whole(METHOD, "0100097000000900000110188c00007a"),
        "Method",
        "an exception handler reaches beyond",
    ),
    "handler catches nothing known": (
        "library",
        whole(METHOD, "0100090001000900440110188c00007a"),
        "Method",
        "names constant 68 of 1",
    ),
    "no blocks": ("extended", put(METHOD, 0, "00"), "Method", "there is no method block"),
    "overlapping blocks": (
        "extended",
        put(METHOD, 5, "0000000D"),
        "Method",
        "method block 0 begins at 13 and ends at 13",
    ),
    "block begins too late": (
        "extended",
        put(METHOD, 1, "00000011"),
        "Method",
        "method block 0 begins at 17",
    ),
    "block beyond the end": ("extended", put(METHOD, 9, "7FFFFFFF"), "Method", "ends at 2147483647"),
    # StaticField
    "image does not add up": ("compact", put(STATIC, 0, "0099"), "StaticField", "the image has 153 bytes"),
    "more arrays than references": (
        "compact",
        put(STATIC, 2, "0001"),
        "StaticField",
        "2 initialised arrays of 1 references",
    ),
    "array of an unknown type": ("compact", put(STATIC, 6, "09"), "StaticField", "an array of type 9"),
    "array of halves": (
        "compact",
        put(STATIC, 6, "050003"),
        "StaticField",
        "an array of 3 bytes with elements of 4",
    ),
    "array beyond the end": ("compact", put(STATIC, 7, "FF00"), "StaticField", "an array takes 65280 bytes"),
    "after the static fields": ("library", more(STATIC), "StaticField", "1 bytes follow"),
    # ConstantPool
    "kind of constant": ("compact", put(POOL, 2, "07"), "ConstantPool", "constant 0 is of kind 7"),
    "package that is not imported": (
        "compact",
        put(POOL, 3, "82"),
        "ConstantPool",
        "refers to imported package 2 of 2",
    ),
    "more constants than there are": (
        "compact",
        put(POOL, 0, "FFFF"),
        "ConstantPool",
        "the kind of a constant takes 1 bytes",
    ),
    "after the constants": ("compact", more(POOL), "ConstantPool", "1 bytes follow"),
    # RefLocation
    "place outside the methods": ("compact", put(LOCATION, 4, "FF"), "RefLocation", "a place lies at"),
    "places cut off": ("compact", put(LOCATION, 2, "0FFF"), "RefLocation", "the places takes 4095 bytes"),
    "after the places": ("compact", more(LOCATION), "RefLocation", "1 bytes follow"),
    "places of fewer blocks": (
        "extended",
        put(LOCATION, 0, "02"),
        "RefLocation",
        "2 blocks for 3 method blocks",
    ),
    # Export
    "nothing exported": ("library", whole(EXPORT, "00"), "Export", "no class is exported"),
    "exported class": ("library", put(EXPORT, 1, "0FFF"), "Export", "a class is said to be at 4095 of 10"),
    "exported method": (
        "library",
        put(EXPORT, 5, "0FFF"),
        "Export",
        "an exported method is said to be at 4095",
    ),
    "exported field": ("library", put(EXPORT, 3, "0100"), "Export", "a field is said to be at 1 of 0 bytes"),
    "after the exports": ("library", more(EXPORT), "Export", "1 bytes follow"),
    "exports of other packages": ("extended", put(EXPORT, 0, "01"), "Export", "1 packages; the Header has 2"),
    # Descriptor
    "described class": (
        "library",
        put(DESCRIPTOR, 3, "7000"),
        "Descriptor",
        "a class is said to be at 28672",
    ),
    "described method": (
        "library",
        put(DESCRIPTOR, 12, "7000"),
        "Descriptor",
        "a method of 5 bytes at 28672",
    ),
    "described handlers": (
        "library",
        put(DESCRIPTOR, 18, "0001"),
        "Descriptor",
        "a method has 1 handlers from number 0",
    ),
    "described constants": (
        "library",
        put(DESCRIPTOR, 22, "0002"),
        "Descriptor",
        "2 constants; ConstantPool has 1",
    ),
    "Descriptor cut off": ("library", less(DESCRIPTOR), "Descriptor", "a type takes 1 bytes, 0 are left"),
    "fields beyond the Descriptor": (
        "library",
        put(DESCRIPTOR, 6, "FFFF"),
        "Descriptor",
        "the fields takes 458745 bytes",
    ),
    # StaticResources
    "no resources": ("extended", whole(RESOURCES, "0000"), "StaticResources", "there is no resource"),
    "resource twice": ("extended", put(RESOURCES, 8, "0001"), "StaticResources", "resource 1 stands twice"),
    "resource too large": (
        "extended",
        put(RESOURCES, 4, "00008000"),
        "StaticResources",
        "resource 1 has 32768 bytes",
    ),
    "resource cut off": (
        "extended",
        less(RESOURCES),
        "StaticResources",
        "a resource takes 4 bytes, 3 are left",
    ),
    "after the resources": ("extended", more(RESOURCES), "StaticResources", "1 bytes follow"),
}


def damaged(name: str) -> bytes:
    kind, spoil, _, _ = DAMAGE[name]
    parts = Parts.of(KINDS[kind])
    spoil(parts)
    return bytes(parts)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_damaged_is_read(kind: str) -> None:
    LoadFile.parse(bytes(Parts.of(KINDS[kind])))


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused_with_its_reason(name: str) -> None:
    _, _, component, reason = DAMAGE[name]
    with pytest.raises(CapError) as caught:
        LoadFile.parse(damaged(name))
    assert caught.value.component == component
    assert reason in caught.value.what
    with pytest.raises(CapError):
        read_cap(damaged(name))


def test_each_kind_of_damage_has_a_reason_of_its_own() -> None:
    said: dict[str, str] = {}
    for name in DAMAGE:
        with pytest.raises(CapError) as caught:
            LoadFile.parse(damaged(name))
        assert str(caught.value) not in said, f"{name} says the same as {said[str(caught.value)]}"
        said[str(caught.value)] = name


@pytest.mark.parametrize("name", [name for name in DRAFTS if name not in ("20 KB",)])
def test_a_load_file_cut_off_anywhere_is_refused(name: str) -> None:
    """Unless what is cut off is a whole component that a card is not given anyway."""
    parts = Parts.of(DRAFTS[name])
    if parts.extended and DRAFTS[name].size:
        parts = Parts.of(CapDraft(aid=AID, format=Version(2, 3), extended=True))
    raw = bytes(parts)
    needed = len(raw)
    for tag in reversed(parts.order):
        if tag not in (DESCRIPTOR, DEBUG) and tag < 0x80:
            break
        needed -= len(parts.info[tag]) + 1 + parts.width(tag)
    whole_ones = 0
    for end in range(len(raw)):
        try:
            LoadFile.parse(raw[:end])
        except CapError:
            continue
        assert end >= needed, f"{end} bytes of {len(raw)} are taken for a load file"
        whole_ones += 1
    assert whole_ones <= 4
