"""How much a command loads before it asks for a card: nothing that it does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("sqlalchemy", "alembic", "asn1crypto", "cryptography.x509", "rich", "fastapi", "pyhanko", "lxml")
LOADED = """
import sys
from tegata.cli import main
code = main(["gp", "--reader", "sim:no such card", *sys.argv[1:]])
print(code, *sorted(name for name in {heavy} if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("words", "also"),
    [
        (["info"], ("pydantic",)),
        (["list"], ()),  # the settings say where a ledger would be, and need pydantic
        (["--dry-run", "delete", "A0000001515350"], ()),
    ],
    ids=" ".join,
)
def test_what_is_loaded(words: list[str], also: tuple[str, ...], tmp_path: Path) -> None:
    code = LOADED.format(heavy=(*HEAVY, *also))
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        check=True,
        env={"TEGATA_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout.split() == ["136"], done.stdout + done.stderr
