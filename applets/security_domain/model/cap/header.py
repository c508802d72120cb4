"""Header and Directory: what package this is, and how large its components are (JCVM 3.1 §6.4, §6.5)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from .fields import Fields, Version
from .stream import CUSTOM_TAGS, Component, Kind, is_wide

__all__ = ["FORMATS", "CustomComponent", "Directory", "Flag", "Header", "Package", "StaticSizes"]

MAGIC = 0xDECAFFED
FORMATS = (Version(2, 1), Version(2, 2), Version(2, 3))
"""CAP format of Java Card 2.1, of 2.2 to 3.0.5, and of 3.1 and 3.2."""


class Flag(enum.IntFlag):
    """Flags of the Header (JCVM 3.1 table 6-4)."""

    INT = 0x01
    EXPORT = 0x02
    APPLET = 0x04
    EXTENDED = 0x08


@dataclass(frozen=True, slots=True)
class Package:
    """A package by AID and version; ``name`` is "" where the file gives none."""

    aid: bytes
    version: Version
    name: str = ""

    @classmethod
    def read(cls, fields: Fields, what: str) -> Package:
        """``package_info``."""
        version = fields.version(what)
        return cls(fields.aid(f"the AID of {what}"), version)


@dataclass(frozen=True, slots=True)
class Header:
    """``aid`` and ``version`` name the load file: the package, or in the extended format the CAP file itself,
    whose ``packages`` are the public ones alone."""

    format: Version
    flags: Flag
    aid: bytes
    version: Version
    packages: tuple[Package, ...]

    @property
    def extended(self) -> bool:
        return bool(self.flags & Flag.EXTENDED)

    @classmethod
    def parse(cls, component: Component) -> Header:
        fields = component.fields()
        begin = fields.at
        if fields.u4("the magic number") != MAGIC:
            raise fields.error("the magic number is not DECAFFED", begin)
        begin = fields.at
        version = fields.version("the CAP format")
        if version not in FORMATS:
            raise fields.error(f"CAP format {version} is unknown; known are 2.1, 2.2 and 2.3", begin)
        begin = fields.at
        flags = fields.u1("the flags")
        known = 0x0F if version >= (2, 3) else 0x07
        if flags & ~known:
            raise fields.error(f"flags {flags:02X} have bits that format {version} does not define", begin)
        header = (_extended if flags & Flag.EXTENDED else _compact)(fields, version, Flag(flags))
        fields.end()
        return header


def _compact(fields: Fields, format_: Version, flags: Flag) -> Header:
    package = Package.read(fields, "the package")
    # package_name_info[] came with format 2.2; where nothing is named by it, some converters leave it out.
    if format_ >= (2, 2) and fields.left:
        package = Package(package.aid, package.version, fields.text("the package name"))
    return Header(format_, flags, package.aid, package.version, (package,))


def _extended(fields: Fields, format_: Version, flags: Flag) -> Header:
    version = fields.version("the CAP file")
    aid = fields.aid("the AID of the CAP file")
    count = fields.u1("the number of packages")
    packages = [Package.read(fields, "a package") for _ in range(count)]
    names = [fields.text("a package name") for _ in packages]
    named = tuple(
        Package(package.aid, package.version, name) for package, name in zip(packages, names, strict=True)
    )
    aids = {package.aid for package in named}
    if len(aids) < count:
        raise fields.error("two packages have the same AID")
    return Header(format_, flags, aid, version, named)


@dataclass(frozen=True, slots=True)
class StaticSizes:
    """What the static fields take: bytes of the image, initialised arrays, and bytes of those."""

    image: int
    arrays: int
    array_bytes: int

    def __str__(self) -> str:
        return f"{self.image} bytes of static fields, {self.arrays} arrays with {self.array_bytes} bytes"


@dataclass(frozen=True, slots=True)
class CustomComponent:
    """A component that the standard does not define, named by an AID."""

    tag: int
    size: int
    aid: bytes


@dataclass(frozen=True, slots=True)
class Directory:
    """Sizes and counts. ``places`` says for each tag at which byte its size stands."""

    sizes: Mapping[int, int]
    places: Mapping[int, int]
    static: StaticSizes
    imports: int
    applets: int
    method_blocks: int
    custom: tuple[CustomComponent, ...]

    @classmethod
    def parse(cls, component: Component, header: Header) -> Directory:
        fields = component.fields()
        sizes, places = {}, {}
        last = {1: Kind.DESCRIPTOR, 2: Kind.DEBUG, 3: Kind.STATIC_RESOURCES}[header.format.minor]
        for kind in Kind:
            if kind <= last:
                places[int(kind)] = fields.at
                width = 4 if is_wide(kind, extended=header.extended) else 2
                sizes[int(kind)] = fields.number(width, f"the size of {kind.file_name}")
        static = StaticSizes(
            fields.u2("the size of the static field image"),
            fields.u2("the number of initialised arrays"),
            fields.u2("the size of initialised arrays"),
        )
        imports = fields.u1("the number of imports")
        applets = fields.u1("the number of applets")
        blocks = fields.u1("the number of method blocks") if header.extended else 1
        custom = _custom(fields, header.extended)
        fields.end()
        return cls(sizes, places, static, imports, applets, blocks, custom)


def _custom(fields: Fields, extended: bool) -> tuple[CustomComponent, ...]:
    found: list[CustomComponent] = []
    for _ in range(fields.u1("the number of custom components")):
        begin = fields.at
        tag = fields.u1("the tag of a custom component")
        if tag not in CUSTOM_TAGS:
            raise fields.error(f"custom tag {tag:02X}; 80 to FF are for custom components", begin)
        if any(other.tag == tag for other in found):
            raise fields.error(f"custom tag {tag:02X} stands twice", begin)
        size = fields.number(4 if extended else 2, "the size of a custom component")
        found.append(CustomComponent(tag, size, fields.aid("the AID of a custom component")))
    return tuple(found)
