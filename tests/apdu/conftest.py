"""Shared by the tests of apdu: sentences are in English, and a busy machine may take its time."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("tegata", deadline=None)
settings.load_profile("tegata")


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
