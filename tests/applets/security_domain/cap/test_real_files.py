"""Load files that a real converter made: read whole, with the sizes and hashes that others computed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tegata.applets.security_domain.model.cap import Kind, LoadFile, load_file_hash, read_cap

VECTORS = Path(__file__).parent.parent / "vectors" / "load_files.toml"
FILES = tomllib.loads(VECTORS.read_text(encoding="utf-8"))["load_file"]


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
    for key, raw in (
        ("without_descriptor", cap.load_file()),
        ("with_descriptor", cap.load_file(descriptor=True)),
    ):
        known = dict(vector[key])
        assert len(raw) == known.pop("size")
        for algorithm, digest in known.items():
            assert load_file_hash(raw, algorithm).hex() == digest


def test_without_its_descriptor_it_is_a_load_file_too(vector: dict[str, Any]) -> None:
    cap = read_cap(bytes.fromhex(vector["raw"]))
    file = LoadFile.parse(cap.load_file())
    assert not file.has(Kind.DESCRIPTOR)
    assert file.sizes["Descriptor"] > 0  # the Directory still counts it
    assert file.applets == cap.applets
