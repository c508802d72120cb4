"""The card that the tests of the GemCore driver read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tegata.simulators.presets import memory


@pytest.fixture(scope="session")
def my_number_memory(installation: Path) -> dict[str, bytes]:
    """What lies on a fresh My Number Card."""
    return dict(memory("my-number-card"))
