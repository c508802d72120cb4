"""CAP files made here: for tests, for benchmarks, and to have something that a simulated card can load.

What is written is well formed in every component and the same for the same draft, byte for byte. No converter
made it: bytecode is a shell (see ``bytecode``), and a card with a verifier is not what it is for.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

from .bytecode import BLOCK_LIMIT, Class, Code, class_info, lay_out, place
from .draft import CapDraft
from .fields import Version
from .header import MAGIC, Flag, Package
from .stream import CUSTOM_TAGS, LOAD_ORDER, Component, Kind, is_wide

__all__ = ["draft_components", "pack_cap", "write_cap"]

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The date of every entry: files of the same draft are the same."""
MAX_STEP = 255
LINE = 72
NOT_LOADED = (Kind.DESCRIPTOR, Kind.DEBUG)
ARRAY_OF_BYTES = 3


def write_cap(draft: CapDraft) -> bytes:
    """The CAP file (ZIP) of a draft. Raises ValueError for a size that it cannot have."""
    return pack_cap(draft_components(draft), draft)


def draft_components(draft: CapDraft) -> tuple[Component, ...]:
    """The components in the order of the standard, custom ones last."""
    blocks, filling = 1, 0
    if draft.size is not None:
        if draft.extended:
            blocks = 1 + draft.size // BLOCK_LIMIT
        least = _loaded(_build(draft, lay_out(draft, 3 * (blocks - 1), blocks))) - 3 * (blocks - 1)
        filling = draft.size - least
        if filling < 3 * (blocks - 1):
            raise ValueError(f"a load file of this package has at least {least} bytes")
    return _build(draft, lay_out(draft, filling, blocks))


def _loaded(built: Iterable[Component]) -> int:
    return sum(
        len(component.data)
        for component in built
        if component.tag not in NOT_LOADED and component.tag not in CUSTOM_TAGS
    )


def _build(draft: CapDraft, code: Code) -> tuple[Component, ...]:
    content: dict[int, bytes] = {
        Kind.HEADER: _header(draft),
        Kind.IMPORT: _u1(len(draft.imports)) + b"".join(map(_package_info, draft.imports)),
        Kind.CLASS: _class(draft, code),
        Kind.METHOD: _method(draft, code),
        Kind.STATIC_FIELD: _static_field(draft),
        Kind.CONSTANT_POOL: _u2(len(code.constants)) + b"".join(code.constants),
        Kind.REFERENCE_LOCATION: _reference_location(draft, code),
    }
    if draft.applets:
        content[Kind.APPLET] = _applet(draft, code)
    if draft.exported:
        content[Kind.EXPORT] = _export(draft, code)
    if draft.resources:
        content[Kind.STATIC_RESOURCES] = _resources(draft)
    if draft.descriptor:
        content[Kind.DESCRIPTOR] = _descriptor(draft, code)
    if draft.debug:
        content[Kind.DEBUG] = _debug(draft)
    content |= {tag: data for tag, _, data in draft.custom}
    content[Kind.DIRECTORY] = _directory(draft, content, len(code.blocks))
    order = [*LOAD_ORDER, *sorted(tag for tag in content if tag in CUSTOM_TAGS)]
    return tuple(_component(draft, tag, content[tag]) for tag in order if tag in content)


def _component(draft: CapDraft, tag: int, info: bytes) -> Component:
    wide = is_wide(tag, extended=draft.extended)
    if not wide and len(info) > 0xFFFF:
        raise ValueError("a component of more than 65535 bytes needs the extended format")
    return Component(tag, bytes((tag,)) + len(info).to_bytes(4 if wide else 2, "big") + info, wide)


def _u1(number: int) -> bytes:
    return number.to_bytes(1, "big")


