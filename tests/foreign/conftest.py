"""A private pcscd for a module of tests, an ordinary user, and cards made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.simulators import presets

from .harness import Namespace, OrdinaryUser, ordinary_user, pcscd_namespace


@pytest.fixture(scope="module")
def ns() -> Iterator[Namespace]:
    """A pcscd of this module's own."""
    with pcscd_namespace() as namespace:
        yield namespace


@pytest.fixture(scope="module")
def user() -> Iterator[OrdinaryUser]:
    with ordinary_user() as somebody:
        yield somebody


@pytest.fixture(scope="module")
def my_number_card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new My Number Card in a file."""
    path = tmp_path_factory.mktemp("card") / "card.sim"
    presets.create("my-number-card", path)
    return path


@pytest.fixture(scope="module", params=["contact", "contactless"])
def my_number_reader(
    request: pytest.FixtureRequest, ns: Namespace, my_number_card: Path
) -> Iterator[Namespace]:
    """The module's pcscd with a My Number Card in its reader: first in contact, then contactless."""
    with ns.serve(my_number_card, "--interface", request.param):
        yield ns
