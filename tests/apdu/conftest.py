"""Shared by the tests of apdu: sentences are in English, whatever the locale of the machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tegata.apdu.errors import set_language


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    set_language("en")
    yield
    set_language(None)
