"""CAP files: what GlobalPlatformPro takes from one, and small ones made by hand (JCVM 2.2.2 §6)."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

LOADED = (
    "Header",
    "Directory",
    "Import",
    "Applet",
    "Class",
    "Method",
    "StaticField",
    "Export",
    "ConstantPool",
    "RefLocation",
)
"""The order in which they go to the card; Descriptor and Debug stay behind."""

FRAMEWORK = bytes.fromhex("A0000000620101")


@dataclass(frozen=True)
class CapFile:
    package: bytes
    applets: tuple[bytes, ...]
    code: bytes
    """The load file data block."""
    digests_of: bytes = b""
    """What the hash is made of when that is something else, as it should not be."""


def read_cap(raw: bytes) -> CapFile:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        parts = {
            name.rsplit("/", 1)[-1].removesuffix(".cap"): archive.read(name) for name in archive.namelist()
        }
    header = parts["Header"]
    assert header[3:7] == bytes.fromhex("DECAFFED"), "not a CAP file"
    package = header[13 : 13 + header[12]]
    applets = []
    if table := parts.get("Applet", b""):
        at = 4
        for _ in range(table[3]):
            applets.append(table[at + 1 : at + 1 + table[at]])
            at += 1 + table[at] + 2
    code = b"".join(parts[name] for name in LOADED if name in parts)
    return CapFile(package, tuple(applets), code)


def _component(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + len(content).to_bytes(2, "big") + content


def _lv(value: bytes) -> bytes:
    return bytes([len(value)]) + value


def build_cap(package: bytes, applet: bytes, size: int = 0) -> bytes:
    """A CAP file of format 2.1 with one applet; its code is filled up so that ``size`` bytes are loaded."""
    header = bytes.fromhex("DECAFFED 0102 04 0001") + _lv(package)
    imports = bytes([1, 2, 1]) + _lv(FRAMEWORK)
    applets = b"\x01" + _lv(applet) + b"\x00\x01"
    # One class: extends the first imported one, no fields, no methods of its own.
    classes = bytes.fromhex("00 8000 00 FF 00 00 00 00 00")
    # No handlers; one static method of no locals that returns; the rest of the component is never reached.
    method = bytes.fromhex("00 00 00 7A")
    pool = bytes.fromhex("0001 06000001")
    static = bytes.fromhex("0000 0000 0000 0000 0000")
    references = bytes.fromhex("0000 0000")
    contents = {
        "Header": (1, header),
        "Import": (4, imports),
        "Applet": (3, applets),
        "Class": (6, classes),
        "StaticField": (8, static),
        "ConstantPool": (5, pool),
        "RefLocation": (9, references),
    }
    directory_size = 3 + 22 + 6 + 3
    rest = sum(3 + len(content) for _, content in contents.values()) + directory_size
    method += b"\x7a" * max(0, size - rest - 3 - len(method))
    contents["Method"] = (7, method)
    # The class and its method, the method's offset, type and length; then the type: no value.
    code = (len(method) - 3).to_bytes(2, "big")
    described = bytes.fromhex("00 09 0001 0004") + code + bytes(4)
    types = bytes.fromhex("0001 0004 0110")
    contents["Descriptor"] = (11, bytes.fromhex("01 00 01 0000 00 0000 0001") + described + types)
    sizes = {tag: len(content) for tag, content in contents.values()}
    sizes[2] = directory_size - 3
    listed = b"".join(sizes.get(tag, 0).to_bytes(2, "big") for tag in range(1, 12))
    contents["Directory"] = (2, listed + bytes(6) + bytes([1, 1, 0]))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        for name, (tag, content) in contents.items():
            archive.writestr(f"test/javacard/{name}.cap", _component(tag, content))
    return out.getvalue()
