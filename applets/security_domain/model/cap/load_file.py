"""The load file: what a card is given in LOAD, and what it tells (JCVM 3.1 §6; GPC 2.3.1 §11.6).

It is the components of a CAP file one after the other. Its hash (the *Load File Data Block Hash*, GPC 2.3.1
§C.2) covers exactly these bytes, without the tag ``C4`` around them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .code import (
    Methods,
    StaticFields,
    check_class,
    check_reference_locations,
    check_static_resources,
    count_constants,
)
from .fields import CapError, Version
from .header import CustomComponent, Directory, Flag, Header, Package
from .linking import Applet, Sections, check_descriptor, check_exports, parse_applets, parse_imports
from .stream import CUSTOM_TAGS, Component, Kind, check_order, split

__all__ = ["HASHES", "LoadFile", "load_file_hash"]

REQUIRED = (
    Kind.HEADER,
    Kind.DIRECTORY,
    Kind.IMPORT,
    Kind.CLASS,
    Kind.METHOD,
    Kind.STATIC_FIELD,
    Kind.CONSTANT_POOL,
    Kind.REFERENCE_LOCATION,
)
MAY_BE_LEFT_OUT = (Kind.DESCRIPTOR, Kind.DEBUG)
"""Counted by the Directory and yet not loaded, or stripped from the file."""
HASHES = ("sha1", "sha256", "sha384", "sha512")


def load_file_hash(raw: bytes, algorithm: str = "sha256") -> bytes:
    """The hash of a load file as tokens, INSTALL [for load] and DAP blocks carry it.

    ``raw`` is the stream of components without ``C4``. Raises ValueError for an algorithm that GlobalPlatform
    does not name (GPC 2.3.1 §C.2).
    """
    if algorithm not in HASHES:
        raise ValueError(f"hashes of a load file are {', '.join(HASHES)}, not {algorithm}")
    return hashlib.new(algorithm, raw, usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class LoadFile:
    """A load file whose components agree with each other.

    ``aid`` and ``version`` are the package's; of the extended format those of the CAP file, which holds
    several ``packages``. ``sizes`` are the Directory's, by name of component.
    """

    components: tuple[Component, ...]
    header: Header
    directory: Directory = field(repr=False)
    imports: tuple[Package, ...]
    applets: tuple[Applet, ...]
    static_fields: StaticFields

    @classmethod
    def parse(cls, raw: bytes) -> LoadFile:
        """Read the stream of components. Raises CapError, which says which component is wrong, and where."""
        return cls.of(split(bytes(raw)))

    @classmethod
    def of(cls, components: Iterable[Component]) -> LoadFile:
        """The load file of these components, in this order. Raises CapError."""
        held = tuple(components)
        check_order(held)
        by_tag = {component.tag: component for component in held}
        for kind in REQUIRED:
            if kind not in by_tag:
                raise CapError("it is missing", kind.file_name)
        header = Header.parse(by_tag[Kind.HEADER])
        directory = Directory.parse(by_tag[Kind.DIRECTORY], header)
        _check_sizes(directory, by_tag)
        _check_flags(header, by_tag)
        imports = parse_imports(by_tag[Kind.IMPORT], header)
        static_fields = StaticFields.parse(by_tag[Kind.STATIC_FIELD])
        sections = _sections(header, by_tag, len(imports), static_fields)
        applets: tuple[Applet, ...] = ()
        if Kind.APPLET in by_tag:
            applets = parse_applets(by_tag[Kind.APPLET], sections)
        _check_counts(directory, imports, applets, static_fields, sections)
        _check_rest(by_tag, sections)
        return cls(held, header, directory, imports, applets, static_fields)

    def __bytes__(self) -> bytes:
        return b"".join(component.data for component in self.components)

    @property
    def aid(self) -> bytes:
        return self.header.aid

    @property
    def version(self) -> Version:
        return self.header.version

    @property
    def format(self) -> Version:
        return self.header.format

    @property
    def extended(self) -> bool:
        return self.header.extended

    @property
    def flags(self) -> Flag:
        return self.header.flags

    @property
    def packages(self) -> tuple[Package, ...]:
        return self.header.packages

    @property
    def applet_aids(self) -> tuple[bytes, ...]:
        """AIDs of the executable modules."""
        return tuple(applet.aid for applet in self.applets)

    @property
    def custom(self) -> tuple[CustomComponent, ...]:
        return self.directory.custom

    @property
    def sizes(self) -> Mapping[str, int]:
        return {Kind(tag).file_name: size for tag, size in self.directory.sizes.items()}

    def has(self, kind: Kind) -> bool:
        return any(component.tag == kind for component in self.components)


def _check_sizes(directory: Directory, by_tag: Mapping[int, Component]) -> None:
    for tag, size in directory.sizes.items():
        component, name = by_tag.get(tag), Kind(tag).file_name
        if component is None:
            if size and tag not in MAY_BE_LEFT_OUT:
                raise CapError(f"the Directory counts {size} bytes of it, but it is missing", name)
        elif component.size != size:
            raise CapError(
                f"{name} is said to have {size} bytes; it has {component.size}",
                Kind.DIRECTORY.file_name,
                directory.places[tag],
            )
    custom = {entry.tag: entry for entry in directory.custom}
    for tag, component in by_tag.items():
        if tag in CUSTOM_TAGS:
            if tag not in custom:
                raise CapError("the Directory does not know it", component.name)
            if custom[tag].size != component.size:
                raise CapError(
                    f"the Directory says {custom[tag].size} bytes; it has {component.size}", component.name
                )
        elif tag not in directory.sizes and tag != Kind.DEBUG:
            # Debug came with format 2.2, whose converters also write it into files of format 2.1.
            raise CapError("the CAP format of this file does not know it", component.name)


def _check_flags(header: Header, by_tag: Mapping[int, Component]) -> None:
    for flag, kind in ((Flag.APPLET, Kind.APPLET), (Flag.EXPORT, Kind.EXPORT)):
        if bool(header.flags & flag) != (kind in by_tag):
            state = "set, and there is no" if header.flags & flag else "not set, and there is an"
            raise CapError(f"the flag ACC_{flag.name} is {state} {kind.file_name} component", "Header", 9)


def _sections(
    header: Header, by_tag: Mapping[int, Component], imports: int, static_fields: StaticFields
) -> Sections:
    constants = count_constants(by_tag[Kind.CONSTANT_POOL], imports)
    methods = Methods.parse(by_tag[Kind.METHOD], constants, extended=header.extended)
    check_class(by_tag[Kind.CLASS], header.format)
    return Sections(header, methods, constants, by_tag[Kind.CLASS].size, static_fields.sizes.image)


def _check_counts(
    directory: Directory,
    imports: tuple[Package, ...],
    applets: tuple[Applet, ...],
    static_fields: StaticFields,
    sections: Sections,
) -> None:
    name = Kind.DIRECTORY.file_name
    for what, said, found in (
        ("imported packages", directory.imports, len(imports)),
        ("applets", directory.applets, len(applets)),
        ("method blocks", directory.method_blocks, len(sections.methods.blocks)),
    ):
        if said != found:
            raise CapError(f"it counts {said} {what}; there are {found}", name)
    if directory.static != static_fields.sizes:
        raise CapError(f"it describes {directory.static}; StaticField has {static_fields.sizes}", name)


def _check_rest(by_tag: Mapping[int, Component], sections: Sections) -> None:
    check_reference_locations(
        by_tag[Kind.REFERENCE_LOCATION], sections.methods, extended=sections.header.extended
    )
    if Kind.EXPORT in by_tag:
        check_exports(by_tag[Kind.EXPORT], sections)
    if Kind.DESCRIPTOR in by_tag:
        check_descriptor(by_tag[Kind.DESCRIPTOR], sections)
    if Kind.STATIC_RESOURCES in by_tag:
        check_static_resources(by_tag[Kind.STATIC_RESOURCES])
