"""CAP files: ZIP archives with one file for each component (JCVM 3.1 §4.1.3, §6.2.1), and raw load files.

``com/example/javacard/Header.cap`` and its fellows; in the extended format components with a size of four
bytes end in ``.capx``. What else the archive holds (manifest, class files, export files) is not looked at.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .....apdu.regular_files import read_regular
from .fields import CapError, Fields, Version
from .header import Header, Package
from .linking import Applet
from .load_file import LoadFile
from .stream import CUSTOM_TAGS, FILE_NAMES, LOAD_ORDER, Component, Kind

__all__ = ["MAX_CAP_FILE", "Cap", "read_cap"]

MAX_CAP_FILE = 4 * 1024 * 1024
"""Bytes of a CAP file, and of its components together. Cards have far less memory for code."""
MAX_ENTRIES = 4096
COMPONENT_FILE = re.compile(r"(?:(?P<folder>.*)/)?(?P<name>[^/]+)\.(?P<ending>capx?)", re.IGNORECASE)
BY_FILE_NAME = {name.lower(): kind for kind, name in FILE_NAMES.items()}
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x01
ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    OverflowError,
    IndexError,
)
"""What ``zipfile`` raises for archives that are damaged; ``struct.error`` it turns into BadZipFile itself."""


@dataclass(frozen=True, slots=True)
class Cap:
    """A CAP file. ``contents`` is all that it holds, Descriptor and Debug included; ``folder`` is where in
    the archive the components lie ("" for a raw load file)."""

    contents: LoadFile
    folder: str = ""

    def load_file(self, descriptor: bool = False, debug: bool = False, custom: bool = False) -> bytes:
        """The stream of components that a card is given, in the order of the standard (JCVM 3.1 §6.3).

        Hosts differ about the Descriptor: GlobalPlatformPro leaves it out, pySim and gpshell send it, and
        each way gives another hash.
        """
        chosen = {Kind.DESCRIPTOR: descriptor, Kind.DEBUG: debug}
        return b"".join(
            component.data
            for component in self.contents.components
            if (custom if component.tag in CUSTOM_TAGS else chosen.get(Kind(component.tag), True))
        )

    @property
    def aid(self) -> bytes:
        return self.contents.aid

    @property
    def version(self) -> Version:
        return self.contents.version

    @property
    def packages(self) -> tuple[Package, ...]:
        return self.contents.packages

    @property
    def imports(self) -> tuple[Package, ...]:
        return self.contents.imports

    @property
    def applets(self) -> tuple[Applet, ...]:
        return self.contents.applets

    @property
    def applet_aids(self) -> tuple[bytes, ...]:
        return self.contents.applet_aids

    @property
    def name(self) -> str:
        """The Java name of the package: the Header's, or the folder's ("" when neither tells)."""
        names = [package.name for package in self.packages if package.name]
        name = names[0] if names else self.folder.removesuffix("/javacard")
        return name.replace("/", ".")


def read_cap(source: Path | str | bytes) -> Cap:
    """Read a CAP file or a raw load file, from a path or from bytes.

    Raises CapError for anything malformed, and for a path that is no regular file of at most 4 MiB.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        raw = bytes(source)
        if len(raw) > MAX_CAP_FILE:
            raise CapError(f"a file of this kind has at most {MAX_CAP_FILE} bytes")
    else:
        try:
            raw = read_regular(Path(source), MAX_CAP_FILE)
        except ValueError as error:
            raise CapError(str(error)) from error
    if raw[:1] == bytes((Kind.HEADER,)):
        return Cap(LoadFile.parse(raw))
    if raw[:2] != b"PK":
        raise CapError("it is neither a ZIP archive nor a load file", offset=0)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return _read_archive(archive)
    except CapError:
        raise
    except ZIP_FAULTS as error:
        raise CapError(f"the ZIP archive is damaged ({type(error).__name__})") from error


def _read_archive(archive: zipfile.ZipFile) -> Cap:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise CapError(f"the archive has {len(entries)} entries; at most {MAX_ENTRIES} are read")
    files = _component_files(entries)
    folders = {match["folder"] or "" for match in files.values()}
    if len(folders) > 1:
        raise CapError(f"the archive holds several packages: {', '.join(sorted(folders))}")
    contents: dict[str, _File] = {}
    budget = MAX_CAP_FILE
    for info, match in files.items():
        data = _read_entry(archive, info, budget)
        budget -= len(data)
        name = match["name"]
        if name.lower() in contents:
            raise CapError(f"the file {info.filename} stands twice, or as .cap and .capx", name)
        contents[name.lower()] = _File(name, match["ending"].lower(), data)
    return Cap(LoadFile.of(_components(contents)), next(iter(folders)))


def _component_files(entries: list[zipfile.ZipInfo]) -> dict[zipfile.ZipInfo, re.Match[str]]:
    files = {}
    for info in entries:
        name = info.orig_filename
        parts = name.replace("\\", "/").split("/")
        if "\\" in name or ".." in parts or name[:1] == "/" or name[1:2] == ":" or not name.isprintable():
            raise CapError(f"the archive holds a path that leads elsewhere: {name!a}")
        if match := COMPONENT_FILE.fullmatch(name):
            files[info] = match
    if not files:
        raise CapError("the archive holds no component (Header.cap and others)")
    return files


def _read_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: int) -> bytes:
    """What an entry holds, at most ``budget`` bytes, whatever the archive claims about it."""
    if info.flag_bits & ENCRYPTED or info.compress_type not in METHODS:
        raise CapError(f"{info.filename} is encrypted, or compressed by another method than deflate")
    with archive.open(info) as stream:
        data = stream.read(budget + 1)
    if len(data) > budget:
        raise CapError(f"its components have more than {MAX_CAP_FILE} bytes unpacked")
    return data


def _components(contents: dict[str, _File]) -> list[Component]:
    header = contents.get(FILE_NAMES[Kind.HEADER].lower())
    if header is None:
        raise CapError("it is missing", FILE_NAMES[Kind.HEADER])
    extended = Header.parse(header.component(extended=False)).extended
    found: dict[int, Component] = {}
    for file in contents.values():
        component = file.component(extended=extended)
        if component.tag in found:
            raise CapError(f"two files hold it ({file.name} is one)", component.name)
        # StaticResources.cap is also met; everywhere else the ending tells the width of the size.
        if component.tag != Kind.STATIC_RESOURCES and component.wide != (file.ending == "capx"):
            raise CapError(f"its file ends in .{file.ending}", component.name)
        found[component.tag] = component
    standard = [found[kind] for kind in LOAD_ORDER if kind in found]
    return standard + [found[tag] for tag in sorted(found) if tag in CUSTOM_TAGS]


class _File(NamedTuple):
    """A file of the archive that should be a component."""

    name: str
    ending: str
    data: bytes

    def component(self, *, extended: bool) -> Component:
        """The component in it, and nothing else."""
        kind = BY_FILE_NAME.get(self.name.lower())
        title = kind.file_name if kind else self.name
        if not self.data:
            raise CapError("the file is empty", title)
        tag = self.data[0]
        if (kind is not None and tag != kind) or (kind is None and tag not in CUSTOM_TAGS):
            raise CapError(f"its file begins with tag {tag:02X}", title, 0)
        fields = Fields(title, self.data)
        component = Component.read(fields, extended=extended)
        fields.end()
        return component
