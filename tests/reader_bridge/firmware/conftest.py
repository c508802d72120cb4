from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.apdu.errors import set_language

from .bench import Gate, Tegata
from .maker import Maker


@pytest.fixture(scope="session")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("maker"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Another maker, whose key no device of ours knows."""
    return Maker(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TEGATA_HOME", str(tmp_path / "home"))
    # smpclient logs each lost answer with all its bytes; here they are lost on purpose.
    monkeypatch.setattr(logging.getLogger("smpclient"), "disabled", True)
    yield
    set_language(None)


@pytest.fixture
def tegata(capsys: pytest.CaptureFixture[str]) -> Tegata:
    return Tegata(capsys)


@pytest.fixture
def gate(maker: Maker, tmp_path: Path) -> Iterator[Gate]:
    with Gate(maker, tmp_path) as made:
        yield made
