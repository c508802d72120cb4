"""A desk with a blank company card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..desk import Desk, key_ring


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    ring = key_ring(tmp_path)
    yield Desk(ring)
    ring.close()