def _u2(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _lv(value: bytes) -> bytes:
    return _u1(len(value)) + value


def _version(version: Version) -> bytes:
    return bytes((version.minor, version.major))


def _package_info(package: Package) -> bytes:
    return _version(package.version) + _lv(package.aid)


def _header(draft: CapDraft) -> bytes:
    flags = (Flag.APPLET if draft.applets else Flag(0)) | (Flag.EXPORT if draft.exported else Flag(0))
    flags |= Flag.EXTENDED if draft.extended else Flag(0)
    raw = MAGIC.to_bytes(4, "big") + _version(draft.format) + _u1(flags)
    raw += _version(draft.version) + _lv(draft.aid)
    if draft.extended:
        names = b"".join(_lv(package.name.encode()) for package in draft.packages)
        return raw + _u1(len(draft.packages)) + b"".join(map(_package_info, draft.packages)) + names
    return raw + (_lv(draft.name.encode()) if draft.format >= (2, 2) else b"")


def _directory(draft: CapDraft, content: dict[int, bytes], blocks: int) -> bytes:
    last = {1: Kind.DESCRIPTOR, 2: Kind.DEBUG, 3: Kind.STATIC_RESOURCES}[draft.format.minor]
    widths = {
        kind: 4 if is_wide(kind, extended=draft.extended) else 2 for kind in sorted(Kind) if kind <= last
    }
    array_bytes = sum(map(len, draft.arrays))
    counts = _u2(_image_size(draft)) + _u2(len(draft.arrays)) + _u2(array_bytes)
    counts += bytes((len(draft.imports), len(draft.applets)))
    if draft.extended:
        counts += _u1(blocks)
    counts += _u1(len(draft.custom))
    for entry in draft.custom_components:
        counts += _u1(entry.tag) + entry.size.to_bytes(4 if draft.extended else 2, "big") + _lv(entry.aid)
    sizes = {tag: len(info) for tag, info in content.items()}
    sizes[Kind.DIRECTORY] = sum(widths.values()) + len(counts)
    return b"".join(sizes.get(kind, 0).to_bytes(width, "big") for kind, width in widths.items()) + counts


def _applet(draft: CapDraft, code: Code) -> bytes:
    classes = [item for item in code.classes if item.applet]
    entries = (
        _lv(aid) + place(draft, item.methods[1]) for aid, item in zip(draft.applets, classes, strict=True)
    )
    return _u1(len(draft.applets)) + b"".join(entries)


def _class(draft: CapDraft, code: Code) -> bytes:
    pool = _u2(0) if draft.format >= (2, 2) else b""
    return pool + b"".join(class_info(draft, item) for item in code.classes)


def _method(draft: CapDraft, code: Code) -> bytes:
    blocks = [b"\x00" + b"".join(method.data for method in block) for block in code.blocks]
    if not draft.extended:
        return blocks[0]
    offset = 1 + 4 * len(blocks)
    offsets = b""
    for block in blocks:
        offsets += offset.to_bytes(4, "big")
        offset += len(block)
    return _u1(len(blocks)) + offsets + b"".join(blocks)


def _image_size(draft: CapDraft) -> int:
    return 2 * len(draft.arrays) + len(draft.values)


def _static_field(draft: CapDraft) -> bytes:
    arrays = b"".join(_u1(ARRAY_OF_BYTES) + _u2(len(array)) + array for array in draft.arrays)
    head = _u2(_image_size(draft)) + _u2(len(draft.arrays)) + _u2(len(draft.arrays))
    return head + arrays + _u2(0) + _u2(len(draft.values)) + draft.values


def _reference_location(draft: CapDraft, code: Code) -> bytes:
    raw = _u1(len(code.blocks)) if draft.extended else b""
    for block in code.blocks:
        steps, last = b"", 0
        for method in block:
            for reference in method.references:
                spot = method.offset + len(method.header) + reference
                distance, last = spot - last, spot
                steps += bytes((MAX_STEP,)) * (distance // MAX_STEP) + _u1(distance % MAX_STEP)
        raw += _u2(0) + _u2(len(steps)) + steps
    return raw


def _export(draft: CapDraft, code: Code) -> bytes:
    item = code.classes[0]
    methods = [] if item.interface else item.methods[:1]
    entry = _u2(item.offset) + bytes((0, len(methods))) + b"".join(place(draft, one) for one in methods)
    exports = _u1(1) + entry
    if draft.extended:
        # All classes lie in the first package.
        return _u1(len(draft.packages)) + exports + _u1(0) * (len(draft.packages) - 1)
    return exports


def _resources(draft: CapDraft) -> bytes:
    directory = b"".join(_u2(number) + len(data).to_bytes(4, "big") for number, data in draft.resources)
    return _u2(len(draft.resources)) + directory + b"".join(data for _, data in draft.resources)


def _descriptor(draft: CapDraft, code: Code) -> bytes:
    types = sorted({*(kind for kind in code.constant_types if kind), *_types_of(code.classes)})
    offsets, at, packed = {}, 2 + 2 * len(code.constants), b""
    for kind in types:
        offsets[kind] = at + len(packed)
        packed += _u1(len(kind)) + bytes.fromhex(kind + "0" * (len(kind) % 2))
    classes = b"".join(_class_descriptor(draft, item, offsets) for item in code.classes)
    raw = _u1(len(code.classes)) + classes
    if draft.extended:
        # Public packages first, and one at least to hold the classes.
        raw = _u1(max(1, len(draft.packages))) + raw + _u1(0) * (len(draft.packages) - 1)
    constant_types = b"".join(_u2(offsets.get(kind, 0xFFFF)) for kind in code.constant_types)
    return raw + _u2(len(code.constants)) + constant_types + packed


def _types_of(classes: Iterable[Class]) -> set[str]:
    return {method.type_ for item in classes for method in item.methods}


def _class_descriptor(draft: CapDraft, item: Class, types: dict[str, int]) -> bytes:
    flags = 0xC1 if item.interface else 0x01
    raw = bytes((item.token, flags)) + _u2(item.offset) + _u1(1 if item.interface else 0)
    raw += _u2(0) + _u2(len(item.methods))
    if item.interface:
        raw += class_info(draft, item)[1:]
    for method in item.methods:
        raw += bytes((method.token, method.flags)) + place(draft, method) + _u2(types[method.type_])
        raw += _u2(len(method.bytecode)) + _u2(0) + _u2(0)
    return raw


def _debug(draft: CapDraft) -> bytes:
    """The package's name in a table of strings, and no class (JCVM 3.1 §6.15)."""
    return _u2(1) + _u2(len(draft.name.encode())) + draft.name.encode() + _u2(0) + _u1(0)


def pack_cap(built: Iterable[Component], draft: CapDraft) -> bytes:
    """A ZIP archive of components under their names, manifest first; stored, since deflaters differ."""
    package = (draft.name or f"cap_{draft.aid.hex()}").replace(".", "/")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        _store(archive, "META-INF/MANIFEST.MF", _manifest(draft, package))
        for component in built:
            name = component.name.replace(" ", "_")
            ending = "capx" if component.wide else "cap"
            _store(archive, f"{package}/javacard/{name}.{ending}", component.data)
    return target.getvalue()


def _store(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, EARLIEST)
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)


def _manifest(draft: CapDraft, package: str) -> bytes:
    """Names as converters write them (Java Card development kit, *CAP file manifest syntax*)."""
    lines = {
        "Manifest-Version": "1.0",
        "Created-By": "tegata",
        "Java-Card-CAP-File-Version": str(draft.format),
        "Java-Card-Package-Name": package.replace("/", "."),
        "Java-Card-Package-AID": _colons(draft.aid),
        "Java-Card-Package-Version": str(draft.version),
        "Java-Card-Integer-Support-Required": "FALSE",
    }
    for number, aid in enumerate(draft.applets, start=1):
        lines[f"Java-Card-Applet-{number}-AID"] = _colons(aid)
        lines[f"Java-Card-Applet-{number}-Name"] = f"Applet{number}"
    for number, imported in enumerate(draft.imports, start=1):
        lines[f"Java-Card-Imported-Package-{number}-AID"] = _colons(imported.aid)
        lines[f"Java-Card-Imported-Package-{number}-Version"] = str(imported.version)
    return "".join(_folded(f"{name}: {value}") for name, value in lines.items()).encode()


def _colons(aid: bytes) -> str:
    return ":".join(f"0x{byte:02x}" for byte in aid)


def _folded(line: str) -> str:
    """A line of at most 72 bytes; what is longer goes on after a blank (JAR file specification)."""
    parts = [line[:LINE]]
    rest = line[LINE:]
    while rest:
        parts.append(" " + rest[: LINE - 1])
        rest = rest[LINE - 1 :]
    return "\r\n".join(parts) + "\r\n"
