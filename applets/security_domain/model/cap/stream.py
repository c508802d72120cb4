"""Components of a CAP file, one by one, and the stream of them that a card loads (JCVM 3.1 §6.2, §6.3)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .fields import CapError, Fields

__all__ = ["CUSTOM_TAGS", "LOAD_ORDER", "Component", "Kind", "check_order", "is_wide", "split"]

EXTENDED_FLAG, FORMAT_OFFSET, FLAGS_OFFSET = 0x08, 7, 9
CUSTOM_TAGS = range(128, 256)


class Kind(enum.IntEnum):
    """Tags of the components (JCVM 3.1 table 6-1)."""

    HEADER = 1
    DIRECTORY = 2
    APPLET = 3
    IMPORT = 4
    CONSTANT_POOL = 5
    CLASS = 6
    METHOD = 7
    STATIC_FIELD = 8
    REFERENCE_LOCATION = 9
    EXPORT = 10
    DESCRIPTOR = 11
    DEBUG = 12
    STATIC_RESOURCES = 13

    @property
    def file_name(self) -> str:
        """The name of its file in a CAP file, without the ending (JCVM 3.1 §6.2.1)."""
        return FILE_NAMES[self]


FILE_NAMES = {
    Kind.HEADER: "Header",
    Kind.DIRECTORY: "Directory",
    Kind.APPLET: "Applet",
    Kind.IMPORT: "Import",
    Kind.CONSTANT_POOL: "ConstantPool",
    Kind.CLASS: "Class",
    Kind.METHOD: "Method",
    Kind.STATIC_FIELD: "StaticField",
    Kind.REFERENCE_LOCATION: "RefLocation",
    Kind.EXPORT: "Export",
    Kind.DESCRIPTOR: "Descriptor",
    Kind.DEBUG: "Debug",
    Kind.STATIC_RESOURCES: "StaticResources",
}

LOAD_ORDER = (
    Kind.HEADER,
    Kind.DIRECTORY,
    Kind.IMPORT,
    Kind.APPLET,
    Kind.CLASS,
    Kind.METHOD,
    Kind.STATIC_FIELD,
    Kind.EXPORT,
    Kind.CONSTANT_POOL,
    Kind.REFERENCE_LOCATION,
    Kind.STATIC_RESOURCES,
    Kind.DESCRIPTOR,
    Kind.DEBUG,
)
"""The order in which a card takes them (JCVM 3.1 §6.3). Debug is never loaded; custom ones come last."""

_WIDE_WHEN_EXTENDED = {Kind.METHOD, Kind.REFERENCE_LOCATION, Kind.DESCRIPTOR, Kind.DEBUG}


def is_wide(tag: int, *, extended: bool) -> bool:
    """Whether the size of this component has four bytes instead of two (JCVM 3.1 §6.2, table 6-3)."""
    if tag == Kind.STATIC_RESOURCES:
        return True
    return extended and (tag in _WIDE_WHEN_EXTENDED or tag in CUSTOM_TAGS)


@dataclass(frozen=True, slots=True)
class Component:
    """One component: ``data`` is the whole of it, tag and size included."""

    tag: int
    data: bytes
    wide: bool = False

    @classmethod
    def read(cls, source: Fields, *, extended: bool) -> Component:
        """The component at which ``source`` stands. Raises CapError when it claims more than is there."""
        begin = source.at
        tag = source.u1("a tag")
        name = _name(tag)
        if not name:
            raise source.error(f"tag {tag:02X} is no component", begin)
        wide = is_wide(tag, extended=extended)
        width = 4 if wide else 2
        if source.left < width:
            raise CapError("the size is cut off", name, 1)
        size = source.number(width, "a size")
        if size > source.left:
            raise CapError(f"it claims {size} bytes, {source.left} are there", name, 1)
        info = source.take(size, name)
        return cls(tag, bytes((tag,)) + size.to_bytes(width, "big") + info, wide)

    @property
    def name(self) -> str:
        return _name(self.tag)

    @property
    def info_at(self) -> int:
        """Where the content begins, after tag and size."""
        return 5 if self.wide else 3

    @property
    def size(self) -> int:
        """Bytes of the content, as the Directory counts them."""
        return len(self.data) - self.info_at

    def fields(self) -> Fields:
        """The content, to be read field by field."""
        return Fields(self.name, self.data, self.info_at)


def _name(tag: int) -> str:
    if tag in CUSTOM_TAGS:
        return f"custom {tag:02X}"
    try:
        return Kind(tag).file_name
    except ValueError:
        return ""


def split(raw: bytes) -> tuple[Component, ...]:
    """The components of a load file, in its order. Raises CapError.

    The first must be the Header, whose flags say how wide the other sizes are.
    """
    if raw[:1] != bytes((Kind.HEADER,)):
        raise CapError("a load file begins with a Header component (tag 01)", offset=0)
    since_2_3 = raw[FORMAT_OFFSET + 1 : FORMAT_OFFSET - 1 : -1] >= b"\x02\x03"
    extended = since_2_3 and len(raw) > FLAGS_OFFSET and bool(raw[FLAGS_OFFSET] & EXTENDED_FLAG)
    components = tuple(_components(Fields("", raw), extended))
    check_order(components)
    return components


def _components(source: Fields, extended: bool) -> Iterator[Component]:
    while source.left:
        yield Component.read(source, extended=extended)


def check_order(components: Iterable[Component]) -> None:
    """Each once, in the order of the standard. Raises CapError."""
    last, seen = -1, set()
    for component in components:
        if component.tag in seen:
            raise CapError("it stands twice", component.name)
        seen.add(component.tag)
        if component.tag in CUSTOM_TAGS:
            continue
        place = LOAD_ORDER.index(Kind(component.tag))
        if place < last:
            raise CapError(f"it stands after {LOAD_ORDER[last].file_name}", component.name)
        last = place
