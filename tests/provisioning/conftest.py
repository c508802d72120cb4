"""Shared fixtures: a key ring with a cheap passphrase function, and a ledger in a real database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.apdu import Secret
from tegata.provisioning.keyring import FileKeyRing
from tegata.provisioning.ledger import Ledger

PASSPHRASE = b"correct horse battery staple"


@pytest.fixture
def passphrase() -> Secret:
    return Secret(PASSPHRASE)


@pytest.fixture
def ring(tmp_path: Path, passphrase: Secret) -> Iterator[FileKeyRing]:
    ring = FileKeyRing.create(tmp_path / "keys.json", passphrase, name="desk")
    ring.import_master("badges", Secret(bytes(range(32))))
    ring.import_default()
    yield ring
    ring.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(tmp_path / "ledger.db")
    yield ledger
    ledger.close()
