"""Load files that a real converter made: read whole, with the sizes and hashes that others computed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tegata.applets.security_domain.model.cap import Component, Kind, LoadFile, load_file_hash, read_cap
from tegata.applets.security_domain.model.cap.fields import Fields
from tegata.applets.security_domain.model.cap.header import Directory, Header

VECTORS = Path(__file__).parent.parent / "vectors" / "load_files.toml"
TABLES = tomllib.loads(VECTORS.read_text(encoding="utf-8"))
FILES = TABLES["load_file"]


@pytest.fixture(params=FILES, ids=[file["name"] for file in FILES])
def vector(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def test_what_it_holds(vector: dict[str, Any]) -> None:
    file = LoadFile.parse(bytes.fromhex(vector["raw"]))
    assert file.aid.hex().upper() == vector["package"]
    assert str(file.version) == vector["version"]
    assert str(file.format) == "2.1"
    assert [aid.hex().upper() for aid in file.applet_aids] == vector["applets"]
    imports = [f"{one.name} {one.version} {one.aid.hex().upper()}" for one in file.imports]
    assert imports == vector["imports"]
    assert file.static_fields.sizes.image == vector["static_image"]
    assert bytes(file) == bytes.fromhex(vector["raw"])


def test_sizes_and_hashes_with_and_without_descriptor(vector: dict[str, Any]) -> None:
    cap = read_cap(bytes.fromhex(vector["raw"]))
    whole = cap.load_file(descriptor=True)
    for known, raw in (
        (dict(vector["without_descriptor"]), cap.load_file()),
        (dict(vector.get("with_descriptor", vector["without_descriptor"])), whole),
    ):
        assert len(raw) == known.pop("size")
        for algorithm, digest in known.items():
            assert load_file_hash(raw, algorithm).hex() == digest


def test_without_its_descriptor_it_is_a_load_file_too(vector: dict[str, Any]) -> None:
    cap = read_cap(bytes.fromhex(vector["raw"]))
    file = LoadFile.parse(cap.load_file())
    assert not file.has(Kind.DESCRIPTOR)
    assert file.sizes["Descriptor"] > 0  # the Directory still counts it
    assert file.applets == cap.applets


def test_header_and_directory_of_format_2_2() -> None:
    (known,) = TABLES["beginning"]
    header_part, directory_part = (
        Component.read(Fields("", bytes.fromhex(known[key])), extended=False)
        for key in ("header", "directory")
    )
    header = Header.parse(header_part)
    directory = Directory.parse(directory_part, header)
    (package,) = header.packages
    assert (str(header.format), header.aid.hex().upper()) == (known["format"], known["package"])
    assert (str(package.version), package.name) == (known["version"], known["package_name"])
    assert (directory.imports, directory.applets) == (known["imports"], known["applets"])
    assert {Kind(tag).file_name: size for tag, size in directory.sizes.items()} == known["sizes"]
    assert known["sizes"]["Header"] == header_part.size
    assert known["sizes"]["Directory"] == directory_part.size
