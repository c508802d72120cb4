"""CAP files that a person names: opened with an error that says what is wrong, and described for people and
scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...apdu.errors import InputError, Words
from .model.cap import HASHES, Cap, CapError, Flag, Package, load_file_hash, read_cap

__all__ = ["cap_json", "load_file_forms", "open_cap", "remarks"]

RID = 5
"""Bytes of an AID that name its registered owner (ISO 7816-5)."""


def open_cap(path: Path) -> Cap:
    """The CAP file or load file at ``path``.

    Raises InputError ``cap.unreadable`` for what is no such file, ``cap.malformed`` for one with a fault.
    """
    try:
        return read_cap(path)
    except CapError as error:
        if not error.component and error.offset is None:
            raise InputError("cap.unreadable", file=str(path), what=error.what) from error
        raise InputError("cap.malformed", file=str(path), where=error.where, what=error.what) from error


def load_file_forms(cap: Cap) -> dict[str, bytes]:
    """The load files that hosts make of it: without the Descriptor, and with it where there is one."""
    short, long = cap.load_file(), cap.load_file(descriptor=True)
    return {"without_descriptor": short} | ({"with_descriptor": long} if long != short else {})


def cap_json(path: Path, cap: Cap) -> dict[str, Any]:
    """All that can be told of it."""
    contents = cap.contents
    return {
        "file": str(path),
        "aid": _hex(cap.aid),
        "version": str(cap.version),
        "name": cap.name,
        "format": str(contents.format),
        "extended": contents.extended,
        "flags": [flag.name.lower() for flag in Flag if flag in contents.flags and flag.name],
        "packages": [_package(package) for package in cap.packages],
        "imports": [_package(package) for package in cap.imports],
        "applets": [
            {"aid": _hex(one.aid), "install_block": one.install_block, "install_offset": one.install_offset}
            for one in cap.applets
        ],
        "sizes": {component.name: component.size for component in contents.components},
        "static_fields": {
            "image": contents.static_fields.sizes.image,
            "arrays": contents.static_fields.sizes.arrays,
            "array_bytes": contents.static_fields.sizes.array_bytes,
        },
        "custom": [
            {"tag": f"{one.tag:02X}", "aid": _hex(one.aid), "size": one.size} for one in contents.custom
        ],
        "load_file": {
            form: {"size": len(raw)} | {name: load_file_hash(raw, name).hex() for name in HASHES}
            for form, raw in load_file_forms(cap).items()
        },
        "remarks": [str(remark) for remark in remarks(cap)],
    }


def remarks(cap: Cap) -> list[Words]:
    """What is allowed and yet worth knowing before a card is asked to take it."""
    found = [
        Words(
            f"the applet {_hex(aid)} is of another owner (RID) than the package; some cards refuse that",
            f"アプレット {_hex(aid)} の RID がパッケージと異なります。拒否するカードがあります",
        )
        for aid in cap.applet_aids
        if aid[:RID] != cap.aid[:RID]
    ]
    if "with_descriptor" not in load_file_forms(cap):
        found.append(
            Words(
                "it has no Descriptor; a card that verifies code refuses it",
                "Descriptor がありません。コードを検証するカードは受け付けません",
            )
        )
    if cap.contents.static_fields.sizes.arrays and not cap.applets:
        found.append(
            Words(
                "a library with initialised arrays, which the standard does not allow",
                "ライブラリーに初期化済み配列があります。規格では認められていません",
            )
        )
    if Flag.INT in cap.contents.flags:
        found.append(Words("it needs a card with 32-bit integers", "32 ビット整数に対応したカードが必要です"))
    return found


def _package(package: Package) -> dict[str, str]:
    return {"aid": _hex(package.aid), "version": str(package.version), "name": package.name}


def _hex(raw: bytes) -> str:
    return raw.hex().upper()
